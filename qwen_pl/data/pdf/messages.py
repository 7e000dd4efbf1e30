"""What the process that reads a PDF may say, and how far it is believed.

It says ``ready``; ``opened`` or ``failed``; then a ``page`` for each one that was asked for. A
hostile file may make it say anything. What does not have the form and the bounds given here ends
the reading; text is made such that every file and terminal can take it.
"""

from collections.abc import Generator
from typing import Any, NamedTuple

from qwen_pl.data.page.line import Line, Page
from qwen_pl.data.pdf.child import Child, ChildStopped
from qwen_pl.data.pdf.open_file import FARTHEST, MOST_PAGES, valid_unicode

_LONGEST_NOTE = 200  # characters of a reason or the like
_WORKER = "qwen_pl.data.pdf.worker"
_START_SECONDS = 60.0


class Opened(NamedTuple):
    """The file is open; it has ``num_pages``."""

    num_pages: int
    producer: str
    caveat: str
    """What must be said of text read this way."""
    damage: str
    """What was wrong with the file before it was repaired; empty if nothing was."""


class PageRead(NamedTuple):
    """The lines of the next page."""

    lines: Page
    error: str
    """Why there are none, or not all; empty if all was read."""


def note(text: str) -> str:
    """One line that can be printed and stored, whatever somebody has put into it.

    >>> note("two\\nlines \\x1b[31m" + chr(0xD800))
    'two lines [31m�'
    """
    text = " ".join(valid_unicode(text[: 4 * _LONGEST_NOTE]).split())
    return "".join(c for c in text if c.isprintable())[:_LONGEST_NOTE]


def messages(
    job: dict[str, Any], page_seconds: float, deadline: float
) -> Generator[Opened | PageRead, None, None]:
    """Yields what a child says of one file: ``Opened``, then each page from the first asked for.

    Args:
        job: ``reader``, ``path``, ``password``, ``first_page`` and ``memory_mb``.
        page_seconds: Time that may pass between two messages.
        deadline: The value of ``time.monotonic()`` at which the child is stopped in any case.

    Raises:
        ChildStopped: If a limit was met, the file could not be opened, or the child crashed.
    """
    with Child(_WORKER, job["memory_mb"]) as child:
        child.send(job)
        try:
            _fields(child.next_message(_START_SECONDS, deadline), "ready")
            yield (opened := _opened(child.next_message(page_seconds, deadline)))
            for _ in range(job["first_page"], opened.num_pages):
                yield _page(child.next_message(page_seconds, deadline))
        except (TypeError, ValueError):
            raise child.nonsense() from None


def _opened(message: dict[str, Any]) -> Opened:
    if message["type"] == "failed":
        status, reason = _fields(message, "failed", status=str, reason=str)
        if status not in ("encrypted", "corrupt", "timeout"):
            raise ValueError
        raise ChildStopped(status, note(reason))
    num_pages, *notes = _fields(
        message, "opened", num_pages=int, producer=str, caveat=str, damage=str
    )
    if not 0 < num_pages <= MOST_PAGES:
        raise ValueError
    return Opened(num_pages, *map(note, notes))


def _page(message: dict[str, Any]) -> PageRead:
    lines, error = _fields(message, "page", lines=list, error=str)
    return PageRead([_line(*line) for line in lines], note(error))


def _line(text: str, x: float, y: float, size: float) -> Line:
    is_placed = all(type(number) in (float, int) for number in (x, y, size))
    if not (is_placed and type(text) is str and size >= 0):
        raise ValueError
    if not (abs(x) <= FARTHEST and abs(y) <= FARTHEST and size <= FARTHEST):
        raise ValueError
    return Line(valid_unicode(text), float(x), float(y), float(size))


def _fields(message: dict[str, Any], kind: str, **types: type) -> list[Any]:
    """The values of a message that has this type, these fields and no others."""
    if message["type"] != kind or message.keys() != {"type", *types}:
        raise ValueError
    values = [message[name] for name in types]
    if any(type(value) is not wanted for value, wanted in zip(values, types.values(), strict=True)):
        raise ValueError
    return values
