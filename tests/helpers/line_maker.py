"""Lines with places, as the PDF reader gives them, for tests of what comes after it."""

import random
from collections.abc import Iterable, Mapping, Sequence

from qwen_pl.data.layout.row import LaidPage, row_of
from qwen_pl.data.page.line import Box, Line, LineIndex, Page, parted


def set_lines(
    texts: Iterable[str],
    *,
    x: float = 72,
    top: float = 700,
    size: float = 10,
    leading: float = 12,
) -> Page:
    """Lines below each other, in points; leading spaces set a line in by 5 points each.

    An empty text leaves a line free.
    """
    return [
        Line(text.strip(), x + 5 * (len(text) - len(text.lstrip())), top - row * leading, size)
        for row, text in enumerate(texts)
        if text
    ]


def with_ends(lines: Iterable[Line]) -> Page:
    """Lines of which the reader tells where they end, if letters are half as wide as high."""
    return [line._replace(end=line.x + line.size / 2 * len(line.text)) for line in lines]


def made_up_lines(number: int, page: int) -> list[str]:
    """Lines of text without sense or numbers, others for every page; all are nearly as long.

    They sound like a language, since what does not is taken for the fault of a font.
    """
    source = random.Random(page)
    syllables = [first + second for first in "bdfglmnprstv" for second in "aeiou"] + 12 * [" "]
    return [" ".join("".join(source.choices(syllables, k=62)).split()) for _ in range(number)]


def set_pieces(
    rows: Iterable[str],
    *,
    columns: Sequence[float],
    top: float = 700,
    size: float = 10,
    leading: float = 12,
    font: str = "Serif",
) -> Page:
    """Rows of pieces as of a table: what ``|`` parts stands at the places of the columns.

    Letters are half as wide as high. An empty cell has no piece.
    """
    return [
        Line(text, x, top - row * leading, size, x + len(text) * size / 2, font)
        for row, cells in enumerate(rows)
        for x, cell in zip(columns, cells.split("|"), strict=False)
        if (text := cell.strip())
    ]


def set_text(
    texts: Iterable[str],
    *,
    x: float = 72,
    top: float = 700,
    size: float = 10,
    leading: float = 12,
    font: str = "Serif",
) -> Page:
    """Lines below each other that tell where they end and their font, as ``set_pieces``."""
    return [
        line._replace(end=line.x + len(line.text) * size / 2, font=font)
        for line in set_lines(texts, x=x, top=top, size=size, leading=leading)
    ]


def across(left: float, right: float, *heights: float) -> tuple[Box, ...]:
    """Rulings across a page, in points."""
    return tuple((left, height, right, height) for height in heights)


def laid_page(
    lines: Iterable[Line], *, rulings: Sequence[Box] = (), pictures: Sequence[Box] = ()
) -> LaidPage:
    """A page of one column, from lines that come from the top; those of one height make a row."""
    rows = parted(lines, lambda row, line: row[0].y != line.y)
    pieces = [sorted(row, key=lambda line: line.x) for row in rows]
    left = min(row[0].x for row in pieces)
    right = max(row[-1].end for row in pieces)
    laid = [row_of(row, left, right) for row in pieces]
    return LaidPage(laid, (0.0, 0.0, 600.0, 800.0), tuple(rulings), tuple(pictures))


def texts_of(page: LaidPage, found: Mapping[LineIndex, int]) -> list[list[str]]:
    """The texts of the rows of each block that was found on the first page."""
    blocks: dict[int, list[str]] = {}
    for (_, index), block in sorted(found.items()):
        blocks.setdefault(block, []).append(page.rows[index].text)
    return list(blocks.values())
