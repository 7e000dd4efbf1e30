"""Finds listings: rows whose letters are all equally wide."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from qwen_pl.data.layout.measures import usual_leading, usual_size
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import LaidPage, Row
from qwen_pl.data.page.fonts import is_bold, is_monospaced
from qwen_pl.data.page.line import Line, LineIndex, parted

_STEP = 0.002  # of the size: widths nearer than that are one
_USUAL_WIDTH = 0.6  # of the size, of a letter of code
_FEWEST_LINES = 6  # of a font that is told by its widths
_LONG = 8  # letters of such a line
_ALIKE = 0.8  # of these lines have letters equally wide
_EXACT = 0.01  # of the width of a row, or this share of a letter:
_EXACT_LETTERS = 0.4
_MOST = 0.6  # of the letters of a document: then its prose is typed
_FARTHEST = 5.0  # of the size, between two rows of a listing
_LONGEST_CONTINUATION = 60  # letters
_SMALL = 0.95  # of the usual size
_ADDRESS = re.compile(r"\S+@\S+\.\w+|\S{0,3}(https?|ftp)://\S+|www\.\S+")


def find_code(pages: Sequence[LaidPage]) -> dict[LineIndex, int]:
    """For each row of a listing the number of the listing, which may go on over pages.

    A row is one if all its letters are as wide as the others of its font; a word of code within a
    line of prose is not. One row by itself, in the flow of a paragraph, an address, or the term
    that a definition follows, is none.
    """
    widths = letter_widths(row for page in pages for row in page.rows)
    where = [
        (page, index)
        for page, laid in enumerate(pages)
        for index, row in enumerate(laid.rows)
        if row.role in (Role.PROSE, Role.CODE)
    ]
    rows = [pages[page].rows[index] for page, index in where]
    flags = [is_code(row, widths) for row in rows]
    for order, step in ((range(1, len(rows)), -1), (range(len(rows) - 2, -1, -1), 1)):
        for at in order:
            flags[at] = flags[at] or (flags[at + step] and _is_nearly_code(rows[at], widths))
    letters = [len(row.text) for row in rows]
    if sum(n for n, flag in zip(letters, flags, strict=True) if flag) > _MOST * sum(letters):
        return {}
    leading = usual_leading((page.rows for page in pages), usual_size(page.rows for page in pages))
    runs = parted(range(len(where)), lambda run, at: not _go_on(pages, where, flags, run[-1], at))
    found: dict[LineIndex, int] = {}
    for number, run in enumerate(runs, start=1):
        if flags[run[0]] and (len(run) > 1 or _is_alone(pages, where, run[0], leading)):
            found.update((where[at], number) for at in run)
    return found


def find_continuations(pages: Sequence[LaidPage]) -> dict[LineIndex, int]:
    """The rows at the head and foot of pages that only say that a listing or a table goes on.

    They are set in beside one, and are in brackets and small, or on several pages.
    """
    size = usual_size(page.rows for page in pages)
    edges: list[tuple[LineIndex, Row]] = []
    for page, laid in enumerate(pages):
        text = [
            index for index, row in enumerate(laid.rows) if row.role in (Role.PROSE, Role.TABLE)
        ]
        for at, step in ((0, 1), (-1, -1)):
            if len(text) > 1:
                row, beside = laid.rows[text[at]], laid.rows[text[at + step]]
                is_beside = beside.role is Role.TABLE or is_monospaced(beside.font)
                is_set_in = (
                    row.x > row.left + 2 * row.size and len(row.text) < _LONGEST_CONTINUATION
                )
                if row.role is Role.PROSE and is_beside and is_set_in:
                    edges.append(((page, text[at]), row))
    times = Counter(row.text for _, row in edges)
    return {
        where: 0
        for where, row in edges
        if times[row.text] > 1
        or (row.text[0] + row.text[-1] in ("()", "[]") and row.size < _SMALL * size)
    }


def letter_widths(rows: Iterable[Row]) -> dict[str, float]:
    """How wide the letters of fonts are whose letters are all equally wide, in sizes.

    The name tells which these are, or that lines of it are as wide as their letters are many.
    """
    widths: dict[str, Counter[int]] = defaultdict(Counter)
    for row in rows:
        for piece in row.pieces:
            if piece.end > piece.x and piece.size and len(piece.text) >= _LONG:
                width = (piece.end - piece.x) / len(piece.text) / piece.size
                widths[piece.font][round(width / _STEP)] += 1
    found = {}
    for font, counts in widths.items():
        [(width, _)] = counts.most_common(1)
        near = sum(counts[width + step] for step in (-1, 0, 1))
        is_told = counts.total() >= _FEWEST_LINES and near >= _ALIKE * counts.total()
        if is_monospaced(font) or is_told:
            found[font] = width * _STEP
    return found


def is_code(row: Row, widths: Mapping[str, float]) -> bool:
    """Whether all letters of a row are as wide as those of its font, but for a number before it."""
    pieces = row.pieces[1:] if len(row.pieces) > 1 and row.pieces[0].text.isdigit() else row.pieces
    return all(_is_even(piece, widths) for piece in pieces)


def _is_nearly_code(row: Row, widths: Mapping[str, float]) -> bool:
    """Whether a row would be code but for spaces that the reader has lost."""
    for piece in row.pieces:
        width = widths.get(piece.font, 0.0) * piece.size
        lost = (piece.end - piece.x) / width - len(piece.text) if width else -1.0
        if not (is_monospaced(piece.font) and -0.4 < lost < 0.3 * len(piece.text)):
            return False
        if abs(lost - round(lost)) > _EXACT_LETTERS:
            return False
    return True


def _is_even(piece: Line, widths: Mapping[str, float]) -> bool:
    width = widths.get(piece.font, _USUAL_WIDTH if is_monospaced(piece.font) else 0.0)
    if not width or not piece.size:
        return False
    if not piece.end:  # the reader does not tell
        return is_monospaced(piece.font)
    letters = (piece.end - piece.x) / piece.size / width
    return abs(letters - len(piece.text)) < max(_EXACT * len(piece.text), _EXACT_LETTERS)


def _go_on(
    pages: Sequence[LaidPage],
    where: Sequence[LineIndex],
    flags: Sequence[bool],
    before: int,
    at: int,
) -> bool:
    """Whether two rows that follow each other in the text are of one listing."""
    if not (flags[before] and flags[at]):
        return False
    (page, index), (next_page, next_index) = where[before], where[at]
    upper, lower = pages[page].rows[index], pages[next_page].rows[next_index]
    if abs(upper.size - lower.size) > 0.1 * upper.size:
        return False
    drop = upper.y - lower.y
    return page != next_page or drop < 0 or drop < _FARTHEST * upper.size


def _is_alone(
    pages: Sequence[LaidPage], where: Sequence[LineIndex], at: int, leading: float
) -> bool:
    """Whether one row is a listing by itself."""
    page, index = where[at]
    row = pages[page].rows[index]
    if is_bold(row.font) or _ADDRESS.fullmatch(row.text.strip(" <>().,;")):
        return False
    near = [where[other] for other in (at - 1, at + 1) if 0 <= other < len(where)]
    rows = [pages[page].rows[index] if page == where[at][0] else None for page, index in near]
    before = rows[0] if at else None
    after = rows[-1] if at + 1 < len(where) else None
    tight = 1.15 * max(leading, row.size)
    if before is not None and 0 < before.y - row.y < tight and abs(before.x - row.x) < row.size:
        return False
    is_term = after is not None and 0 < row.y - after.y < tight and after.x > row.x + row.size
    return not is_term
