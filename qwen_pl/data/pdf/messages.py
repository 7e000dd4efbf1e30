"""What the process that reads a PDF may say, and how far it is believed.

It says ``ready``; ``opened`` or ``failed``; then a ``page`` for each one that was asked for. A
hostile file may make it say anything. What does not have the form and the bounds given here ends
the reading; text is made such that every file and terminal can take it.
"""

from collections.abc import Generator
from typing import Any, NamedTuple

from qwen_pl.data.page.line import Box, Line, Sheet
from qwen_pl.data.pdf.child import Child, ChildStopped
from qwen_pl.data.pdf.open_file import FARTHEST, MOST_DRAWN, MOST_PAGES, valid_unicode

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
    """The next page."""

    sheet: Sheet
    error: str
    """Why it is empty, or not whole; empty if all was read."""


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
    """Yields what a child says of one file: ``Opened``, then each page that is asked for.

    Args:
        job: ``reader``, ``path``, ``password`` and ``memory_mb``; ``pages``, the indices of those
            that are wanted, or None for all; and ``num_read``, how many of them are there already.
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
            wanted = opened.num_pages if job["pages"] is None else len(job["pages"])
            for _ in range(job["num_read"], wanted):
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
    sheet, error = _fields(message, "page", sheet=list, error=str)
    lines, box, rulings, pictures = sheet
    if not len(rulings) <= MOST_DRAWN >= len(pictures):
        raise ValueError
    drawn = [tuple(box_of(*drawn) for drawn in each) for each in (rulings, pictures)]
    return PageRead(Sheet([_line(*line) for line in lines], box_of(*box), *drawn), note(error))


def _line(text: str, x: float, y: float, size: float, end: float, font: str, turn: int) -> Line:
    if not type(text) is type(font) is str or size < 0 or turn not in (0, 90, 180, 270):
        raise ValueError
    x, y, size, end = _numbers(x, y, size, end)
    return Line(valid_unicode(text), x, y, size, end, note(font), int(turn))


def box_of(left: float, lower: float, right: float, upper: float) -> Box:
    """A box that a child tells of; a ``TypeError`` or ``ValueError`` if it cannot be meant."""
    left, lower, right, upper = _numbers(left, lower, right, upper)
    return left, lower, right, upper


def _numbers(*numbers: float) -> list[float]:
    """Points that may be meant."""
    if not all(type(number) in (float, int) and abs(number) <= FARTHEST for number in numbers):
        raise ValueError
    return list(map(float, numbers))


def _fields(message: dict[str, Any], kind: str, **types: type) -> list[Any]:
    """The values of a message that has this type, these fields and no others."""
    if message["type"] != kind or message.keys() != {"type", *types}:
        raise ValueError
    values = [message[name] for name in types]
    if any(type(value) is not wanted for value, wanted in zip(values, types.values(), strict=True)):
        raise ValueError
    return values
