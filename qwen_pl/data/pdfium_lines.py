"""Takes the lines of a page from pdfium, with the places and sizes that pypdf's lines have.

pdfium gives the text of a page in one call, in the order of the page's content, with the ends of
lines found. To ask it about a character takes longer than to read fifty, so that places and sizes
are asked for once for each text object: what one operator shows, often a whole line.
"""

import ctypes
import math
import re
from collections import Counter
from ctypes import byref, c_double, c_int, c_void_p
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

from qwen_pl.data.pdf_lines import Placed, raise_number, upright, valid_unicode
from qwen_pl.data.right_to_left import is_right_to_left

_HYPHEN = "\ufffe"  # pdfium's sign for a hyphen at the end of a line, and for that end
_LINE = re.compile(f"[^\r\n{_HYPHEN}]+{_HYPHEN}?")
_OTHER_LINE = 0.8  # of the smaller size: baselines farther apart are of two lines
_WORD_GAP = 0.2  # of the size
_WIDEST_GAP = 1.0  # of the size, between two parts of a line that pdfium has cut


def _with_addresses(function: Any, result: Any, *arguments: Any) -> Any:
    """A function of pdfium that takes and gives handles as numbers, since that is faster."""
    address = ctypes.cast(function, c_void_p).value
    return ctypes.CFUNCTYPE(result, c_void_p, *arguments)(address)


_text_object = _with_addresses(pdfium.FPDFText_GetTextObject, c_void_p, c_int)
_font_size = _with_addresses(pdfium.FPDFText_GetFontSize, c_double, c_int)
_matrix = _with_addresses(pdfium.FPDFText_GetMatrix, c_int, c_int, c_void_p)
_origin = _with_addresses(pdfium.FPDFText_GetCharOrigin, c_int, c_int, c_void_p, c_void_p)
_box = _with_addresses(pdfium.FPDFText_GetCharBox, c_int, c_int, *4 * [c_void_p])


class _Run(NamedTuple):
    """Characters of one line that belong to one text object."""

    text: str
    x: float
    y: float
    size: float
    shown: int
    """The address of the text object."""
    last: int
    """Index of the last character that is not a space."""


def page_lines(document: Any, index: int) -> list[Placed]:
    """The lines of one page that have text, as ``(text, x, y, size)`` in points.

    Args:
        document: A ``pypdfium2.PdfDocument``.
        index: The page, counted from 0.

    Raises:
        ValueError: If pdfium cannot load the page.
    """
    page = pdfium.FPDF_LoadPage(document, index)
    if not page:
        raise ValueError("pdfium cannot load it")
    text_page = pdfium.FPDFText_LoadPage(page)
    try:
        if not text_page:
            raise ValueError("pdfium cannot load its text")
        return _TextPage(text_page).lines()
    finally:
        pdfium.FPDFText_ClosePage(text_page)
        pdfium.FPDF_ClosePage(page)


