"""Finds verse, whose lines end where the poet wants and not where the paper does."""

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

_FEWEST_LINES = 4
_FULLEST = 0.95  # of the reach of a full line
_EARLY = 0.85  # a line that ends before is not filled, whatever word comes next
_SHARE = 1 / 3  # of the lines that end early and in mid-sentence
_OPENING = "“‘«„\"'([—"


class _Line(Protocol):
    @property
    def text(self) -> str: ...

    @property
    def fullness(self) -> float: ...

    @property
    def ends_sentence(self) -> bool: ...


def find_verse(lines: Sequence[_Line]) -> set[int]:
    """The indices of lines in runs of short ones that all begin with a capital letter.

    Many of them end in mid-sentence, as the last lines of paragraphs do not. Addresses, title
    pages and other things that are set line by line look the same. Text all in capitals does not
    count, nor do scripts that have none.
    """
    found: set[int] = set()
    for is_verse, run in groupby(range(len(lines)), lambda index: _may_be_verse(lines[index])):
        indices = list(run)
        early = sum(_ends_early(lines[index]) for index in indices)
        if is_verse and len(indices) >= _FEWEST_LINES and early > _SHARE * len(indices):
            found.update(indices)
    return found


def begins_with_capital(text: str) -> bool:
    """Whether the first letter is a capital, but for opening quotation marks and brackets."""
    return text.lstrip(_OPENING)[:1].isupper()


def _may_be_verse(line: _Line) -> bool:
    is_short = line.fullness < _FULLEST
    return is_short and begins_with_capital(line.text) and not line.text.isupper()


def _ends_early(line: _Line) -> bool:
    return line.fullness < _EARLY and not line.ends_sentence
