"""What the layout is made of: rows of print, and pages of them in the order of reading."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from qwen_pl.data.layout.roles import Role
from qwen_pl.data.page.line import Box, Line


class Placed(Protocol):
    """A line of the reader, or a row: text with a place."""

    @property
    def text(self) -> str: ...
    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...
    @property
    def size(self) -> float: ...
    @property
    def end(self) -> float: ...


class Row(NamedTuple):
    """What stands on one baseline of a column: the lines of the reader there, put together."""

    text: str
    """The texts of its pieces with a space between them."""
    x: float
    y: float
    size: float
    end: float
    font: str
    """As of a ``Line``."""
    pieces: tuple[Line, ...]
    """The lines of the reader from left to right, as the cells of a row of a table."""
    left: float = 0.0
    right: float = 0.0
    """Both ends of the column, in points; 0 where places are not known."""
    role: Role = Role.PROSE
    block: int = 0
    """Rows of one role and one number belong together: one table, one caption."""
    level: int = 0
    """How deep a heading is in the outline, from 1; 0 for all else."""


class LaidPage(NamedTuple):
    """A page with its rows in the order of reading, and where other things are drawn."""

    rows: list[Row]
    box: Box = (0.0, 0.0, 0.0, 0.0)
    rulings: tuple[Box, ...] = ()
    pictures: tuple[Box, ...] = ()


def row_of(pieces: Sequence[Line], left: float = 0.0, right: float = 0.0) -> Row:
    """One row from its pieces, which come from left to right: it has the size of most letters.

    Where one begins right at the end of another, as a raised number does, no space is between them.
    """
    first = max(pieces, key=lambda piece: len(piece.text)) if len(pieces) > 1 else pieces[0]
    text = pieces[0].text
    end = pieces[0].end
    for piece in pieces[1:]:
        is_touching = end > 0.0 and piece.x < end + _NO_SPACE * first.size
        text += piece.text if is_touching else f" {piece.text}"
        end = max(end, piece.end)
    return Row(text, pieces[0].x, first.y, first.size, end, first.font, tuple(pieces), left, right)


def rows_of(lines: Iterable[Line]) -> list[Row]:
    """A row for each line."""
    return [row_of([line]) for line in lines]


def end_of(line: Placed) -> float:
    """Where a line ends, in points; a guess where the reader does not tell."""
    return line.end or line.x + 0.5 * line.size * len(line.text)


_NO_SPACE = 0.1  # of the size
