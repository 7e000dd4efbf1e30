"""What the objects of a page are as pdfium knows them: rulings, pictures, text that is not seen."""

import ctypes
from ctypes import byref, c_float, c_int, c_uint, c_void_p
from typing import Any

import pypdfium2.raw as pdfium

from qwen_pl.data.page.line import Box
from qwen_pl.data.pdf.boxes import merged
from qwen_pl.data.pdf.matrices import UNMOVED, Matrix, product
from qwen_pl.data.pdf.open_file import FARTHEST, MOST_DRAWN, Frame
from qwen_pl.data.pdf.pdfium.characters import with_addresses

_MOST_OBJECTS = 20_000  # of a page that are looked at
_MOST_SEGMENTS = 200  # of a path that are looked at; one with more is a picture
_DEEPEST = 8  # forms in forms
_THIN = 2.5  # points: what is thinner is a line
_LOWEST = 6.0  # points: what is lower cannot have a line of text in it
_SHORTEST = 3.0  # points of a ruling
_SIDES = 4
_EVEN = 0.5  # points that the ends of an upright line may be off each other
_MOST_OUTLINES = 400  # of a page that are looked at; what has more is a drawing
_WHOLE = 0.9  # of the page: what covers it is its background
_WHITE = 250  # of 255
_MOST_MARKS = 8  # of an object
_MOST_CLIPS = 8  # of an object
_NOT_PAINTED = (3, 7)  # render modes

_BEZIER = pdfium.FPDF_SEGMENT_BEZIERTO
_TEXT, _PATH, _IMAGE, _SHADING, _FORM = 1, 2, 3, 4, 5


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
_num_marks = with_addresses(pdfium.FPDFPageObj_CountMarks, c_int)
_mark = with_addresses(pdfium.FPDFPageObj_GetMark, c_void_p, ctypes.c_ulong)
_mark_name = with_addresses(
    pdfium.FPDFPageObjMark_GetName, c_int, c_void_p, ctypes.c_ulong, c_void_p
)
_render_mode = with_addresses(pdfium.FPDFTextObj_GetTextRenderMode, c_int)
_clip_path = with_addresses(pdfium.FPDFPageObj_GetClipPath, c_void_p)
_num_clips = with_addresses(pdfium.FPDFClipPath_CountPaths, c_int)
_num_clip_segments = with_addresses(pdfium.FPDFClipPath_CountPathSegments, c_int, c_int)
_clip_segment = with_addresses(pdfium.FPDFClipPath_GetPathSegment, c_void_p, c_int, c_int)
_num_segments = with_addresses(pdfium.FPDFPath_CountSegments, c_int)
_segment = with_addresses(pdfium.FPDFPath_GetPathSegment, c_void_p, c_int)
_segment_type = with_addresses(pdfium.FPDFPathSegment_GetType, c_int)
_point = with_addresses(pdfium.FPDFPathSegment_GetPoint, c_int, c_void_p, c_void_p)
_closes = with_addresses(pdfium.FPDFPathSegment_GetClose, c_int)


