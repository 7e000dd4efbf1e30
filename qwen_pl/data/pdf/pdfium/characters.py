"""What pdfium knows of the characters of a page, asked as seldom and as fast as can be.

pdfium gives the text of a page in one call. To ask it about a character takes longer than to read
fifty, so that places and sizes are asked for once for each text object: what one operator shows,
often a whole line.
"""

import ctypes
import math
import re
from collections.abc import Iterator
from ctypes import byref, c_double, c_float, c_int, c_size_t, c_void_p
from typing import Any

import pypdfium2.raw as pdfium

from qwen_pl.data.pdf.open_file import FARTHEST, NOWHERE, Frame, Place, turn_of, upright

HYPHEN = "\ufffe"
"""pdfium's sign for a hyphen at the end of a line, and for that end."""
_SUBSET = re.compile(r"^[A-Z]{6}\+")
_LONGEST_NAME = 128  # characters of a font


def with_addresses(function: Any, result: Any, *arguments: Any) -> Any:
    """A function of pdfium that takes and gives handles as numbers, since that is faster."""
    address = ctypes.cast(function, c_void_p).value
    assert address is not None  # it is a function of a library that has been loaded
    return ctypes.PYFUNCTYPE(result, c_void_p, *arguments)(address)


_text_object = with_addresses(pdfium.FPDFText_GetTextObject, c_void_p, c_int)
_font_size = with_addresses(pdfium.FPDFText_GetFontSize, c_double, c_int)
_matrix = with_addresses(pdfium.FPDFText_GetMatrix, c_int, c_int, c_void_p)
_origin = with_addresses(pdfium.FPDFText_GetCharOrigin, c_int, c_int, c_void_p, c_void_p)
_box = with_addresses(pdfium.FPDFText_GetLooseCharBox, c_int, c_int, c_void_p)

_font = with_addresses(pdfium.FPDFTextObj_GetFont, c_void_p)
_font_name = with_addresses(pdfium.FPDFFont_GetBaseFontName, c_size_t, c_void_p, c_size_t)


