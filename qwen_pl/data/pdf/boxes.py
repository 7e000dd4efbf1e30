"""Puts the boxes of drawings together that touch or nearly do."""

import re

from qwen_pl.data.page.line import Box
from qwen_pl.data.pdf.open_file import MOST_DRAWN

_CELL = 6.0  # points: drawings that are nearer to each other are one
_MOST_CELLS = 128  # in a row of the grid, and rows
_COVERED = re.compile("1+")


def merged(boxes: list[Box], page: Box) -> list[Box]:
    """Boxes of which those that touch, or nearly so, are one; found on a grid of small cells.

    >>> merged([(0, 0, 10, 10), (12, 0, 20, 9), (90, 90, 99, 99)], (0, 0, 100, 100))
    [(0, 0, 20, 10), (90, 90, 99, 99)]
    """
    if len(boxes) < 2:
        return boxes
    cell = max(_CELL, (page[2] - page[0]) / _MOST_CELLS, (page[3] - page[1]) / _MOST_CELLS)
    cells = [[int(end / cell) for end in box] for box in boxes]
    rows: dict[int, int] = {}  # which cells of a row are covered, as bits
    for left, lower, right, upper in cells:
        mask = (2 << right) - (1 << left)
        for row in range(lower, upper + 1):
            rows[row] = rows.get(row, 0) | mask
    parent: list[int] = []  # of each stretch of covered cells, all rows together

    def root(stretch: int) -> int:
        while parent[stretch] != stretch:
            parent[stretch] = stretch = parent[parent[stretch]]
        return stretch

    stretches: dict[int, list[tuple[int, int, int]]] = {}
    for row in sorted(rows):
        below = stretches.get(row - 1, [])
        here = stretches[row] = []
        for match in _COVERED.finditer(f"{rows[row]:b}"[::-1]):
            start, end = match.span()
            parent.append(len(parent))
            here.append((start, end, len(parent) - 1))
            for other_start, other_end, other in below:
                if other_start <= end and start <= other_end:
                    parent[root(other)] = root(len(parent) - 1)
    found: dict[int, Box] = {}
    for box, (left, lower, _, _) in zip(boxes, cells, strict=True):
        stretch = root(
            next(number for start, end, number in stretches[lower] if start <= left < end)
        )
        beside = found.get(stretch, box)
        found[stretch] = (
            min(box[0], beside[0]),
            min(box[1], beside[1]),
            max(box[2], beside[2]),
            max(box[3], beside[3]),
        )
    return list(found.values())[:MOST_DRAWN]
