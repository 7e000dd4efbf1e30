"""Finds where on a page rulings make a table: a few across it, or a grid."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from enum import Enum
from itertools import groupby, pairwise

from qwen_pl.data.layout.captions import label_of
from qwen_pl.data.layout.row import end_of
from qwen_pl.data.page.fonts import is_monospaced
from qwen_pl.data.page.line import Box, Line, Sheet, parted

_SAME = 3.0  # points that the ends of rulings of one table are apart
_NARROWEST = 40.0  # points
_TALL = 0.5  # of the page, between two rulings
_FEW_ROWS = 3  # that may be a title inside a table
_TABULAR = 0.4  # of the rows have several cells
_TABULAR_OF_TALL = 0.7
_SENTENCE = 40  # characters
_MOST_LEVELS = 40  # of a page, those with most rulings
_ACROSS = 0.6  # of the width
_LEADERS = " . . . "  # of a table of contents
_MOST_UPRIGHT = 500  # rulings of a page that part columns
_HEADS_SET_IN = 10.0  # points, that one may be farther than others
_SHORTEST_HEAD = 3  # letters; bullets and numbers of items are shorter
_SAME_ROW = 0.4  # of the size


class _Band(Enum):
    """What stands between two rulings."""

    ROWS = "of several cells"
    TITLE = "or nothing: a few short lines"
    TEXT = "no part of a table"


def ruled_areas(sheet: Sheet) -> list[Box]:
    """The areas of a page's tables as their rulings tell, from the top.

    A table is a run of bands between rulings that begin and end at the same places. The head and
    the foot of a page may have such rulings, too, and so has a box around text: there rows have one
    piece, or first pieces that are sentences.
    """
    levels = sorted(_levels(sheet.rulings), key=lambda level: -len(level[2]))[:_MOST_LEVELS]
    if not levels:
        return []
    upright = [r for r in sheet.rulings if r[2] - r[0] < 1][:_MOST_UPRIGHT]
    lines = sorted((line for line in sheet.lines if not line.turn), key=lambda line: line.y)
    heights = [line.y for line in lines]
    areas = []
    for left, right, ys in levels:
        within = [(r[1], r[3]) for r in upright if left + _SAME < r[0] < right - _SAME]
        bands = []
        for lower, upper in pairwise(ys):
            inside = lines[bisect_left(heights, lower) : bisect_right(heights, upper)]
            inside = [line for line in inside if left - _SAME < line.x < right + _SAME]
            is_tall = upper - lower > _TALL * (sheet.box[3] - sheet.box[1]) > 0
            columns = any(min(upper, b[1]) - max(lower, b[0]) > (upper - lower) / 2 for b in within)
            is_page = is_tall and len(ys) == 2
            kind = _Band.TEXT if is_page else _kind(inside, columns, is_tall)
            bands.append((lower, upper, kind))
        for is_table, run in groupby(bands, lambda band: band[2] is not _Band.TEXT):
            table = _trimmed(list(run)) if is_table else []
            if table:
                areas.append((left, table[0][0], right, table[-1][1]))
    return sorted(_outermost(areas), key=lambda area: -area[3])


def _levels(rulings: Sequence[Box]) -> list[tuple[float, float, list[float]]]:
    """The heights of the rulings across the page that begin and end at the same places."""
    flat = [r for r in rulings if r[3] - r[1] < 1]
    whole = []
    for _, run in groupby(sorted(flat, key=lambda r: (round(r[1]), r[0])), lambda r: round(r[1])):
        for part in parted(run, lambda part, r: r[0] > max(o[2] for o in part[-2:]) + _SAME):
            whole.append((part[0][0], max(r[2] for r in part), part[0][1]))
    whole = sorted(r for r in whole if r[1] - r[0] > _NARROWEST)
    found = []
    for alike in parted(whole, lambda part, r: r[0] > part[-1][0] + _SAME):
        alike.sort(key=lambda r: r[1])
        for group in parted(alike, lambda part, r: r[1] > part[-1][1] + _SAME):
            ys = [ys[0] for ys in parted(sorted(r[2] for r in group), _is_next)]
            if len(ys) > 1:
                found.append((group[0][0], group[-1][1], ys))
    return found


def _is_next(ys: list[float], y: float) -> bool:
    return y > ys[-1] + _SAME


def _kind(inside: Sequence[Line], has_columns: bool, is_tall: bool) -> _Band:
    """What the lines between two rulings are; they come from below."""
    if not is_tall and _has_heads(inside):
        return _Band.ROWS
    rows = parted(inside, lambda row, line: line.y > row[-1].y + _SAME_ROW * line.size)
    rows = [_without_bullet(sorted(row, key=lambda line: line.x)) for row in rows]
    if any(label_of(line.text) is not None for row in rows for line in row[:1]):
        return _Band.TEXT
    several = sum(len(row) > 1 for row in rows)
    sentences = sum(len(row[0].text) > _SENTENCE for row in rows)
    code = sum(all(is_monospaced(line.font) for line in row) for row in rows)
    is_text = sentences > len(rows) / 2 and (is_tall or not has_columns)
    is_text |= not has_columns and any(len(row) == 1 and _is_wide(row[0], inside) for row in rows)
    if (
        is_text
        or any(_LEADERS in row[0].text for row in rows)
        or (code > len(rows) / 2 and not has_columns)
    ):
        return _Band.TEXT
    if several and several >= (_TABULAR_OF_TALL if is_tall else _TABULAR) * len(rows):
        return _Band.ROWS
    return _Band.TITLE if len(rows) <= _FEW_ROWS or has_columns else _Band.TEXT


def _is_wide(line: Line, inside: Sequence[Line]) -> bool:
    """Whether a line is a sentence across most of what stands between two rulings."""
    width = max(map(end_of, inside)) - min(other.x for other in inside)
    return len(line.text) > _SENTENCE and end_of(line) - line.x > _ACROSS * width


def _without_bullet(row: list[Line]) -> list[Line]:
    is_bullet = len(row) > 1 and not any(map(str.isalnum, row[0].text))
    return row[1:] if is_bullet else row


def _has_heads(inside: Sequence[Line]) -> bool:
    """Whether short texts stand in a column of their own, left of cells of several lines."""
    left = min((line.x for line in inside), default=0.0) + _HEADS_SET_IN
    heads = [line for line in inside if line.x < left]
    others = [line for line in inside if line.x >= left]
    if not others or not all(_SHORTEST_HEAD <= len(line.text) <= _SENTENCE for line in heads):
        return False
    return max(map(end_of, heads)) < min(line.x for line in others)


_Found = tuple[float, float, _Band]


def _trimmed(bands: list[_Found]) -> list[_Found]:
    """Bands up to the last that has rows; one above them may hold the heads of columns."""
    rows = [index for index, band in enumerate(bands) if band[2] is _Band.ROWS]
    # They come from below: the first is the lowest.
    return bands[rows[0] : rows[-1] + 2] if rows else []


def _outermost(areas: list[Box]) -> list[Box]:
    """Areas of which none lies in another."""
    kept: list[Box] = []
    for area in sorted(areas, key=lambda area: (area[0] - area[2]) * (area[3] - area[1])):
        middle = (area[0] + area[2]) / 2, (area[1] + area[3]) / 2
        if not any(box[0] < middle[0] < box[2] and box[1] < middle[1] < box[3] for box in kept):
            kept.append(area)
    return kept
