"""Finds headings: lines that are larger than the text, or bold and by themselves."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from qwen_pl.data.layout.drop_caps import may_be_initial
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import LaidPage, Row
from qwen_pl.data.page.fonts import is_bold, is_mathematical
from qwen_pl.data.page.line import LineIndex, parted

_LARGER = 1.12  # times the size of the text, and more
_MOST_ROWS = 4
_LONGEST = 240  # characters
_CLOSE = 1.7  # times the size, from one row of a heading to the next
_APART = 1.45  # times the size, from the text above a bold heading
_NUMBER = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+\S")
_LETTERS = re.compile(r"[^\W\d_]{2}")
_DEEPEST = 6


class Heading(NamedTuple):
    """Of which heading a row is, and how deep that is in the outline: 1 for a chapter."""

    number: int
    level: int


class _Found(NamedTuple):
    where: LineIndex
    row: Row


def find_headings(pages: Sequence[LaidPage], size: float) -> dict[LineIndex, Heading]:
    """The rows of headings; the ``size`` is that of the text, in points.

    The level is the rank of its size among those of headings. With a number, "2.3", it is that of
    the headings with one number, and one more for each number behind the first.
    """
    letters: Counter[bool] = Counter()
    for page in pages:
        for row in page.rows:
            letters[is_bold(row.font)] += len(row.text)
    tells_bold = 3 * letters[True] < letters[False]
    blocks: list[list[_Found]] = []
    for number, page in enumerate(pages):
        marked = [_is_set_off(row, size, tells_bold) for row in page.rows]
        candidates = [
            _Found((number, i), row)
            for i, row in enumerate(page.rows)
            if marked[i] and row.role is Role.PROSE
        ]
        for block in parted(candidates, _begins):
            if _is_heading(block, page.rows, size):
                blocks.append(block)
    sizes = sorted({round(block[0].row.size) for block in blocks}, reverse=True)
    ranks = {size: min(rank, _DEEPEST) for rank, size in enumerate(sizes, start=1)}
    depths = [_depth(block[0].row) for block in blocks]
    of_ranks = [ranks[round(block[0].row.size)] for block in blocks]
    chapters = Counter(rank for rank, depth in zip(of_ranks, depths, strict=True) if depth == 1)
    chapter = chapters.most_common(1)[0][0] if chapters else 1
    found = {}
    for number, (block, rank, depth) in enumerate(zip(blocks, of_ranks, depths, strict=True), 1):
        level = min(chapter + depth - 1, _DEEPEST) if depth else rank
        found.update({each.where: Heading(number, level) for each in block})
    return found


def _depth(row: Row) -> int:
    """Of how many numbers its own one is made; 0 if it has none."""
    numbered = _NUMBER.match(row.text)
    return numbered[1].count(".") + 1 if numbered else 0


def _is_set_off(row: Row, size: float, tells_bold: bool) -> bool:
    is_large = row.size > _LARGER * size > 0
    is_heavy = tells_bold and is_bold(row.font) and row.size > 0.9 * size
    return (is_large or is_heavy) and not is_mathematical(row.font)


def _begins(block: list[_Found], found: _Found) -> bool:
    """Whether a row is of another heading than the one before it."""
    before, row = block[-1].row, found.row
    drop = before.y - row.y
    is_next = found.where[1] == block[-1].where[1] + 1
    is_alike = abs(before.size - row.size) < 0.5 and is_bold(before.font) == is_bold(row.font)
    return not (is_next and is_alike and 0 < drop < _CLOSE * row.size) or bool(
        _NUMBER.match(row.text)
    )


def _is_heading(block: list[_Found], rows: Sequence[Row], size: float) -> bool:
    """Whether rows that are set off are a few, with letters, and not in the midst of text."""
    text = " ".join(found.row.text for found in block)
    first, last = block[0], block[-1]
    is_short = len(block) <= _MOST_ROWS and len(text) <= _LONGEST
    if not is_short or not _LETTERS.search(text) or may_be_initial(text):
        return False
    if first.row.size > _LARGER * size:
        return not text.endswith((",", ";"))
    index = first.where[1]
    before = rows[index - 1] if index else None
    drop = before.y - first.row.y if before is not None and before.role is Role.PROSE else -1.0
    is_apart = drop < 0 or drop > _APART * first.row.size
    has_room = last.row.end < last.row.right - 2 * last.row.size
    return is_apart and has_room and not text.endswith((",", ";"))
