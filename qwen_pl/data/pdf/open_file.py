"""What pypdf and pdfium give alike: an open file, and lines whose places and sizes compare."""

from collections.abc import Callable
from typing import NamedTuple

from qwen_pl.data.page.line import Box, Sheet

Place = tuple[float, float, float]
"""x, y and font size, in points."""

UNKNOWN = "\ufffd"
"""Stands for a glyph of which nothing tells the character."""
NOWHERE: Place = (0.0, 0.0, 0.0)
FARTHEST = 1e6
"""Points from the corner of a page within which a place can be meant."""
MOST_DRAWN = 2_000
"""Rulings of a page that are told of, and pictures likewise."""
FORM_FONT = "@form"
"""In the place of a font's name for what is written into a form, or as a note on a page."""
MOST_PAGES = 1_000_000
"""Pages of a file that is read."""
_STEEPEST = 0.2  # climb of text that is not turned
_RAISED_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class NeedsPassword(Exception):
    """The file is encrypted, and the password given does not open it."""


class OpenFile(NamedTuple):
    """A PDF that has been opened."""

    num_pages: int
    producer: str
    """The program that wrote the file, as far as the file says."""
    sheet: Callable[[int], tuple[Sheet, str]]
    """A page, counted from 0, and what is left out of it; it may raise anything."""
    hides_layers: bool = False
    """Whether layers of it are switched off, as far as this reader tells."""
    caveat: str = ""
    """What must be said of text read this way."""


class Frame(NamedTuple):
    """The page as it is shown: turned by /Rotate, with the corner of what is shown at 0, 0."""

    quarters: int
    """Quarter turns with the clock that it is shown after."""
    box: Box
    """What is shown of it, before it is turned."""

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the content is shown."""
        left, lower, right, upper = self.box
        if self.quarters == 0:
            return x - left, y - lower
        if self.quarters == 1:
            return y - lower, right - x
        if self.quarters == 2:
            return right - x, upper - y
        return upper - y, x - left

    def direction(self, x: float, y: float) -> tuple[float, float]:
        """Where a direction of the content leads as it is shown."""
        return ((x, y), (y, -x), (-x, -y), (-y, x))[self.quarters]

    def rectangle(self, left: float, lower: float, right: float, upper: float) -> Box:
        """A rectangle as it is shown, in hundredths of a point."""
        x, y = self.point(left, lower)
        other_x, other_y = self.point(right, upper)
        low_x, high_x = (x, other_x) if x < other_x else (other_x, x)
        low_y, high_y = (y, other_y) if y < other_y else (other_y, y)
        return round(low_x, 2), round(low_y, 2), round(high_x, 2), round(high_y, 2)

    @property
    def shown(self) -> Box:
        """The box of the page as it is shown."""
        return self.rectangle(*self.box)


def raise_number(text: str, rise: float, size_ratio: float) -> str:
    """In superscripts, if it is a number set as an exponent is, as marks of footnotes are too."""
    is_raised = size_ratio < 0.85 and rise > 0.0 and text.strip().isdecimal()
    return text.translate(_RAISED_DIGITS) if is_raised else text


def turn_of(right: tuple[float, float]) -> int:
    """Degrees by which text is turned that runs in a direction: 0, 90, 180 or 270.

    Slanted text, as of a stamp across the page, counts as turned.
    """
    x, y = right
    if abs(y) > _STEEPEST * abs(x):
        return 90 if y > 0 else 270
    return 180 if x < 0 else 0


def upright(x: float, y: float, size: float, right: tuple[float, float]) -> Place:
    """Place and size as they are when the page is turned so that text runs from left to right.

    It runs in the direction ``right``, which may have any length, on the page as it stands.
    """
    turn = turn_of(right)
    if turn % 180:
        x, y = (y, -x) if turn == 90 else (-y, x)
    elif turn:
        x, y = -x, -y
    if not (abs(x) < FARTHEST and abs(y) < FARTHEST and size < FARTHEST):
        return NOWHERE
    return round(x, 2), round(y, 2), round(size, 2)


def valid_unicode(text: str) -> str:
    """Joins surrogate pairs that a broken font map left apart; a lone surrogate becomes U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
