"""Takes the lines of a page from pdfium, with the places and sizes that pypdf's lines have.

pdfium gives the text of a page in one call, in the order of the page's content, with the ends of
lines found. To ask it about a character takes longer than to read fifty, so that places and sizes
are asked for once for each text object: what one operator shows, often a whole line.
"""

import ctypes
import math
import re
from collections.abc import Iterable, Iterator
from ctypes import byref, c_double, c_float, c_int, c_void_p
from itertools import pairwise
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

from qwen_pl.data.page.right_to_left import has_right_to_left, is_right_to_left
from qwen_pl.data.pdf.places import Placed, is_initial, raise_number, upright, valid_unicode

_HYPHEN = "\ufffe"  # pdfium's sign for a hyphen at the end of a line, and for that end
_HYPHEN_CODE = re.compile("\x02")  # the same where one character is asked for
# Lines end in "\r\n"; a "\r" by itself is the code of a sign in a font without a map to Unicode.
_LINE = re.compile(f"(?:[^\r\n{_HYPHEN}]+|\r(?!\n))+{_HYPHEN}?")
# In text from right to left pdfium turns these round like brackets, but Unicode does not.
_UNMIRRORED = str.maketrans("“”‘’", "”“’‘")
_OTHER_LINE = 0.8  # of the smaller size: baselines farther apart are of two lines
_WORD_GAP = 0.2  # of the size
_NO_GAP = 0.05  # of the size
_SHORT = 8  # characters of a text whose spaces are looked at
_FEW = 4  # letters of a text in which spaces may be hidden
_TIGHT_WORD_GAP = 0.1  # of the size
_WORD_GAP_SHARE = 0.6  # of the space between other words of the line
_SPACE = re.compile(r"(?<=[^\W\d_]) (?=[^\W\d_])")
_PAIR = re.compile(r"[^\s(“‘](?=[^\s.,;:!?)’”])")  # between which a space may be
_WIDEST_GAP = 1.0  # of the size, between two parts of a line that pdfium has cut


def _with_addresses(function: Any, result: Any, *arguments: Any) -> Any:
    """A function of pdfium that takes and gives handles as numbers, since that is faster."""
    address = ctypes.cast(function, c_void_p).value
    return ctypes.PYFUNCTYPE(result, c_void_p, *arguments)(address)


_text_object = _with_addresses(pdfium.FPDFText_GetTextObject, c_void_p, c_int)
_font_size = _with_addresses(pdfium.FPDFText_GetFontSize, c_double, c_int)
_matrix = _with_addresses(pdfium.FPDFText_GetMatrix, c_int, c_int, c_void_p)
_origin = _with_addresses(pdfium.FPDFText_GetCharOrigin, c_int, c_int, c_void_p, c_void_p)
_box = _with_addresses(pdfium.FPDFText_GetLooseCharBox, c_int, c_int, c_void_p)


