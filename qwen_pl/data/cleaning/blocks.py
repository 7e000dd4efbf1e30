"""Writes what is apart from the text, as tables and captions, as paragraphs of its own."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from qwen_pl.data.cleaning.clean_text import Paragraph, lines_as_they_are
from qwen_pl.data.cleaning.hyphens import LineJoiner, joined_text
from qwen_pl.data.layout.formulas import is_equation_number
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import Row, end_of, row_of
from qwen_pl.data.layout.tables import cells_of
from qwen_pl.data.page.line import Line

APART = frozenset({Role.TABLE, Role.CAPTION, Role.CODE, Role.FIGURE, Role.FORM})
"""Roles of blocks that come behind the paragraph which they stand in or beside."""

_WRAPPED = 1.08  # times the tightest distance of rows, between the lines of one cell
_LOOSE = 1.15  # times that, between the rows of a table whose cells have several lines
_MOST_COLUMNS = 64
_MOST_BLANK = 3  # lines in a row within a listing
_COUNTED = 0.8  # of the lines of a listing have their number before them
_LINES = 1.25  # of the size: lines of a formula are farther apart, those of a fraction nearer
_SMALL = 0.85  # of the size


def block_paragraphs(
    role: Role, rows: Sequence[Row], page: int, joiner: LineJoiner, before: Sequence[Row] = ()
) -> Iterator[Paragraph]:
    """The paragraphs of one block; the ``page`` counts from 1.

    The rows that came ``before`` are those that the block has on the page before.
    """
    if role is Role.TABLE:
        yield Paragraph(_table_text(rows, joiner), page, role=role)
    elif role is Role.CODE:
        newlines = 1 if before else 2
        for paragraph in lines_as_they_are(_code_lines(rows, before), page, newlines):
            yield paragraph._replace(role=role)
    else:
        first, *others = [row.text for row in rows]
        yield Paragraph(joined_text(first, others, joiner.join), page, role=role)


class _Cell(NamedTuple):
    text: str
    left: float
    right: float


def _table_text(rows: Sequence[Row], joiner: LineJoiner) -> str:
    """A line for each row, with a bar between cells; those that are empty keep their place."""
    lines = [
        [_Cell(row_of(cell).text, cell[0].x, max(map(end_of, cell))) for cell in cells_of(row)]
        for row in rows
    ]
    columns = _columns(lines)
    table = [_in_columns(line, columns) for line in lines]
    wrapped = _wrapped(rows, table)
    written: list[list[str]] = []
    for index, line in enumerate(table):
        if index in wrapped and len(written[-1]) == len(line):
            written[-1] = [
                " ".join(filter(None, cells)) if not all(cells) else joiner.join(*cells)
                for cells in zip(written[-1], line, strict=True)
            ]
        else:
            written.append(line)
    return "\n".join(re.sub(" {2,}", " ", " | ".join(line)).strip() for line in written)


def _columns(lines: Sequence[Sequence[_Cell]]) -> list[tuple[float, float]]:
    """Where the columns are, by the rows that have most cells; none if these do not agree."""
    most = max(map(len, lines))
    full = [line for line in lines if len(line) == most <= _MOST_COLUMNS]
    ends = [(min(c.left for c in each), max(c.right for c in each)) for each in zip(*full)]  # noqa: B905
    return ends if all(before[1] < after[0] for before, after in pairwise(ends)) else []


def _in_columns(line: Sequence[_Cell], columns: Sequence[tuple[float, float]]) -> list[str]:
    """The texts of a row by column; one that stands across several is in the first of them."""
    texts = [""] * len(columns)
    last = -1
    for cell in line:
        shared = [min(cell.right, right) - max(cell.left, left) for left, right in columns]
        column = max(range(len(columns)), key=lambda i: shared[i], default=-1)
        spanned = [i for i, width in enumerate(shared) if width > 0]
        column = spanned[0] if spanned else column
        if column <= last:
            return [cell.text for cell in line]
        texts[column], last = cell.text, column
    return texts


def _wrapped(rows: Sequence[Row], table: Sequence[Sequence[str]]) -> set[int]:
    """The rows that go on with the cells of the one before, where that is clear.

    They have nothing in the first column and stand nearer to it than rows that have.
    """
    drops = [before.y - row.y for before, row in pairwise(rows)]
    if not drops or min(drops) <= 0:
        return set()
    tight = _WRAPPED * min(drops)
    begins = [drop for drop, line in zip(drops, table[1:], strict=True) if line[0]]
    if not begins or median(begins) < _LOOSE * min(drops):
        return set()
    return {i for i, drop in enumerate(drops, start=1) if drop <= tight and not table[i][0]}


def _code_lines(rows: Sequence[Row], before: Sequence[Row]) -> Iterator[str]:
    """The lines of a listing, set in as they were, with the blank ones between them."""
    listing = _without_counts(rows)
    pieces = [piece for line in listing for piece in line]
    if not pieces:
        return
    widths = [(p.end - p.x) / len(p.text) for p in pieces if p.end > p.x]
    width = (median(widths) if widths else 0.6 * pieces[0].size) or 1.0
    left = min(line[0].x for line in listing if line)
    earlier = [line[0].x for line in _without_counts(before) if line]
    if earlier:
        # On the page before, the margin may be another: then it is not whole letters away.
        first = min(earlier)
        shift = rows[0].left - before[0].left
        shift = 0.0 if abs((left - first) / width - round((left - first) / width)) < 0.2 else shift
        left = min(left, first + shift)
    drops = Counter(round(2 * (a.y - b.y)) / 2 for a, b in pairwise(rows) if a.y > b.y)
    usual = [drop for drop, count in drops.items() if count > 0.1 * drops.total()]
    for index, line in enumerate(listing):
        drop = rows[index - 1].y - rows[index].y if index else 0.0
        if drop > 0 and usual:
            yield from [""] * min(_MOST_BLANK, round(drop / min(usual)) - 1)
        text = ""
        for piece in line:
            column = round((piece.x - left) / width)
            text = text.ljust(max(column, len(text) + bool(text.strip()))) + piece.text
        yield text


def _without_counts(rows: Sequence[Row]) -> list[Sequence[Line]]:
    """The pieces of the lines of a listing without the numbers that count them."""
    counts = [int(row.pieces[0].text) if row.pieces[0].text.isdecimal() else None for row in rows]
    steps = sum(b is not None and a is not None and b == a + 1 for a, b in pairwise(counts))
    if steps < max(2, _COUNTED * (len(rows) - 1)):
        return [row.pieces for row in rows]
    return [
        row.pieces[1:] if count is not None else row.pieces
        for row, count in zip(rows, counts, strict=True)
    ]


def formula_text(rows: Sequence[Row]) -> str:
    """A formula on one line: limits and parts of fractions stand where they are from left to right.

    The number of an equation comes last.
    """
    size = max(row.size for row in rows) or 1.0
    heights = _lines_of_formula(rows, size)
    between = [(lower + upper) / 2 for lower, upper in pairwise(heights)]
    members: list[list[Line]] = [[] for _ in heights]
    numbers = []
    for row in rows:
        for piece in row.pieces:
            if is_equation_number(piece.text) and end_of(row) > row.right - row.size:
                numbers.append(piece.text)
            else:
                members[bisect_left(between, row.y)].append(piece)
    text = ""
    for own in reversed(members):
        own.sort(key=lambda piece: (round(piece.x / size), -piece.y, piece.x))
        for index, piece in enumerate(own):
            is_attached = index > 0 and _is_attached(own[index - 1], piece)
            text += piece.text if is_attached else f" {piece.text}"
    return " ".join([text.strip(), *numbers])


def _lines_of_formula(rows: Sequence[Row], size: float) -> list[float]:
    """The heights of its lines, from below: the widest rows that are not too near to each other."""
    heights: list[float] = []
    for row in sorted(rows, key=lambda row: row.x - end_of(row)):
        at = bisect_left(heights, row.y)
        near = heights[max(0, at - 1) : at + 1]
        if not heights or (
            row.size > _SMALL * size and all(abs(row.y - y) > _LINES * size for y in near)
        ):
            heights.insert(at, row.y)
    return heights


def _is_attached(before: Line, piece: Line) -> bool:
    """Whether a piece stands right behind another: on its line, or as an exponent or a limit."""
    is_small = piece.size < _SMALL * before.size or before.size < _SMALL * piece.size
    is_touching = piece.x < end_of(before) + 0.1 * max(piece.size, before.size)
    return is_touching and (is_small or abs(piece.y - before.y) < 0.3 * piece.size)
