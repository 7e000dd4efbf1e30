"""Puts the lines of a page in the order of reading: column by column, in each from the top down."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from qwen_pl.data.layout.row import Row, end_of, row_of
from qwen_pl.data.page.fonts import is_mathematical
from qwen_pl.data.page.line import Box, Line, is_large_initial, parted

_SAME_ROW = 0.3  # of the size: baselines closer than this are one
_RAISED = 0.75  # of the size: how far above or below a row its small signs may stand
_HANGING = 1.2  # the same for large brackets and the like, which hang from their baselines
_SMALLER = 0.9  # of the usual size: a line of small signs
_SHORT = 4  # letters of such a sign
_LOOKED_AT = 4  # rows above and below a sign
_MOST_COLUMNS = 4
_MOST_AREAS = 50  # of tables on a page
_FEWEST_ROWS = 5  # of a column that tells of others
_WIDE = 0.6  # of the width of a column: a line of prose
_SLACK = 3.0  # points


def reading_order(
    lines: Sequence[Line], rulings: Sequence[Box] = (), areas: Sequence[Box] = ()
) -> list[Row]:
    """The rows of a page: what goes across all columns parts what stands in them.

    The ``areas`` are of tables: what is inside is read row by row. Where places are not known,
    lines stay in the order of the file.
    """
    if not all(line.size for line in lines):
        return [row_of([line]) for line in lines]
    pieces = [_Piece(line, end_of(line), number) for number, line in enumerate(lines)]
    pieces = _with_tables(pieces, areas)
    ruled = [(left, right, (lower + upper) / 2) for left, lower, right, upper in rulings]
    rows: list[Row] = []
    for region in _regions(pieces, ruled, _MOST_COLUMNS):
        rows += _rows_of(region)
    return rows


def level_rows(lines: Sequence[Line]) -> list[Row]:
    """Rows of lines that are in no column, from the top down."""
    pieces = [_Piece(line, end_of(line), number) for number, line in enumerate(lines)]
    pieces.sort(key=lambda piece: -piece.line.y)
    return _put_together(pieces, 0.0, 0.0)


class _Piece(NamedTuple):
    line: Line
    end: float
    number: int
    """In the order of the file."""
    inside: tuple["_Piece", ...] = ()
    """What is in the table that it stands for."""


def _with_tables(pieces: list[_Piece], areas: Sequence[Box]) -> list[_Piece]:
    """The pieces, with one for each table that is as wide as the table."""
    for left, lower, right, upper in areas[:_MOST_AREAS]:
        inside: list[_Piece] = []
        others: list[_Piece] = []
        for piece in pieces:
            is_inside = lower < piece.line.y < upper and left < piece.line.x + _SLACK < right
            (inside if is_inside else others).append(piece)
        if inside:
            first = min(inside, key=lambda piece: piece.number)
            top = max(inside, key=lambda piece: piece.line.y).line
            line = top._replace(x=left, end=right)
            pieces = [*others, _Piece(line, right, first.number, tuple(inside))]
    return pieces


def _regions(
    pieces: list[_Piece], rulings: Sequence[tuple[float, float, float]], columns: int
) -> list[list[_Piece]]:
    """Parts of a page, each a column or a part of one, in the order of reading."""
    pieces = sorted(pieces, key=lambda piece: -piece.line.y)
    gutter = _gutter(pieces) if columns > 1 else None
    if gutter is None:
        return [pieces] if pieces else []
    regions: list[list[_Piece]] = []
    across: list[_Piece] = []
    for band in _bands(pieces, rulings, gutter):
        left = [piece for piece in band if piece.line.x < gutter - _SLACK]
        right = [piece for piece in band if piece.line.x >= gutter - _SLACK]
        if _are_columns(left, right, gutter):
            regions += [across] if across else []
            across = []
            regions += _regions(left, rulings, columns - 1)
            regions += _regions(right, rulings, columns - 1)
        else:
            across += band
    return regions + ([across] if across else [])


def _gutter(pieces: list[_Piece]) -> float | None:
    """Where the lines of a column begin that has others on its left, if there are such.

    It is tried at the places where most lines begin.
    """
    starts = Counter(round(piece.line.x) for piece in pieces)
    common = [place for place, _ in starts.most_common(8)]
    found: list[tuple[int, float]] = []
    for place in common:
        beginning = [p for p in pieces if abs(p.line.x - place) <= _SLACK]
        if len(beginning) < _FEWEST_ROWS:
            continue
        gutter = min(p.line.x for p in beginning)
        right = [p for p in pieces if p.line.x >= gutter]
        left = [p for p in pieces if p.end < gutter - 1.0]
        crossing = len(pieces) - len(right) - len(left)
        beside = _num_beside(left, beginning)
        if beside >= _FEWEST_ROWS and crossing < 2 * len(beginning):
            found.append((_num_beside(left, right) - 3 * crossing, gutter))
    return max(found)[1] if found else None


def _num_beside(left: list[_Piece], right: list[_Piece]) -> int:
    """How many of the pieces on the right have one on the left at about their height."""
    heights = sorted(piece.line.y for piece in left)
    count = 0
    for piece in right:
        reach = piece.line.size
        first = bisect_left(heights, piece.line.y - reach)
        count += bisect_right(heights, piece.line.y + reach) > first
    return count


def _bands(
    pieces: list[_Piece], rulings: Sequence[tuple[float, float, float]], gutter: float
) -> list[list[_Piece]]:
    """The pieces from the top down, parted where a line or a ruling goes across the gutter."""
    heights = sorted(
        -y for left, right, y in rulings if left < gutter - _SLACK < right - 2 * _SLACK
    )
    on_right = sorted(p.line.y for p in pieces if abs(p.line.x - gutter) < _SLACK)
    bands: list[list[_Piece]] = []
    was_across, before = False, 0
    for piece in pieces:
        is_across = piece.line.x < gutter - _SLACK and piece.end > gutter + _SLACK
        # A line that is too long for its column may run into the next one.
        is_across = is_across and not _has_level(on_right, piece)
        ruled = bisect_left(heights, -piece.line.y)
        if not bands or is_across != was_across or ruled != before:
            bands.append([])
        bands[-1].append(piece)
        was_across, before = is_across, ruled
    return bands


def _has_level(heights: list[float], piece: _Piece) -> bool:
    first = bisect_left(heights, piece.line.y - _SAME_ROW * piece.line.size)
    return bisect_right(heights, piece.line.y + _SAME_ROW * piece.line.size) > first


def _are_columns(left: list[_Piece], right: list[_Piece], gutter: float) -> bool:
    """Whether what stands on both sides is read one after the other, and not row by row.

    Lines of prose fill their columns; else the order of the file tells.
    """
    if not left or not right:
        return True
    if _is_prose(left) and _is_prose(right):
        return True
    both = sorted(left + right, key=lambda piece: piece.number)
    switches = sum(
        (a.line.x < gutter - _SLACK) != (b.line.x < gutter - _SLACK) for a, b in pairwise(both)
    )
    beside = _num_beside(left, right)
    return beside >= _FEWEST_ROWS and switches <= beside // 4


def _is_prose(column: list[_Piece], columns: int = _MOST_COLUMNS) -> bool:
    """Whether most letters of a column, or of those inside it, are in lines that fill it."""
    width = max(p.end for p in column) - min(p.line.x for p in column)
    widest = sorted(p.end - p.line.x for p in column)[len(column) * 3 // 4]
    if columns > 1 and widest < width / 2 and (gutter := _gutter(column)) is not None:
        parts = [
            [p for p in column if p.line.x < gutter - _SLACK],
            [p for p in column if p.line.x >= gutter - _SLACK],
        ]
        return all(part and _is_prose(part, columns - 1) for part in parts)
    wide = sum(len(p.line.text) for p in column if p.end - p.line.x > _WIDE * width)
    return wide > 0.5 * sum(len(p.line.text) for p in column) and width > 12 * column[0].line.size


def _rows_of(region: list[_Piece]) -> list[Row]:
    """The rows of a region, from the top down."""
    left = min(piece.line.x for piece in region)
    right = max(piece.end for piece in region)
    rows: list[Row] = []
    text: list[_Piece] = []
    for piece in region:
        if piece.inside:
            rows += _put_together(text, left, right)
            inside = sorted(piece.inside, key=lambda piece: -piece.line.y)
            rows += _put_together(inside, piece.line.x, piece.end)
            text = []
        else:
            text.append(piece)
    return rows + _put_together(text, left, right)


def _put_together(pieces: list[_Piece], left: float, right: float) -> list[Row]:
    """Rows from their pieces, which come from the top down; a large initial is one of its own."""
    letters: Counter[float] = Counter()
    for piece in pieces:
        letters[piece.line.size] += len(piece.line.text)
    usual = letters.most_common(1)[0][0] if letters else 0.0
    signs: list[_Piece] = []
    longer: list[_Piece] = []
    for piece in pieces:
        is_sign = len(piece.line.text) <= _SHORT or piece.line.size < _SMALLER * usual
        (signs if is_sign else longer).append(piece)
    rows = _level_rows(longer)
    rows = sorted(rows + _level_rows(_placed_in(rows, signs)), key=lambda row: -_main(row).line.y)
    made = []
    for row in rows:
        row.sort(key=lambda piece: piece.line.x)
        made.append(row_of([piece.line for piece in row], left, right))
    return made


def _main(row: list[_Piece]) -> _Piece:
    return max(row, key=lambda piece: len(piece.line.text))


def _level_rows(pieces: list[_Piece]) -> list[list[_Piece]]:
    """Pieces on one baseline together; they come from the top down."""
    return parted(pieces, lambda row, piece: not _is_level(row[0].line, piece.line))


def _placed_in(rows: list[list[_Piece]], signs: list[_Piece]) -> list[_Piece]:
    """Puts small signs into the rows that have a place for them; gives back the others.

    In a line of text an exponent, or a root, stands higher or lower than the words beside it. Signs
    that are level with a row come first, since others may stand beside them.
    """
    for fits in (_is_level_with, _has_place):
        for row in rows:
            row.sort(key=lambda piece: piece.line.x)
        heights = [-row[0].line.y for row in rows]
        starts = [[piece.line.x for piece in row] for row in rows]
        others: list[_Piece] = []
        put: list[tuple[int, _Piece]] = []
        for sign in signs:
            near = bisect_left(heights, -sign.line.y)
            close = range(max(0, near - _LOOKED_AT), min(len(rows), near + _LOOKED_AT))
            away = [(abs(heights[i] + sign.line.y), i) for i in close]
            found = [i for _, i in sorted(away) if fits(rows[i], starts[i], sign)]
            if found:
                put.append((found[0], sign))
            else:
                others.append(sign)
        for index, sign in put:
            rows[index].append(sign)
        signs = others
    return signs


def _is_level_with(row: list[_Piece], starts: list[float], sign: _Piece) -> bool:
    return _is_level(row[0].line, sign.line)


def _has_place(row: list[_Piece], starts: list[float], sign: _Piece) -> bool:
    """Whether a sign stands at about the height of a row, and right beside one of its pieces.

    What is longer than a sign has to stand between two. Exponent and index stand above each other.
    """
    line = row[0].line
    if is_large_initial(sign.line.text, sign.line.size, line.size):
        return False
    away = abs(line.y - sign.line.y)
    if away > (_HANGING if is_mathematical(sign.line.font) else _RAISED) * line.size:
        return False
    at = bisect_left(starts, sign.line.x)
    gaps = [sign.line.x - row[at - 1].end] if at else []
    gaps += [starts[at] - sign.end] if at < len(row) else []
    slack = 0.4 * line.size
    is_sign = len(sign.line.text) <= _SHORT
    if sign.line.size < _SMALLER * line.size and away < 0.4 * line.size and at:
        # An index stands below the exponent, both behind their letter.
        return min(gaps) > -1.5 * line.size and sign.line.x < row[-1].end + line.size
    return min(gaps) > -slack and (min(gaps) < slack if is_sign else len(gaps) == 2)


def _is_level(first: Line, line: Line) -> bool:
    small, large = sorted((first, line), key=lambda each: each.size)
    if is_large_initial(large.text, large.size, small.size):
        return False
    return abs(first.y - line.y) < _SAME_ROW * small.size