class Characters:
    """The characters of a page by their index, in the order of the page's content.

    The ``handle``, an ``FPDF_TEXTPAGE``, has to stay open.
    """

    def __init__(self, handle: Any, frame: Frame) -> None:
        self.text = _whole_text(handle)
        """All of them, with the ends of lines that pdfium has found."""
        self.address = ctypes.cast(handle, c_void_p).value or 0 or 0
        self.told: set[int] = set()
        """Addresses of the text objects that have been met among them."""
        self._frame = frame
        self._is_plain = not frame.quarters
        self._fonts: dict[int | None, str] = {}
        self._name = ctypes.create_string_buffer(_LONGEST_NAME)
        self._matrix = (c_float * 6)()  # an FS_MATRIX, faster to take apart
        self._box = (c_float * 4)()  # an FS_RECTF: left, top, right, bottom
        self._origin_x, self._origin_y = c_double(), c_double()
        self._origin_addresses = byref(self._origin_x), byref(self._origin_y)

    def objects(self, start: int, end: int) -> Iterator[tuple[int, int, int | None]]:
        """Where each text object of a line starts and ends, and its address.

        The address is None for what pdfium has put in. The ends are found by halving, so that long
        objects, which mostly are whole lines, cost little.
        """
        shown, last = _text_object(self.address, start), _text_object(self.address, end - 1)
        ahead = [(end - 1, last)]  # what is known, the nearest last
        same = start
        while ahead:
            index, other = ahead[-1]
            if other == shown is not None:
                same, _ = ahead.pop()
            elif index - same > 1:
                middle = (same + index) // 2
                ahead.append((middle, _text_object(self.address, middle)))
            else:
                yield start, index, shown
                start, shown = ahead.pop()
                same = start
        yield start, end, shown

    def place(self, first: int, last: int) -> tuple[Place, float, int]:
        """Where a text starts, seen upright; its size; its right end; and how it is turned."""
        _matrix(self.address, first, self._matrix)
        a, b, c, d, _, _ = self._matrix
        size = abs(_font_size(self.address, first)) * (math.hypot(c, d) if c else abs(d))
        _origin(self.address, first, *self._origin_addresses)
        x, y = self._origin_x.value, self._origin_y.value
        _box(self.address, last, self._box)
        if b == 0.0 < a and self._is_plain:
            left, lower, _, _ = self._frame.box
            x, y, end = x - left, y - lower, self._box[2] - left
            if abs(x) < FARTHEST and abs(y) < FARTHEST and size < FARTHEST:
                return (round(x, 2), round(y, 2), round(size, 2)), end, 0
            return NOWHERE, 0.0, 0
        direction = self._frame.direction(a, b)
        place = upright(*self._frame.point(x, y), size, direction)
        return place, self._right_end_at_hand(direction), turn_of(direction)

    def left_end(self, index: int) -> float:
        """Where a character starts, seen upright."""
        _origin(self.address, index, *self._origin_addresses)
        x, y = self._origin_x.value, self._origin_y.value
        if self._is_upright(index):
            return x - self._frame.box[0]
        direction = self._frame.direction(self._matrix[0], self._matrix[1])
        return upright(*self._frame.point(x, y), 0.0, direction)[0]

    def right_end(self, index: int) -> float:
        """Where a character ends, seen upright."""
        _box(self.address, index, self._box)
        if self._is_upright(index):
            return self._box[2] - self._frame.box[0]
        return self._right_end_at_hand(self._frame.direction(self._matrix[0], self._matrix[1]))

    def gap(self, left: int, right: int, turn: int) -> float:
        """How far apart two characters are, which costs less if they are known to be upright."""
        if turn or not self._is_plain:
            return self.left_end(right) - self.right_end(left)
        _origin(self.address, right, *self._origin_addresses)
        _box(self.address, left, self._box)
        return self._origin_x.value - self._box[2]

    def font(self, shown: int) -> str:
        """Name of the font of a text object, without the tag of a subset."""
        font = _font(shown)
        name = self._fonts.get(font)
        if name is None:
            length = _font_name(font, self._name, len(self._name)) if font else 0
            name = self._name.raw[: max(0, length - 1)].decode("utf-8", "replace")
            name = self._fonts[font] = _SUBSET.sub("", name)
        return name

    def _is_upright(self, index: int) -> bool:
        """Whether a character stands as on most pages; its matrix is at hand afterwards."""
        _matrix(self.address, index, self._matrix)
        return self._is_plain and self._matrix[1] == 0.0 < self._matrix[0]

    def _right_end_at_hand(self, direction: tuple[float, float]) -> float:
        """Right end of the box at hand, seen upright."""
        left, top, right, bottom = self._box
        corners = self._frame.point(left, bottom), self._frame.point(right, top)
        return max(upright(*corner, 0.0, direction)[0] for corner in corners)


def _whole_text(handle: Any) -> str:
    """The text of a page, one character for each that pdfium counts."""
    number = max(0, pdfium.FPDFText_CountChars(handle))
    buffer = (ctypes.c_ushort * (2 * number + 2))()
    length = pdfium.FPDFText_GetText(handle, 0, number, buffer) - 1  # it ends with a zero
    text = bytes(memoryview(buffer)[: max(0, length)]).decode("utf-16-le", "replace")
    if len(text) == number:
        return text
    # What it leaves out of the text it still counts.
    codes = [pdfium.FPDFText_GetUnicode(handle, index) for index in range(number)]
    text = "".join([chr(code) if code < 0x110000 else "\ufffd" for code in codes])
    is_hyphen = pdfium.FPDFText_IsHyphen
    # The same sign has another code where one character is asked for.
    return re.sub("\x02", lambda at: HYPHEN if is_hyphen(handle, at.start()) == 1 else at[0], text)