class Looked:
    """What the objects of a page are, and of the forms in it: looked at one by one."""

    def __init__(self, handle: Any, frame: Frame) -> None:
        self.rulings: list[Box] = []
        self.unclear: set[int] = set()
        """Addresses of text objects of which nothing is shown within their clip or the page."""
        self.unpainted: set[int] = set()
        """Addresses of text objects that are there to be searched or copied, and not seen."""
        self.texts: dict[int, Matrix] = {}
        """The text objects by their addresses, with what places the form that they are in."""
        self.has_layers = False
        """Whether anything may belong to a layer, which may be switched off."""
        self._pictures: list[Box] = []
        self._frame = frame
        self._is_plain, self._corner = not frame.quarters, frame.box[:2]
        self._num_outlines = 0
        self.page = frame.shown
        """The page as it is shown."""
        _, _, self._width, self._height = frame.shown
        self._left_to_see = _MOST_OBJECTS
        self._four = (c_float * 4)()
        step = ctypes.sizeof(c_float)
        self._addresses = [byref(self._four, step * index) for index in range(4)]
        self._six = (c_float * 6)()
        self._mode, self._stroke = c_int(), c_int()
        self._color = [c_uint() for _ in range(4)]
        self._color_addresses = [byref(part) for part in self._color]
        self._marks: dict[int, bool] = {}
        self._name = ctypes.create_string_buffer(16)
        self._name_length = ctypes.c_ulong()
        address = ctypes.cast(handle, c_void_p).value or 0
        for index in range(min(_num_objects(address), _MOST_OBJECTS)):
            self._look_at(_object(address, index), UNMOVED, self.page, 0)

    @property
    def pictures(self) -> list[Box]:
        """Images, and drawings that are more than rulings; those that touch are one."""
        return list(map(rounded, merged(self._pictures, self.page)))

    def start(self, text: int) -> tuple[float, float]:
        """Where a text object begins, as it is shown."""
        x = y = 0.0
        if _matrix(text, self._six):
            x, y = _moved(self._six[4], self._six[5], self.texts[text])
        return self._frame.point(x, y)

    def _look_at(self, seen: int, matrix: Matrix, clip: Box, depth: int) -> None:
        self._left_to_see -= 1
        if self._left_to_see < 0 or not seen:
            return
        kind = _type(seen)
        if _num_marks(seen) > 0 and not self.has_layers:
            self.has_layers = self._has_layer(seen)
        has_clip = (path := _clip_path(seen)) and _num_clips(path) > 0
        inner_clip = self._clipped(path, matrix, clip) if has_clip else clip
        if kind == _TEXT:
            self.texts[seen] = matrix
            if _render_mode(seen) in _NOT_PAINTED:
                self.unpainted.add(seen)
            if has_clip or inner_clip is not self.page:
                box = self._box(seen, matrix)
                if box is not None and not _has_middle(box, inner_clip):
                    self.unclear.add(seen)
            return
        if kind == _FORM:
            self.has_layers = True  # pdfium does not tell of the layer of a form
            if depth < _DEEPEST and _matrix(seen, self._six):
                inner = product(tuple(self._six), matrix)
                for index in range(min(_num_in_form(seen), self._left_to_see)):
                    self._look_at(_object_in_form(seen, index), inner, inner_clip, depth + 1)
            return
        box = self._box(seen, matrix)
        box = box and _common(box, inner_clip)
        if box is None:
            return
        if kind == _PATH:
            self._look_at_path(seen, box, matrix, inner_clip)
        elif kind in (_IMAGE, _SHADING):
            self._pictures.append(box)

    def _has_layer(self, seen: int) -> bool:
        """Whether one of the marks of an object is that of a layer."""
        for index in range(min(_num_marks(seen), _MOST_MARKS)):
            mark = _mark(seen, index) or 0
            known = self._marks.get(mark)
            if known is None:
                _mark_name(mark, self._name, len(self._name), byref(self._name_length))
                known = self._marks[mark] = self._name.raw[:6] == b"O\0C\0\0\0"
            if known:
                return True
        return False

    def _clipped(self, path: int, matrix: Matrix, clip: Box) -> Box:
        """What is left of a box within a clip path."""
        for index in range(min(_num_clips(path), _MOST_CLIPS)):
            number = _num_clip_segments(path, index)
            if not 0 < number <= _MOST_SEGMENTS:
                continue
            xs, ys = [], []
            for at in range(number):
                _point(_clip_segment(path, index, at), self._addresses[0], self._addresses[1])
                xs.append(self._four[0])
                ys.append(self._four[1])
            box = self._framed((min(xs), min(ys), max(xs), max(ys)), matrix)
            clip = (box and _common(box, clip)) or (clip[0], clip[1], clip[0], clip[1])
        return clip

    def _box(self, seen: int, matrix: Matrix) -> Box | None:
        """The rectangle around an object, as it is shown."""
        return self._framed(tuple(self._four), matrix) if _bounds(seen, *self._addresses) else None

    def _framed(self, box: tuple[float, ...], matrix: Matrix) -> Box | None:
        """A rectangle as it is shown; None if it is not one of this page."""
        left, lower, right, upper = box
        if matrix is UNMOVED and self._is_plain:
            if not (-FARTHEST < left <= right < FARTHEST and -FARTHEST < lower <= upper < FARTHEST):
                return None
            x, y = self._corner
            return left - x, lower - y, right - x, upper - y
        if matrix is not UNMOVED:
            corners = [_moved(x, y, matrix) for x in (left, right) for y in (lower, upper)]
            left, right = min(x for x, _ in corners), max(x for x, _ in corners)
            lower, upper = min(y for _, y in corners), max(y for _, y in corners)
        if not max(map(abs, (left, lower, right, upper))) < FARTHEST:
            return None
        return self._frame.rectangle(left, lower, right, upper)

    def _look_at_path(self, seen: int, box: Box, matrix: Matrix, clip: Box) -> None:
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
        self._num_outlines += 1
        if min(wide, high) < _LOWEST or self._num_outlines > _MOST_OUTLINES:
            self._pictures.append(box)
            return
        sides = self._sides(seen, box, matrix, clip)
        if sides is None:
            self._pictures.append(box)
            return
        for side in sides:
            self._rule(side)

    def _rule(self, box: Box) -> None:
        """Adds a ruling without height or width."""
        left, lower, right, upper = box
        if max(right - left, upper - lower) < _SHORTEST or len(self.rulings) >= MOST_DRAWN:
            return
        if right - left >= upper - lower:
            lower = upper = (lower + upper) / 2
        else:
            left = right = (left + right) / 2
        self.rulings.append(rounded((left, lower, right, upper)))

    def _sides(self, seen: int, box: Box, matrix: Matrix, clip: Box) -> list[Box] | None:
        """The lines of a path if all of them run across or down, otherwise None."""
        number = _num_segments(seen)
        if not 0 < number <= _MOST_SEGMENTS or not _matrix(seen, self._six):
            return None
        matrix = product(tuple(self._six), matrix)
        if number <= _SIDES + 1 and self._is_rectangle(seen, number, matrix):
            left, lower, right, upper = box
            return [
                (left, lower, right, lower),
                (left, upper, right, upper),
                (left, lower, left, upper),
                (right, lower, right, upper),
            ]
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
                    line = (min(x, to_x), min(y, to_y), max(x, to_x), max(y, to_y))
                    side = self._framed(line, UNMOVED)
                    side = side and _common(side, clip)
                    if side is not None:
                        sides.append(side)
            else:
                return None
            before = point
        return sides

    def _is_rectangle(self, seen: int, number: int, matrix: Matrix) -> bool:
        """Whether a path of four or five points is a rectangle that stands upright."""
        segments = [_segment(seen, index) for index in range(number)]
        if number < _SIDES or _BEZIER in map(_segment_type, segments):
            return False
        points = []
        for segment in segments[:3]:
            _point(segment, self._addresses[0], self._addresses[1])
            points.append(_moved(self._four[0], self._four[1], matrix))
        (x, y), (next_x, next_y), (last_x, last_y) = points
        if abs(next_x - x) < _EVEN:
            return abs(last_y - next_y) < _EVEN
        return abs(next_y - y) < _EVEN and abs(last_x - next_x) < _EVEN

    def _is_white(self, seen: int) -> bool:
        if not _fill_color(seen, *self._color_addresses):
            return False
        red, green, blue, alpha = (part.value for part in self._color)
        return min(red, green, blue) >= _WHITE or not alpha


def _common(box: Box, other: Box) -> Box | None:
    """What two rectangles have in common; None if that is nothing."""
    left, lower = max(box[0], other[0]), max(box[1], other[1])
    right, upper = min(box[2], other[2]), min(box[3], other[3])
    return (left, lower, right, upper) if left <= right and lower <= upper else None


def _has_middle(box: Box, clip: Box) -> bool:
    """Whether the middle of a box lies within another."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return clip[0] <= x <= clip[2] and clip[1] <= y <= clip[3]


def _moved(x: float, y: float, matrix: Matrix) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def rounded(box: Box) -> Box:
    """In hundredths of a point."""
    left, lower, right, upper = box
    return round(left, 2), round(lower, 2), round(right, 2), round(upper, 2)