class _Run(NamedTuple):
    """Characters of one line that belong to one text object."""

    text: str
    x: float
    y: float
    size: float
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
        self._has_right_to_left = has_right_to_left(self._text)
        self._matrix = (c_float * 6)()  # an FS_MATRIX, faster to take apart
        self._matrix_address = byref(self._matrix)
        self._box = (c_float * 4)()  # an FS_RECTF: left, top, right, bottom
        self._box_address = byref(self._box)
        self._origin_x, self._origin_y = c_double(), c_double()
        self._origin_addresses = byref(self._origin_x), byref(self._origin_y)

    def lines(self) -> list[Placed]:
        """The lines that have text, in pdfium's order."""
        lines: list[list[_Run]] = []
        for match in _LINE.finditer(self._text):
            runs = self._runs(*match.span())
            is_behind = lines and runs and runs[0].x > lines[-1][-1].x
            if is_behind and (gap := self._gap(lines[-1], runs[0])) is not None:
                if gap > _WORD_GAP:
                    runs[0] = runs[0]._replace(text=" " + runs[0].text)
                runs = lines.pop() + runs
            lines += _split(runs) if len(runs) > 1 else [runs] if runs else []
        return [self._join(runs) for runs in lines]

    def _runs(self, start: int, end: int) -> list[_Run]:
        """The text objects of a line, each with the spaces that pdfium has put after it."""
        runs: list[_Run] = []
        for first, stop, shown in self._objects(start, end):
            text = self._text[first:stop]
            if shown and not text.isspace():
                last = first + len(text.rstrip()) - 1
                run = _Run(text, *self._place(last), last)
                is_upright = self._matrix[1] == 0.0 < self._matrix[0]
                if runs and self._is_apart(runs[-1], run):
                    runs[-1] = runs[-1]._replace(text=runs[-1].text + " ")
                is_short = 0 < last - first < _SHORT
                runs.append(
                    self._respaced(run) if is_short else self._spaced(run, first, is_upright)
                )
            elif runs:
                runs[-1] = runs[-1]._replace(text=runs[-1].text + text)
        return runs

    def _objects(self, start: int, end: int) -> Iterable[tuple[int, int, int]]:
        """Where each text object of a line starts and ends, and its address."""
        handle = self._handle
        shown = _text_object(handle, start)  # None for what pdfium has put in
        last = _text_object(handle, end - 1)
        if last == shown is not None:  # the whole line, mostly
            return ((start, end, shown),)
        return self._several_objects(start, end, shown, last)

    def _several_objects(
        self, start: int, end: int, shown: int, last: int
    ) -> Iterator[tuple[int, int, int]]:
        """The same for several; their ends are found by halving, so that long ones cost little."""
        handle = self._handle
        ahead = [(end - 1, last)]  # what is known, the nearest last
        same = start
        while ahead:
            index, other = ahead[-1]
            if other == shown is not None:
                same, _ = ahead.pop()
            elif index - same > 1:
                middle = (same + index) // 2
                ahead.append((middle, _text_object(handle, middle)))
            else:
                yield start, index, shown
                start, shown = ahead.pop()
                same = start
        yield start, end, shown

    def _place(self, index: int) -> tuple[float, float, float]:
        """Where the text object of a character starts, seen upright, and its size."""
        _matrix(self._handle, index, self._matrix_address)
        a, b, c, d, x, y = self._matrix[:]
        size = abs(_font_size(self._handle, index)) * math.hypot(c, d)
        if b == 0.0 < a and abs(x) < 1e6 and abs(y) < 1e6 and size < 1e6:  # as nearly all are
            return round(x, 2), round(y, 2), round(size, 2)
        return upright(x, y, size, (a, b))

    def _respaced(self, run: _Run) -> _Run:
        """A short run with spaces where its letters are as far apart as words are, and only there.

        Ghostscript shows the letters around a space as one text with a large character spacing, in
        which pdfium looks for no gap. Three or four have words of one letter between them, unless
        they follow a space: then one word is letterspaced. Other texts have spaces without width.
        """
        if is_right_to_left(run.text) or not run.size:
            return run
        first = run.last + 1 - len(run.text.rstrip())
        letters = [index for index in range(first, run.last + 1) if self._text[index] != " "]
        follows_space = not self._text[first - 1 : first].strip()
        may_hide_spaces = len(letters) == 2 or (len(letters) <= _FEW and not follows_space)
        text = self._text[first : letters[0] + 1]
        for left, right in pairwise(letters):
            gap = self._left_end(right) - self._right_end(left)
            has_space = right > left + 1
            if has_space:
                text += " " if gap > _NO_GAP * run.size else ""
            elif may_hide_spaces:
                text += " " if gap > _WORD_GAP * run.size else ""
            text += self._text[right]
        return run._replace(text=text + run.text[len(run.text.rstrip()) :])

    def _is_apart(self, before: _Run, run: _Run) -> bool:
        """Whether a text object goes on with another word than the one before, without a space.

        Single letters apart may be those of one letterspaced word.
        """
        is_glued = before.text[-1:].isalnum() and run.text[:1].isalnum()
        if not is_glued or min(len(before.text), len(run.text)) < 2 or before.size != run.size:
            return False
        gap = (run.x - self._right_end(before.last)) / (run.size or 1.0)
        return _TIGHT_WORD_GAP < gap < _WIDEST_GAP

    def _spaced(self, run: _Run, first: int, is_upright: bool) -> _Run:
        """A run with the spaces that pdfium has not found in a line that is set tightly.

        The wider a letter, the wider is the gap that pdfium asks for before it. The spaces of a
        line are alike, so that one of them tells whether others may be too narrow.
        """
        seen = _SPACE.search(run.text)
        if seen is None or (self._has_right_to_left and is_right_to_left(run.text)):
            return run
        space = first + seen.start()
        width = self._gap_between(space - 1, space + 1, is_upright)
        if not _NO_GAP * run.size < width < _WORD_GAP * run.size:
            return run
        narrowest = max(_WORD_GAP_SHARE * width, _NO_GAP * run.size)
        pairs = [match.start() for match in _PAIR.finditer(run.text)]
        hidden = [
            index + 1
            for index in pairs
            if self._gap_between(first + index, first + index + 1, is_upright) > narrowest
        ]
        if len(hidden) > len(pairs) / 4:  # it is letterspaced
            return run
        ends = [*hidden, len(run.text)]
        parts = [run.text[start:end] for start, end in zip([0, *hidden], ends, strict=True)]
        return run._replace(text=" ".join(parts))

    def _gap(self, line: list[_Run], run: _Run) -> float | None:
        """How far behind a line a run goes on with it, in sizes; None if it does not.

        pdfium ends a line at some raised signs in its middle.
        """
        before = line[-1]
        size = max(run.size, before.size)
        if not size or _are_on_two_lines(_largest(line), run):
            return None
        gap = (run.x - self._right_end(before.last)) / size
        return gap if -_WIDEST_GAP < gap < _WIDEST_GAP else None

    def _gap_between(self, left: int, right: int, is_upright: bool) -> float:
        """How far apart two characters are, which costs less if they are known to be upright."""
        if not is_upright:
            return self._left_end(right) - self._right_end(left)
        _origin(self._handle, right, *self._origin_addresses)
        _box(self._handle, left, self._box_address)
        return self._origin_x.value - self._box[2]

    def _left_end(self, index: int) -> float:
        """Where a character starts, seen upright."""
        _origin(self._handle, index, *self._origin_addresses)
        x, y = self._origin_x.value, self._origin_y.value
        return x if self._is_upright(index) else self._upright_x(x, y)

    def _right_end(self, index: int) -> float:
        """Where a character ends, seen upright."""
        _box(self._handle, index, self._box_address)
        left, top, right, bottom = self._box
        if self._is_upright(index):
            return right
        return max(self._upright_x(left, bottom), self._upright_x(right, top))

    def _is_upright(self, index: int) -> bool:
        """Whether a character stands as on most pages; its matrix is at hand afterwards."""
        _matrix(self._handle, index, self._matrix_address)
        return self._matrix[1] == 0.0 < self._matrix[0]

    def _upright_x(self, x: float, y: float) -> float:
        """A place seen upright, by the matrix at hand."""
        return upright(x, y, 0.0, (self._matrix[0], self._matrix[1]))[0]

    def _join(self, runs: list[_Run]) -> Placed:
        """One line from its runs: it starts at the first, and has the size of most letters."""
        text, x, y, size, _ = runs[0]
        if len(runs) > 1:
            letters: dict[float, int] = {}
            for run in runs:
                letters[run.size] = letters.get(run.size, 0) + len(run.text)
            size = max(letters, key=letters.__getitem__)
            y = next(run.y for run in runs if run.size == size)
            scale = size or 1.0
            text = "".join([raise_number(run.text, run.y - y, run.size / scale) for run in runs])
        if self._has_right_to_left and is_right_to_left(text):
            # The last character of a run may stand at its left end.
            text = text.translate(_UNMIRRORED)
            x = min(min(run.x, self._left_end(run.last)) for run in runs)
        return valid_unicode(text.replace(_HYPHEN, "-")), x, y, size or 1.0


def _split(runs: list[_Run]) -> Iterator[list[_Run]]:
    """Parts a line of pdfium's where its baseline moves as far as to another line."""
    line: list[_Run] = []
    for run in runs:
        is_lower = line and run.y != line[-1].y and _are_on_two_lines(_largest(line), run)
        if is_lower or (line and is_initial(run.text, run.x, run.size, line[0].x, line[0].size)):
            yield line
            line = []
        line.append(run)
    if line:
        yield line


def _are_on_two_lines(run: _Run, other: _Run) -> bool:
    return abs(run.y - other.y) > _OTHER_LINE * min(run.size, other.size)


def _largest(line: list[_Run]) -> _Run:
    return max(line, key=lambda run: run.size)


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
    return _HYPHEN_CODE.sub(
        lambda code: _HYPHEN if pdfium.FPDFText_IsHyphen(handle, code.start()) == 1 else code[0],
        text,
    )
