"""What a reader makes of a page: its lines of text, each with a place, and what is drawn there."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

Item = TypeVar("Item")

_INITIAL_SIZE = 1.5  # times the size of the lines beside it, and more


class Line(NamedTuple):
    """One line of text as the reader delivers it, seen with the text upright."""

    text: str
    x: float
    """Left end of the baseline, in points from the left edge of the page."""
    y: float
    """Height of the baseline, in points from the lower edge of the page."""
    size: float
    """Font size of most of the line, in points. Where the place is not known, all three are 0."""
    end: float = 0.0
    """Right end of the last letter, in points as ``x``; 0 where it is not known."""
    font: str = ""
    """Name of the font of most of the line, without the tag of a subset: ``CMTT10``."""
    turn: int = 0
    """Degrees by which the text is turned against the clock on the page as it is shown: 0, 90, 180
    or 270. The place is that on the page turned back."""


Page = list[Line]

Box = tuple[float, float, float, float]
"""Left, lower, right and upper end, in points."""


class Sheet(NamedTuple):
    """A page as the reader delivers it: its lines, and where other things are drawn."""

    lines: Page
    box: Box = (0.0, 0.0, 0.0, 0.0)
    """The page as it is shown; all 0 where it is not known."""
    rulings: tuple[Box, ...] = ()
    """Lines drawn across or down, as of tables and above footnotes; a box without height or width.
    The sides of a frame are four of them."""
    pictures: tuple[Box, ...] = ()
    """Images, and drawings that are more than rulings."""


def sheet_of(values: Sequence[Any]) -> Sheet:
    """A page from the lists that JSON makes of one."""
    lines, box, *drawn = values
    left, lower, right, upper = box
    return Sheet(
        [Line(*line) for line in lines],
        (left, lower, right, upper),
        *(tuple(tuple(each) for each in boxes) for boxes in drawn),
    )


LineIndex = tuple[int, int]
"""Where a line is in a document: the index of its page, and its own on that page."""


def is_large_initial(text: str, size: float, line_size: float) -> bool:
    """Whether a letter, perhaps with a quotation mark, is larger than a line it may stand beside.

    >>> is_large_initial("“T", 30, line_size=10), is_large_initial("T", 14, line_size=10)
    (True, False)
    """
    return 0 < len(text.strip()) <= 2 and size > _INITIAL_SIZE * line_size


def parted(items: Iterable[Item], begins: Callable[[list[Item], Item], bool]) -> list[list[Item]]:
    """Lines, or what stands for them, in parts; each begins where ``begins(part before, item)``.

    >>> parted([1, 2, 5, 6], lambda part, item: item > part[-1] + 1)
    [[1, 2], [5, 6]]
    """
    parts: list[list[Item]] = []
    for item in items:
        if not parts or begins(parts[-1], item):
            parts.append([])
        parts[-1].append(item)
    return parts
