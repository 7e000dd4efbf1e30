"""What pdfium knows of the characters of a page, asked as seldom and as fast as can be.

pdfium gives the text of a page in one call. To ask it about a character takes longer than to read
fifty, so that places and sizes are asked for once for each text object: what one operator shows,
often a whole line.
"""

import ctypes
import math
import re
from collections.abc import Iterator
from ctypes import byref, c_double, c_float, c_int, c_void_p
from typing import Any

import pypdfium2.raw as pdfium

from qwen_pl.data.pdf.open_file import Place, upright

HYPHEN = "\ufffe"
"""pdfium's sign for a hyphen at the end of a line, and for that end."""


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


class Characters:
    """The characters of a page by their index, in the order of the page's content.

    The ``handle``, an ``FPDF_TEXTPAGE``, has to stay open.
    """

    def __init__(self, handle: Any) -> None:
        self.text = _whole_text(handle)
        """All of them, with the ends of lines that pdfium has found."""
        self.address = ctypes.cast(handle, c_void_p).value or 0
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

    def place(self, index: int) -> tuple[Place, bool]:
        """Where the text object of a character starts, seen upright, and its size.

        Also whether it is upright as it stands.
        """
        _matrix(self.address, index, self._matrix)
        a, b, c, d, x, y = self._matrix[:]
        size = abs(_font_size(self.address, index)) * math.hypot(c, d)
        return upright(x, y, size, (a, b)), b == 0.0 < a

    def gap(self, left: int, right: int, is_upright: bool) -> float:
        """How far apart two characters are, which costs less if they are known to be upright."""
        if not is_upright:
            return self.left_end(right) - self.right_end(left)
        _origin(self.address, right, *self._origin_addresses)
        _box(self.address, left, self._box)
        return self._origin_x.value - self._box[2]

    def left_end(self, index: int) -> float:
        """Where a character starts, seen upright."""
        _origin(self.address, index, *self._origin_addresses)
        x, y = self._origin_x.value, self._origin_y.value
        return x if self._is_upright(index) else self._upright_x(x, y)

    def right_end(self, index: int) -> float:
        """Where a character ends, seen upright."""
        _box(self.address, index, self._box)
        left, top, right, bottom = self._box
        if self._is_upright(index):
            return right
        return max(self._upright_x(left, bottom), self._upright_x(right, top))

    def _is_upright(self, index: int) -> bool:
        """Whether a character stands as on most pages; its matrix is at hand afterwards."""
        _matrix(self.address, index, self._matrix)
        return self._matrix[1] == 0.0 < self._matrix[0]

    def _upright_x(self, x: float, y: float) -> float:
        """A place seen upright, by the matrix at hand."""
        return upright(x, y, 0.0, (self._matrix[0], self._matrix[1]))[0]


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
