"""Leaves out what no one can read, and only that, and knows on which pages it was."""

from collections.abc import Sequence
from typing import NamedTuple

from qwen_pl.data.page.legibility import is_private, with_unknown_marked, wrong_lines
from qwen_pl.data.page.line import Line, Page

_MOST_UNKNOWN = 0.3  # of a line's characters; with more of them it is left out as a whole
_MOST_SIGNS = 20  # of a page that stand alone, as icons do, and are left out without a word


class Readable(NamedTuple):
    """The pages of a document without what no one can read."""

    pages: list[Page]
    touched: list[int]
    """Pages of which words are left out, or many signs, counted from 1."""
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
        kept_page, words = [], 0
        for index, line in enumerate(page):
            total += len(line.text)
            is_wrong = (number, index) in wrong
            kept = "" if is_wrong else _readable(line.text)
            left_out += len(line.text) - len(kept)
            if kept is not line.text:
                words += _MOST_SIGNS if is_wrong else _words_or_signs(line.text)
            kept_page.append(line._replace(text=kept))
        kept_pages.append(kept_page)
        if words >= _MOST_SIGNS:
            touched.append(number + 1)
    return Readable(kept_pages, touched, left_out / max(1, total))


def _words_or_signs(text: str) -> int:
    """How many signs are left out of a line; a word counts as so many that its page is named."""
    unknown = [word for word in with_unknown_marked(text).split() if "\ufffd" in word]
    is_word = any(len(word) > 1 for word in unknown)
    return _MOST_SIGNS if is_word else len(unknown)


def _readable(text: str) -> str:
    """A line without the words that have unknown characters; the same one if there are none."""
    marked = with_unknown_marked(text)
    unknown = marked.count("\ufffd")
    if not unknown:
        return text
    if unknown > _MOST_UNKNOWN * len("".join(marked.split())):
        return ""
    return " ".join(word for word in marked.split(" ") if "\ufffd" not in word)
