"""What is drawn on a page beside its text, as pdfium knows it: rulings and pictures."""

import ctypes
import re
from ctypes import byref, c_float, c_int, c_uint, c_void_p
from typing import Any

import pypdfium2.raw as pdfium

from qwen_pl.data.page.line import Box
from qwen_pl.data.pdf.open_file import FARTHEST, MOST_DRAWN, Frame
from qwen_pl.data.pdf.pdfium_characters import with_addresses

_MOST_OBJECTS = 20_000  # of a page that are looked at
_MOST_SEGMENTS = 200  # of a path that are looked at; one with more is a picture
_DEEPEST = 8  # forms in forms
_THIN = 2.5  # points: what is thinner is a line
_LOWEST = 6.0  # points: what is lower cannot have a line of text in it
_SHORTEST = 3.0  # points of a ruling
_WHOLE = 0.9  # of the page: what covers it is its background
_CELL = 6.0  # points: drawings that are nearer to each other are one
_MOST_CELLS = 128  # in a row of the grid, and rows
_WHITE = 250  # of 255
_COVERED = re.compile("1+")

_TEXT, _PATH, _IMAGE, _SHADING, _FORM = 1, 2, 3, 4, 5

_Matrix = tuple[float, float, float, float, float, float]
_PLAIN: _Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

_num_objects = with_addresses(pdfium.FPDFPage_CountObjects, c_int)
_object = with_addresses(pdfium.FPDFPage_GetObject, c_void_p, c_int)
_num_in_form = with_addresses(pdfium.FPDFFormObj_CountObjects, c_int)
_object_in_form = with_addresses(pdfium.FPDFFormObj_GetObject, c_void_p, ctypes.c_ulong)
_type = with_addresses(pdfium.FPDFPageObj_GetType, c_int)
_bounds = with_addresses(
    pdfium.FPDFPageObj_GetBounds, c_int, c_void_p, c_void_p, c_void_p, c_void_p
)
_matrix = with_addresses(pdfium.FPDFPageObj_GetMatrix, c_int, c_void_p)
_draw_mode = with_addresses(pdfium.FPDFPath_GetDrawMode, c_int, c_void_p, c_void_p)
_fill_color = with_addresses(pdfium.FPDFPageObj_GetFillColor, c_int, *[c_void_p] * 4)
_num_segments = with_addresses(pdfium.FPDFPath_CountSegments, c_int)
_segment = with_addresses(pdfium.FPDFPath_GetPathSegment, c_void_p, c_int)
_segment_type = with_addresses(pdfium.FPDFPathSegment_GetType, c_int)
_point = with_addresses(pdfium.FPDFPathSegment_GetPoint, c_int, c_void_p, c_void_p)
_closes = with_addresses(pdfium.FPDFPathSegment_GetClose, c_int)


def drawn(page: Any, frame: Frame) -> tuple[tuple[Box, ...], tuple[Box, ...]]:
    """Rulings and pictures of a page, in the frame of the page as it is shown."""
    looked = _Look(ctypes.cast(page, c_void_p).value or 0, frame)
    looked.over_all()
    return tuple(looked.rulings), tuple(merged(looked.pictures, frame.shown))


