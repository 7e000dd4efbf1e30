"""Reads a file of text, of whatever kind, piece by piece."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from qwen_pl.data.cleaning.clean_text import EVERY_STEP, Cleaning, CleanText
from qwen_pl.data.texts.line_groups import LineReader, clean_chunks
from qwen_pl.data.texts.markdown_lines import MarkdownLines
from qwen_pl.data.texts.plain_lines import PlainLines
from qwen_pl.data.texts.text_encoding import TextEncoding, read_chunks

_LINE_READERS: dict[str, Callable[[], LineReader]] = {".txt": PlainLines, ".md": MarkdownLines}


class TextJob(NamedTuple):
    """What is to be read, and how."""

    path: str
    suffix: str
    """Of the name that it was found by."""
    encoding: TextEncoding
    at_once: int
    """Characters that are cleaned at once, and up to twice as many."""


def clean_plain_text(text: str, cleaning: Cleaning = EVERY_STEP, suffix: str = ".txt") -> CleanText:
    """The paragraphs of a text that is there as a whole."""
    [clean] = clean_chunks([text], _LINE_READERS[suffix](), cleaning)
    return clean


def read_text_file(job: TextJob, cleaning: Cleaning) -> Iterator[CleanText]:
    """What each piece gives, in order."""
    chunks = read_chunks(Path(job.path), TextEncoding(*job.encoding), job.at_once)
    yield from clean_chunks(chunks, _LINE_READERS[job.suffix](), cleaning)
