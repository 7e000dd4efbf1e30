"""What a reader makes of a page: its lines of text, each with a place."""

from typing import NamedTuple


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
