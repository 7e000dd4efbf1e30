"""What a reader makes of a page: its lines of text, each with a place."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

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


Page = list[Line]

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
