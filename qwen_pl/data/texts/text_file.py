"""Reads a file of text, of whatever kind, piece by piece."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from qwen_pl.data.cleaning.clean_text import EVERY_STEP, Cleaning, CleanText
from qwen_pl.data.texts.line_groups import LineReader, clean_chunks
from qwen_pl.data.texts.markdown_lines import MarkdownLines
from qwen_pl.data.texts.plain_lines import PlainLines
from qwen_pl.data.texts.row_files import read_rows
from qwen_pl.data.texts.text_encoding import TextEncoding, read_chunks
from qwen_pl.data.texts.unreadable import Unreadable
from qwen_pl.data.texts.web_files import read_epub, read_html

LINE_SUFFIXES = (".txt", ".md")
"""Of files that are lines of text, whose encoding has to be told first."""
ROW_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
"""Of files with a text in each row."""
_HTML = (".html", ".htm", ".xhtml")
SUFFIXES = (*LINE_SUFFIXES, *_HTML, ".epub", *ROW_SUFFIXES)

_LINE_READERS: dict[str, Callable[[], LineReader]] = {".txt": PlainLines, ".md": MarkdownLines}


def part_name(path: str) -> str:
    """What the numbers that take the place of pages count in a file."""
    name = path.lower()
    return "row" if name.endswith(ROW_SUFFIXES) else "chapter" if name.endswith(".epub") else "page"


class TextJob(NamedTuple):
    """What is to be read, and how."""

    path: str
    suffix: str
    """Of the name that it was found by."""
    encoding: TextEncoding
    at_once: int
    """Characters that are cleaned at once, and up to twice as many."""
    column: str
    """What the text of a row is called."""
    most_bytes: int
    """Of the chapters of a book, unpacked."""


def clean_plain_text(text: str, cleaning: Cleaning = EVERY_STEP, suffix: str = ".txt") -> CleanText:
    """The paragraphs of a text that is there as a whole."""
    [clean] = clean_chunks([text], _LINE_READERS[suffix](), cleaning)
    return clean


def read_text_file(job: TextJob, cleaning: Cleaning) -> Iterator[CleanText]:
    """What each piece gives, in order."""
    path = Path(job.path)
    try:
        if job.suffix in _LINE_READERS:
            chunks = read_chunks(path, TextEncoding(*job.encoding), job.at_once)
            yield from clean_chunks(chunks, _LINE_READERS[job.suffix](), cleaning)
        elif job.suffix in _HTML:
            yield from read_html(path, cleaning)
        elif job.suffix == ".epub":
            yield from read_epub(path, cleaning, job.most_bytes)
        else:
            yield from read_rows(path, job.suffix, job.column, cleaning, job.at_once // 4)
    except Unreadable as error:
        yield CleanText(status="corrupt", reason=str(error))
