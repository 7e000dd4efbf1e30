"""Which pieces of text a page shows: not those outside it, printed twice, or beneath other text."""

from collections.abc import Collection, Sequence

from qwen_pl.data.page.line import Box, Line
from qwen_pl.data.pdf.open_file import NOWHERE

_SAME_PLACE = 0.2  # of the size: the same text as near is printed twice, as for bold or a shadow
_SAME_LETTER = 0.12  # of the size, for a letter or two
_MOST_COPIES = 16  # of a text that are compared
_CELL = 4.0  # points, in which it is seen whether text lies on other text
_MIDDLE = 0.25  # of the size above the baseline
_COVERED = 0.5  # of a line


def seen_lines(
    lines: Sequence[Line], unpainted: Collection[int], pictures: Sequence[Box], page: Box
) -> list[Line]:
    """The pieces of lines that are seen.

    Text that is not painted is that of a scan where there is nothing else, or where it lies on a
    picture and no text is painted there. Elsewhere it says again what the page shows, or what
    nobody is to read.

    Args:
        unpainted: Indices of pieces that the page does not paint.
        pictures: Where pictures are on the page.
        page: The page as it is shown.
    """
    kept: list[Line] = []
    places: dict[tuple[str, int], list[Line]] = {}
    painted: set[tuple[int, int, int]] = set()
    if unpainted:
        painted.update(*(_cells(line) for at, line in enumerate(lines) if at not in unpainted))
    for at, line in enumerate(lines):
        x, y = _middle(line)
        if line[1:4] != NOWHERE and not (_in(x, y, page) or _in(*_start(line), page)):
            continue
        if at in unpainted and painted:
            on_picture = any(_in(x, y, picture) for picture in pictures)
            cells = _cells(line)
            if not on_picture or len(painted.intersection(cells)) > _COVERED * len(cells):
                continue
        copies = places.setdefault((line.text, line.turn), [])
        if any(_is_same_place(line, copy) for copy in copies[-_MOST_COPIES:]):
            continue
        copies.append(line)
        kept.append(line)
    return kept


def _is_same_place(line: Line, other: Line) -> bool:
    near = (_SAME_PLACE if len(line.text) > 2 else _SAME_LETTER) * line.size
    return (
        max(abs(line.x - other.x), abs(line.y - other.y)) <= near
        and line[1:4] != NOWHERE
        and abs(line.size - other.size) <= near
    )


def _start(line: Line) -> tuple[float, float]:
    return _on_page(line.x, line.y + _MIDDLE * line.size, line.turn)


def _middle(line: Line) -> tuple[float, float]:
    """The middle of a line as the page stands."""
    end = line.end or line.x
    return _on_page((line.x + end) / 2, line.y + _MIDDLE * line.size, line.turn)


def _on_page(x: float, y: float, turn: int) -> tuple[float, float]:
    """A place of turned text as the page stands."""
    return ((x, y), (-y, x), (-x, -y), (y, -x))[turn // 90]


def _in(x: float, y: float, box: Box) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _cells(line: Line) -> list[tuple[int, int, int]]:
    """The cells of a grid that the middle of a line goes through."""
    row = round((line.y + _MIDDLE * line.size) / _CELL)
    start, end = int(line.x / _CELL), int(min(line.end, line.x + 10_000) / _CELL)
    return [(line.turn, row, column) for column in range(start, end + 1)]
