"""What pypdf and pdfium give alike: an open file, and lines whose places and sizes compare."""

from collections.abc import Callable
from typing import NamedTuple

from qwen_pl.data.page.line import Sheet

Place = tuple[float, float, float]
"""x, y and font size, in points."""

UNKNOWN = "\ufffd"
"""Stands for a glyph of which nothing tells the character."""
NOWHERE: Place = (0.0, 0.0, 0.0)
FARTHEST = 1e6
"""Points from the corner of a page within which a place can be meant."""
MOST_DRAWN = 2_000
"""Rulings of a page that are told of, and pictures likewise."""
MOST_PAGES = 1_000_000
"""Pages of a file that is read."""
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
    caveat: str = ""
    """What must be said of text read this way."""


def raise_number(text: str, rise: float, size_ratio: float) -> str:
    """In superscripts, if it is a number set as an exponent is, as marks of footnotes are too."""
    is_raised = size_ratio < 0.85 and rise > 0.0 and text.strip().isdecimal()
    return text.translate(_RAISED_DIGITS) if is_raised else text


def upright(x: float, y: float, size: float, right: tuple[float, float]) -> Place:
    """Place and size as they are when the page is turned so that text runs from left to right.

    It runs in the direction ``right``, which may have any length, on the page as it stands.
    """
    if abs(right[1]) > abs(right[0]):  # the text runs up or down the page
        x, y = (y, -x) if right[1] > 0 else (-y, x)
    elif right[0] < 0:
        x, y = -x, -y
    if not (abs(x) < FARTHEST and abs(y) < FARTHEST and size < FARTHEST):
        return NOWHERE
    return round(x, 2), round(y, 2), round(size, 2)


def valid_unicode(text: str) -> str:
    """Joins surrogate pairs that a broken font map left apart; a lone surrogate becomes U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
