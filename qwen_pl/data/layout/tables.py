"""Finds the rows of tables: between rulings, or where pieces of rows stand below one another."""

from collections.abc import Sequence

from qwen_pl.data.layout.captions import Kind, label_of
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import LaidPage, Row, end_of
from qwen_pl.data.layout.ruled_areas import ruled_areas
from qwen_pl.data.page.line import Line, LineIndex, Sheet, parted

_FEWEST_ROWS = 3  # of a table without rulings
_CELL_GAP = 0.9  # of the size, between two cells of a row
_SAME_PLACE = 3.0  # points
_NEXT_ROW = 2.5  # of the size, from one row to the next
_ALIGNED = 0.6  # of the pieces of a row stand where those of the row before do
_NUMBERS = 0.4  # of the pieces behind the first of their row
_SHORT = 30  # characters


def find_tables(pages: Sequence[LaidPage]) -> dict[LineIndex, int]:
    """For each row of a table the number of the table.

    Without rulings it needs rows that follow each other with their pieces at the same places, and a
    caption beside them or numbers in many of them; lists, and names beside each other, have none.
    """
    found: dict[LineIndex, int] = {}
    number = 0
    for page, laid in enumerate(pages):
        tables = _ruled(laid)
        taken = {index for table in tables for index in table}
        for table in [*tables, *_aligned(laid, taken)]:
            number += 1
            found.update(((page, index), number) for index in table)
    return found


def cells_of(row: Row) -> list[list[Line]]:
    """The pieces of each cell of a row: what stands close together is one."""
    gap = _CELL_GAP * row.size
    return parted(row.pieces, lambda cell, piece: piece.x > max(map(end_of, cell)) + gap)


def _ruled(page: LaidPage) -> list[list[int]]:
    """The rows between rulings that make tables."""
    if len(page.rulings) < 2:
        return []
    rows = [(index, row) for index, row in enumerate(page.rows) if row.role is Role.PROSE]
    pieces = [piece for _, row in rows for piece in row.pieces]
    tables: list[list[int]] = []
    for left, lower, right, upper in ruled_areas(Sheet(pieces, page.box, page.rulings)):
        table = [
            index
            for index, row in rows
            if lower < row.y < upper and left - _SAME_PLACE < row.x < right + _SAME_PLACE
        ]
        tables += [table] if table else []
    return tables


def _aligned(page: LaidPage, taken: set[int]) -> list[list[int]]:
    """Rows that follow each other with their pieces at the same places."""
    rows = page.rows
    free = [index for index in range(len(rows)) if _may_be_row(rows[index]) and index not in taken]
    tables = []
    for run in parted(free, lambda run, index: not _goes_on(rows, run[-1], index)):
        if len(run) < _FEWEST_ROWS:
            continue
        around = [rows[i] for i in (run[0] - 1, run[-1] + 1) if 0 <= i < len(rows)]
        if any(_is_table_caption(row) for row in around) or _has_numbers([rows[i] for i in run]):
            tables.append(list(range(run[0], run[-1] + 1)))
    return tables


def _may_be_row(row: Row) -> bool:
    if row.role is not Role.PROSE or not row.size or " . . . " in row.text:
        return False
    return len(row.pieces) > 1 and len(cells_of(row)) > 1


def _goes_on(rows: Sequence[Row], before: int, index: int) -> bool:
    """Whether a row goes on with a table, perhaps after a line that is one of its cells."""
    upper, lower = rows[before], rows[index]
    if index - before > 2 or not 0 < upper.y - lower.y < (index - before) * _NEXT_ROW * lower.size:
        return False
    few, many = sorted((upper.pieces, lower.pieces), key=len)
    return sum(_stands_below(piece, many) for piece in few) >= _ALIGNED * len(few)


def _stands_below(piece: Line, pieces: Sequence[Line]) -> bool:
    """Whether one of some pieces begins, ends or has its middle where this one does."""
    start, end = piece.x, end_of(piece)
    return any(
        abs(start - other.x) < _SAME_PLACE
        or abs(end - end_of(other)) < _SAME_PLACE
        or abs(start + end - other.x - end_of(other)) < 2 * _SAME_PLACE
        for other in pieces
    )


def _is_table_caption(row: Row) -> bool:
    label = label_of(row.text)
    return label is not None and label.kind is Kind.TABLE and label.sign != " "


def _has_numbers(rows: Sequence[Row]) -> bool:
    """Whether many cells are numbers and no cell is a sentence, as one of a list is."""
    cells = [piece.text for row in rows for piece in row.pieces[1:]]
    numbers = sum(_is_number(text) for text in cells)
    return numbers >= _NUMBERS * len(cells) and max(map(len, cells)) <= _SHORT


def _is_number(text: str) -> bool:
    digits = sum(map(str.isdigit, text))
    return 2 * digits >= len(text.strip("()[]$€£%<>=~±+-−– ")) > 0
