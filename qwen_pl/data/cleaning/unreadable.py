"""Leaves out what no one can read, and only that, and knows on which pages it was."""

from collections.abc import Sequence
from typing import NamedTuple

from qwen_pl.data.page.legibility import is_private, unknown_characters, wrong_lines
from qwen_pl.data.page.line import Line, Page

_MOST_UNKNOWN = 0.3  # of a line's characters; with more of them it is left out as a whole


class Readable(NamedTuple):
    """The pages of a document without what no one can read."""

    pages: list[Page]
    touched: list[int]
    """Pages of which something is left out, counted from 1."""
    unreadable: float
    """The share of the characters that is left out."""


def with_bullets(line: Line) -> Line:
    """A line that begins with a sign of a private code has a bullet there.

    >>> with_bullets(Line("\\uf0a7 one", 0, 0, 9)).text
    '• one'
    """
    text = line.text.lstrip()
    is_bullet = is_private(text[:1]) and not text[1:2].strip()
    return line._replace(text="•" + text[1:]) if is_bullet else line


def without_unreadable(pages: Sequence[Page]) -> Readable:
    """Pages without lines that are other text than is shown, and words with unknown characters."""
    wrong = wrong_lines(pages)
    kept_pages: list[Page] = []
    touched: list[int] = []
    total = left_out = 0
    for number, page in enumerate(pages):
        kept_page = []
        for index, line in enumerate(page):
            total += len(line.text)
            kept = "" if (number, index) in wrong else _readable(line.text)
            left_out += len(line.text) - len(kept)
            if kept is not line.text and number + 1 not in touched[-1:]:
                touched.append(number + 1)
            kept_page.append(line._replace(text=kept))
        kept_pages.append(kept_page)
    return Readable(kept_pages, touched, left_out / max(1, total))


def _readable(text: str) -> str:
    """A line without the words that have unknown characters; the same one if there are none."""
    unknown = unknown_characters(text)
    if not unknown:
        return text
    if unknown > _MOST_UNKNOWN * len("".join(text.split())):
        return ""
    return " ".join(word for word in text.split(" ") if not unknown_characters(word))
