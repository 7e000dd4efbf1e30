"""Finds tables of contents: lines that end in page numbers which never fall."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from qwen_pl.data.layout.row import Placed
from qwen_pl.data.page.line import LineIndex, parted

_LEADER = re.compile(r"(\. ?){4,}|…{2,}|·{4,}|_{4,}")
_ENTRY = re.compile(r"\S.*?[\s.…·_](\d{1,4}|[ivxlc]{1,7})$")
_HEADINGS = re.compile(
    r"(table of )?contents|list of (figures|tables)|inhalt(sverzeichnis)?|table des mati[èe]res"
    r"|sommaire|[íi]ndice( general)?|sumário|содержание|оглавление|περιεχόμενα|目\s*[次录錄]"
    r"|المحتويات",
    re.IGNORECASE,
)
_FEWEST_ENTRIES = 5
_LARGEST_GAP = 2  # lines of an entry before the one with its page number


class _Entry(NamedTuple):
    """A line that ends like an entry of a table of contents."""

    number: int  # of the line in the whole text
    page_number: int | None  # None if Roman
    has_leader: bool


def find_contents(pages: Sequence[Sequence[Placed]]) -> set[LineIndex]:
    """The indices of the lines of tables of contents.

    A table is a run of lines most of which end in a page number that does not fall from one to the
    next. Without leaders ("....") it counts only in the first or last tenth of the text or under a
    heading like "Contents", since tables of measurements can look the same.
    """
    indices = [(p, i) for p, page in enumerate(pages) for i in range(len(page))]
    texts = [pages[p][i].text for p, i in indices]
    found: set[int] = set()
    for run in map(_without_next_heading, _runs(texts)):
        first, last = run[0].number, run[-1].number
        first = _with_heading(texts, first)
        near_an_end = last < 0.1 * len(texts) + 150 or first > 0.9 * len(texts) - 150
        has_heading = _HEADINGS.fullmatch(texts[first]) is not None
        has_leaders = sum(entry.has_leader for entry in run) > len(run) / 2
        if _is_table(run) and (has_leaders or has_heading or near_an_end):
            found.update(range(first, last + 1))
    return {indices[number] for number in found}


def _runs(texts: list[str]) -> list[list[_Entry]]:
    """Entries with at most a few other lines from one to the next, grouped."""
    entries = []
    for number, text in enumerate(texts):
        if match := _ENTRY.fullmatch(text):
            page_number = int(match[1]) if match[1].isdigit() else None
            entries.append(_Entry(number, page_number, _LEADER.search(text) is not None))
    return parted(entries, lambda run, entry: entry.number - run[-1].number > _LARGEST_GAP + 1)


def _without_next_heading(run: list[_Entry]) -> list[_Entry]:
    """Cuts off "Chapter 1", which follows the table and looks like an entry of it."""
    end = len(run)
    while end > 1:
        before, last = run[end - 2].page_number, run[end - 1].page_number
        if before is None or last is None or last >= before:
            break
        end -= 1
    return run[:end]


def _is_table(run: list[_Entry]) -> bool:
    numbers = [entry.page_number for entry in run if entry.page_number is not None]
    if len(run) < _FEWEST_ENTRIES or len(numbers) < _FEWEST_ENTRIES:
        return False
    lines = run[-1].number - run[0].number + 1
    falls = sum(after < before for before, after in pairwise(numbers))
    return len(run) >= lines / 2 and falls <= 0.1 * len(numbers) and numbers[0] < numbers[-1]


def _with_heading(texts: list[str], first: int) -> int:
    """Moves the start of a table up to its heading, if that is close above."""
    above = range(first - 1, max(first - 4, -1), -1)
    return next((number for number in above if _HEADINGS.fullmatch(texts[number])), first)