class _Look:
    """Looks at the objects of a page, and of the forms in it."""

    def __init__(self, page: int, frame: Frame) -> None:
        self.rulings: list[Box] = []
        self.pictures: list[Box] = []
        self._page, self._frame = page, frame
        _, _, self._width, self._height = frame.shown
        self._left_to_see = _MOST_OBJECTS
        self._four = (c_float * 4)()
        step = ctypes.sizeof(c_float)
        self._addresses = [byref(self._four, step * index) for index in range(4)]
        self._six = (c_float * 6)()
        self._mode, self._stroke = c_int(), c_int()
        self._color = [c_uint() for _ in range(4)]
        self._color_addresses = [byref(part) for part in self._color]

    def over_all(self) -> None:
        """Looks at all objects, up to a number."""
        for index in range(min(_num_objects(self._page), _MOST_OBJECTS)):
            self._look_at(_object(self._page, index), _PLAIN, 0)

    def _look_at(self, seen: int, matrix: _Matrix, depth: int) -> None:
        self._left_to_see -= 1
        if self._left_to_see < 0 or not seen:
            return
        kind = _type(seen)
        if kind == _TEXT:
            return
        if kind == _FORM:
            if depth < _DEEPEST and _matrix(seen, self._six):
                inner = _product(tuple(self._six), matrix)
                for index in range(min(_num_in_form(seen), self._left_to_see)):
                    self._look_at(_object_in_form(seen, index), inner, depth + 1)
            return
        if not _bounds(seen, *self._addresses):
            return
        box = self._shown(tuple(self._four), matrix)
        if box is None:
            return
        if kind == _PATH:
            self._look_at_path(seen, box, matrix)
        elif kind in (_IMAGE, _SHADING):
            self.pictures.append(box)

    def _shown(self, box: tuple[float, ...], matrix: _Matrix) -> Box | None:
        """The part of a rectangle that the page shows, if there is any."""
        left, lower, right, upper = box
        if matrix is not _PLAIN:
            corners = [_moved(x, y, matrix) for x in (left, right) for y in (lower, upper)]
            left, right = min(x for x, _ in corners), max(x for x, _ in corners)
            lower, upper = min(y for _, y in corners), max(y for _, y in corners)
        if not max(map(abs, (left, lower, right, upper))) < FARTHEST:
            return None
        left, lower, right, upper = self._frame.rectangle(left, lower, right, upper)
        width, height = self._width, self._height
        left, lower, right, upper = (
            max(left, 0),
            max(lower, 0),
            min(right, width),
            min(upper, height),
        )
        return (left, lower, right, upper) if left <= right and lower <= upper else None

    def _look_at_path(self, seen: int, box: Box, matrix: _Matrix) -> None:
        left, lower, right, upper = box
        wide, high = right - left, upper - lower
        if not _draw_mode(seen, byref(self._mode), byref(self._stroke)):
            return
        if not self._stroke.value and (not self._mode.value or self._is_white(seen)):
            return
        if min(wide, high) <= _THIN:
            if max(wide, high) >= _SHORTEST:
                self._rule(box)
            return
        if wide * high > _WHOLE * self._width * self._height:
            return
        if min(wide, high) < _LOWEST:
            self.pictures.append(box)
            return
        sides = self._sides(seen, matrix)
        if sides is None:
            self.pictures.append(box)
            return
        for side in sides:
            self._rule(side)

    def _rule(self, box: Box) -> None:
        """Adds a ruling without height or width."""
        left, lower, right, upper = box
        if max(right - left, upper - lower) < _SHORTEST or len(self.rulings) >= MOST_DRAWN:
            return
        if right - left >= upper - lower:
            lower = upper = round((lower + upper) / 2, 2)
        else:
            left = right = round((left + right) / 2, 2)
        self.rulings.append((left, lower, right, upper))

    def _sides(self, seen: int, matrix: _Matrix) -> list[Box] | None:
        """The lines of a path if all of them run across or down, otherwise None."""
        number = _num_segments(seen)
        if not 0 < number <= _MOST_SEGMENTS or not _matrix(seen, self._six):
            return None
        matrix = _product(tuple(self._six), matrix)
        sides: list[Box] = []
        start = before = (0.0, 0.0)
        for index in range(number):
            segment = _segment(seen, index)
            kind = _segment_type(segment)
            _point(segment, self._addresses[0], self._addresses[1])
            point = _moved(self._four[0], self._four[1], matrix)
            if kind == pdfium.FPDF_SEGMENT_MOVETO:
                start = point
            elif kind == pdfium.FPDF_SEGMENT_LINETO:
                ends = [(before, point)] + ([(point, start)] if _closes(segment) else [])
                for (x, y), (to_x, to_y) in ends:
                    if min(abs(to_x - x), abs(to_y - y)) > _THIN:
                        return None
                    side = self._shown(
                        (min(x, to_x), min(y, to_y), max(x, to_x), max(y, to_y)), _PLAIN
                    )
                    if side is not None:
                        sides.append(side)
            else:
                return None
            before = point
        return sides

    def _is_white(self, seen: int) -> bool:
        if not _fill_color(seen, *self._color_addresses):
            return False
        red, green, blue, alpha = (part.value for part in self._color)
        return min(red, green, blue) >= _WHITE or not alpha


def _product(first: Any, second: _Matrix) -> _Matrix:
    """What moves a point by the first matrix, then by the second."""
    a, b, c, d, e, f = first
    p, q, r, s, t, u = second
    return (
        a * p + b * r,
        a * q + b * s,
        c * p + d * r,
        c * q + d * s,
        e * p + f * r + t,
        e * q + f * s + u,
    )


def _moved(x: float, y: float, matrix: _Matrix) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


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