class _TextPage:
    """The characters of a page by their index, and what pdfium knows of them."""

    def __init__(self, handle: Any) -> None:
        self._handle = ctypes.cast(handle, c_void_p).value
        self._text = _whole_text(handle)
        self._shapes: dict[int, tuple[float, tuple[float, float]]] = {}
        self._matrix = pdfium.FS_MATRIX()
        self._matrix_address = byref(self._matrix)
        self._numbers = [c_double() for _ in range(4)]
        self._number_addresses = [byref(number) for number in self._numbers]

    def lines(self) -> list[Placed]:
        """The lines that have text, in pdfium's order."""
        lines: list[list[_Run]] = []
        for match in _LINE.finditer(self._text):
            if match[0].isspace():
                continue
            runs = self._runs(*match.span())
            if lines and runs and (gap := self._gap(lines[-1], runs[0])) is not None:
                if gap > _WORD_GAP:
                    runs[0] = runs[0]._replace(text=" " + runs[0].text)
                runs = lines.pop() + runs
            lines += _split(runs)
        return [self._join(runs) for runs in lines]

    def _runs(self, start: int, end: int) -> list[_Run]:
        """The text objects of a line, each with the spaces that pdfium has put after it."""
        runs: list[_Run] = []
        shown, last_shown = self._object(start), self._object(end - 1)
        while start < end:
            stop = end if shown == last_shown else self._end_of_object(shown, start, end)
            text = self._text[start:stop]
            if shown and not text.isspace():
                last = start + len(text.rstrip()) - 1
                run = _Run(text, *self._place(start, shown), shown, last)
                runs.append(self._spread(run) if last == start + 1 else run)
            elif runs:
                runs[-1] = runs[-1]._replace(text=runs[-1].text + text)
            start = stop
            shown = self._object(start) if start < end else 0
        return runs

    def _spread(self, run: _Run) -> _Run:
        """Puts a space between two letters that are as far apart as words are.

        Ghostscript shows the letters around a space as one text with a large character spacing, in
        which pdfium looks for no gap.
        """
        first = run._replace(last=run.last - 1)
        gap = self._place(run.last, run.shown)[0] - self._right_end(first)
        is_two_words = gap > _WORD_GAP * run.size > 0
        return run._replace(text=f"{run.text[0]} {run.text[1:]}") if is_two_words else run

    def _end_of_object(self, shown: int, start: int, end: int) -> int:
        """The index after the last character of an object that ends before ``end``."""
        while end - start > 1:
            middle = (start + end) // 2
            if self._object(middle) == shown:
                start = middle
            else:
                end = middle
        return end

    def _object(self, index: int) -> int:
        """The address of the text object of a character; 0 if pdfium has put it in."""
        return _text_object(self._handle, index) or 0

    def _place(self, index: int, shown: int) -> tuple[float, float, float]:
        """Where a character stands and how large it is, seen upright: ``(x, y, size)``."""
        if shown not in self._shapes:
            self._shapes[shown] = self._shape(index)
        size, right = self._shapes[shown]
        x, y, *_ = self._numbers
        _origin(self._handle, index, *self._number_addresses[:2])
        return upright(x.value, y.value, size, right)

    def _shape(self, index: int) -> tuple[float, tuple[float, float]]:
        """The font size of a character, in points, and its direction."""
        matrix = self._matrix
        _matrix(self._handle, index, self._matrix_address)
        size = abs(_font_size(self._handle, index)) * math.hypot(matrix.c, matrix.d)
        return size, (matrix.a, matrix.b)

    def _gap(self, line: list[_Run], run: _Run) -> float | None:
        """How far behind a line a run goes on with it, in sizes; None if it does not.

        pdfium ends a line at some raised signs in its middle.
        """
        before = line[-1]
        size = max(run.size, before.size)
        if run.x <= before.x or not size or _is_on_other_line(line, run):
            return None
        gap = (run.x - self._right_end(before)) / size
        return gap if -_WIDEST_GAP < gap < _WIDEST_GAP else None

    def _right_end(self, run: _Run) -> float:
        """Where the last character of a run ends, seen upright."""
        _box(self._handle, run.last, *self._number_addresses)
        left, right, bottom, top = (number.value for number in self._numbers)
        direction = self._shapes[run.shown][1]
        corners = (left, bottom), (right, top)
        return max(upright(*corner, run.size, direction)[0] for corner in corners)

    def _join(self, runs: list[_Run]) -> Placed:
        """One line from its runs: it starts at the first, and has the size of most letters."""
        text, x, y, size, *_ = runs[0]
        if len(runs) > 1:
            letters: Counter[float] = Counter()
            for run in runs:
                letters[run.size] += len(run.text.strip())
            size = letters.most_common(1)[0][0] or 1.0
            y = next((run.y for run in runs if run.size == size), y)
            text = "".join(raise_number(run.text, run.y - y, run.size / size) for run in runs)
        if is_right_to_left(text):  # the last character of such a run stands at its left
            x = min(self._place(i, run.shown)[0] for run in runs for i in _ends(run))
        return valid_unicode(text.replace(_HYPHEN, "-")), x, y, size or 1.0


def _ends(run: _Run) -> tuple[int, int]:
    return run.last - len(run.text.rstrip()) + 1, run.last


def _split(runs: list[_Run]) -> list[list[_Run]]:
    """Parts a line of pdfium's where its baseline moves as far as to another line."""
    lines: list[list[_Run]] = []
    for run in runs:
        if lines and not _is_on_other_line(lines[-1], run):
            lines[-1].append(run)
        else:
            lines.append([run])
    return lines


def _is_on_other_line(line: list[_Run], run: _Run) -> bool:
    largest = max(line, key=lambda other: other.size)
    return abs(run.y - largest.y) > _OTHER_LINE * min(run.size, largest.size)


def _whole_text(handle: Any) -> str:
    """The text of a page, one character for each that pdfium counts."""
    number = max(0, pdfium.FPDFText_CountChars(handle))
    buffer = (ctypes.c_ushort * (2 * number + 2))()
    length = pdfium.FPDFText_GetText(handle, 0, number, buffer) - 1  # it ends with a zero
    if length == number:
        return bytes(memoryview(buffer)[:length]).decode("utf-16-le", "surrogatepass")
    # What it leaves out of the text it still counts.
    codes = (pdfium.FPDFText_GetUnicode(handle, index) for index in range(number))
    return "".join(chr(code) if code < 0x110000 else "\ufffd" for code in codes)
