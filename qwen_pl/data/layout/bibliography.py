"""Finds the entries of lists of references, by their labels, hanging indents or gaps."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import LaidPage, Row
from qwen_pl.data.page.fonts import is_bold
from qwen_pl.data.page.line import LineIndex

_HEADING = re.compile(
    r"(\W*(\d+|[A-Z]|[IVX]+)[.:]?\s+)?(selected |list of )?(references?( cited)?|bibliography"
    r"|literature( cited)?|works cited|literatur(verzeichnis)?|quellen(verzeichnis)?"
    r"|r[ée]f[ée]rences( bibliographiques)?|bibliographie|bibliograf[íi]a|referencias"
    r"|referências|bibliografia|riferimenti bibliografici|литература|список литературы"
    r"|参考文献|參考文獻|참고 ?문헌)\W*",
    re.IGNORECASE,
)
_LABEL = re.compile(r"\[[^\]\s]{1,12}\]|\(\d{1,3}\)\s|\d{1,3}\.\s")
_FEWEST_HANGING = 0.25  # of the rows are set in
_HANGS = 3.0  # points that a row is set in, and more
_LARGER = 1.08  # times the size of the entries: a heading
_GAP = 1.2  # times the usual distance of rows
_EARLY = 0.9  # of the width of the column


class _Entry(NamedTuple):
    where: LineIndex
    row: Row


def find_bibliography(pages: Sequence[LaidPage]) -> dict[LineIndex, int]:
    """The rows of entries of lists of references, with the numbers of their entries.

    A list begins below a heading like "References" and ends above the next heading. An entry may go
    on in the next column or on the next page.
    """
    rows = [
        _Entry((number, index), row)
        for number, page in enumerate(pages)
        for index, row in enumerate(page.rows)
        if row.role is Role.PROSE
    ]
    found: dict[LineIndex, int] = {}
    number = 0
    start = 0
    while start < len(rows):
        if not _HEADING.fullmatch(rows[start].row.text):
            start += 1
            continue
        entries = _until_heading(rows, start)
        begins = _beginnings(entries)
        for is_first, (where, _) in zip(begins, entries, strict=True):
            number += is_first
            found[where] = number
        start += 1 + len(entries)
    return found


def _until_heading(rows: Sequence[_Entry], heading: int) -> list[_Entry]:
    """The rows below a heading as far as they have the size of most of those right below it."""
    first = rows[heading + 1 : heading + 9]
    if not first:
        return []
    size = Counter(entry.row.size for entry in first).most_common(1)[0][0]
    is_light = sum(is_bold(entry.row.font) for entry in first) < len(first) / 2
    below: list[_Entry] = []
    for entry in rows[heading + 1 :]:
        row = entry.row
        is_label = _LABEL.match(row.text) is not None
        is_large = row.size > _LARGER * size and len(row.text) > 3
        is_heavy = is_light and is_bold(row.font) and not is_label
        if is_large or is_heavy or _HEADING.fullmatch(row.text):
            break
        below.append(entry)
    return below


def _beginnings(entries: Sequence[_Entry]) -> list[bool]:
    """Which rows of a list begin an entry, by the sign that the list has."""
    rows = [entry.row for entry in entries]
    labelled = [_LABEL.match(row.text) is not None for row in rows]
    if rows and labelled[0] and sum(labelled) > 1:
        return _at_margin(entries, labelled)
    margins = _margins(entries)
    hanging = [row.x > margin + _HANGS for row, margin in zip(rows, margins, strict=True)]
    if _FEWEST_HANGING * len(rows) <= sum(hanging) < len(rows):
        return [True, *(not hangs for hangs in hanging[1:])]
    drops = [before.row.y - entry.row.y for before, entry in pairwise(entries)]
    usual = Counter(round(2 * drop) for drop in drops if drop > 0).most_common(1)
    leading = usual[0][0] / 2 if usual else 0.0
    has_gaps = sum(drop > _GAP * leading for drop in drops) > len(rows) / 20
    begins = [True] * bool(rows)
    for (before, _), drop in zip(pairwise(rows), drops, strict=True):
        ends = before.text.endswith(".") and before.end < before.right - (1 - _EARLY) * (
            before.right - before.left
        )
        begins.append(drop > _GAP * leading or (ends and (drop < 0 or not has_gaps)))
    return begins


def _at_margin(entries: Sequence[_Entry], labelled: Sequence[bool]) -> list[bool]:
    """The labels that stand where labels do: in the midst of an entry a row may begin with one."""
    margins = _margins(entries)
    return [
        is_label and entry.row.x < margin + 4 * _HANGS
        for entry, is_label, margin in zip(entries, labelled, margins, strict=True)
    ]


def _margins(entries: Sequence[_Entry]) -> list[float]:
    """Where the leftmost rows of a column begin, for each row; one column is wider than another."""
    leftmost: dict[tuple[int, int], float] = {}
    places = [(entry.where[0], round(entry.row.left)) for entry in entries]
    for place, entry in zip(places, entries, strict=True):
        leftmost[place] = min(leftmost.get(place, entry.row.x), entry.row.x)
    return [leftmost[place] for place in places]
