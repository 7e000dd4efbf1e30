"""Has files cleaned by a child process, so that none takes for ever or all memory.

The process is used for one file after another, since a new one takes longer than most text files.
"""

import dataclasses
import math
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from qwen_pl.data.cleaning.block_policy import Blocks
from qwen_pl.data.cleaning.clean_text import Cleaning, CleanText, Paragraph
from qwen_pl.data.corpus.sources import SourceFile
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.page.line import Sheet
from qwen_pl.data.pdf.child import Child, ChildStopped
from qwen_pl.data.pdf.messages import note
from qwen_pl.data.pdf.read import PdfLimits, PdfText
from qwen_pl.data.report.file_report import FileReport, describe_file
from qwen_pl.data.texts.text_file import TextJob

_START_SECONDS = 60.0
_FACTS = ("status", "reason", "num_pages", "producer", "reader", "compared", "ocr_pages")
_PAGE_CHARACTERS = 100_000  # of a text file, that may take as long as a page


class Cleaned(NamedTuple):
    """What cleaning made of a PDF, or of a piece of a text file."""

    paragraphs: list[Paragraph]
    report: FileReport


def cleaned_pdf(
    file: SourceFile, pdf: PdfText, cleaning: Cleaning, blocks: Blocks, limits: PdfLimits
) -> Iterator[Cleaned]:
    """Cleans the pages of a PDF, in one piece.

    It may take ``page_seconds`` for each page and one more, and no more than ``file_seconds``.

    Raises:
        ChildStopped: If it meets a limit.
    """
    facts = {name: getattr(pdf, name) for name in _FACTS}
    job = {"pdf": facts, "num_pages": len(pdf.sheets)}
    seconds = limits.page_seconds * (1 + len(pdf.sheets))
    return _cleaned(file, job, pdf.sheets, cleaning, blocks, limits, seconds)


def cleaned_text(
    file: SourceFile, text: TextJob, cleaning: Cleaning, blocks: Blocks, limits: PdfLimits
) -> Iterator[Cleaned]:
    """Cleans a text file piece by piece, whatever its size.

    The limits are those of each piece; every 100,000 characters of it may take ``page_seconds``.

    Raises:
        ChildStopped: If a piece meets a limit; those before it have come.
    """
    size = min(file.path.stat().st_size, 2 * text.at_once)
    job = {"pdf": None, "num_pages": 0, "text": text}
    seconds = limits.page_seconds * (1 + size // _PAGE_CHARACTERS)
    return _cleaned(file, job, [], cleaning, blocks, limits, seconds)


def start_cleaning(limits: PdfLimits) -> None:
    """Starts the child process, if it is not there, without waiting for it."""
    _Cleaner.at_work(limits.memory_mb)


def end_cleaning() -> None:
    """Ends the child process of this one, if it has one."""
    _Cleaner.end()


class _Cleaner:
    """The child process of this process, with those settings that it has for its life."""

    _current: "_Cleaner | None" = None

    def __init__(self, memory_mb: int) -> None:
        self.made_for = os.getpid(), memory_mb  # one that is forked off needs its own
        self.child = Child("qwen_pl.data.corpus.cleaning_worker", memory_mb, "cleaning")
        self.child.send({"memory_mb": memory_mb})
        self._is_ready = False

    def await_ready(self) -> Child:
        if not self._is_ready:
            self.child.next_message(_START_SECONDS, math.inf)
            self._is_ready = True
        return self.child

    @classmethod
    def at_work(cls, memory_mb: int) -> "_Cleaner":
        if cls._current is None or cls._current.made_for != (os.getpid(), memory_mb):
            cls.end()
            cls._current = cls(memory_mb)
        return cls._current

    @classmethod
    def end(cls) -> None:
        current, cls._current = cls._current, None
        if current is not None and current.made_for[0] == os.getpid():
            current.child.close()


def _cleaned(
    file: SourceFile,
    job: dict[str, Any],
    sheets: Sequence[Sheet],
    cleaning: Cleaning,
    blocks: Blocks,
    limits: PdfLimits,
    seconds: float,
) -> Iterator[Cleaned]:
    """Hands over a job and yields what comes of it."""
    path = str(file.path.resolve())
    may_go_on = False
    try:
        child = _Cleaner.at_work(limits.memory_mb).await_ready()
        ways = {"cleaning": dataclasses.asdict(cleaning), "blocks": dataclasses.asdict(blocks)}
        child.send(job | ways | {"path": path})
        for sheet in sheets:
            child.send({"sheet": sheet})
        while True:
            message, paragraphs = _next_piece(child, limits, seconds)
            if message["type"] == "done":
                may_go_on = message["has_grown"] is False
                return
            if message["type"] == "failed":
                raise RuntimeError(note(message["reason"]))
            yield Cleaned(paragraphs, _report(file, message["report"]))
    except (AttributeError, LookupError, TypeError, ValueError):
        raise ChildStopped("crashed", "the cleaning process sent what makes no sense") from None
    except ChildStopped as stopped:
        raise ChildStopped(stopped.status, f"cleaning: {stopped.reason}") from None
    finally:
        if not may_go_on:
            _Cleaner.end()


def _next_piece(
    child: Child, limits: PdfLimits, seconds: float
) -> tuple[dict[str, Any], list[Paragraph]]:
    """The paragraphs that come next, and the message behind them."""
    deadline = time.monotonic() + limits.file_seconds
    parts: list[tuple[list[str], Paragraph]] = []
    characters = 0
    while (message := child.next_message(seconds, deadline))["type"] == "paragraphs":
        for text, page, newlines, role, level, goes_on in message["paragraphs"]:
            numbers = (page, newlines, level)
            if type(text) is not str or any(type(number) is not int for number in numbers):
                raise ValueError
            if newlines < 1 or not 0 <= level < 256:
                raise ValueError
            characters += len(text) + newlines
            if goes_on:
                parts[-1][0].append(text)
            else:
                parts.append(([text], Paragraph("", page, newlines, Role(role), level)))
        if characters > limits.text_mb * 1e6:
            raise ChildStopped("timeout", f"gave more than {limits.text_mb} MB of text")
    return message, [paragraph._replace(text="".join(texts)) for texts, paragraph in parts]


def _report(file: SourceFile, values: dict[str, Any]) -> FileReport:
    """What the child says of a file, if it has the right form; the file's name is known better."""
    empty = describe_file(*file, None, CleanText()).to_json()
    expected = {name: type(value) for name, value in empty.items()}
    if {name: type(value) for name, value in values.items()} != expected:
        raise ValueError
    return FileReport.from_json(values | {"path": empty["path"], "sha256": empty["sha256"]})
