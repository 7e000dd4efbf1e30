"""Follows the content of a page: what text it shows where, and what it draws.

Places are those of the page as it is shown. Source: ISO 32000-2:2020, 8.4 (graphics state), 8.10
(forms), 9.3 and 9.4 (text), 14.6 (marked content), 14.9.4 (text in the place of what is shown).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from pypdf.generic import ArrayObject, DictionaryObject, PdfObject, StreamObject

from qwen_pl.data.page.line import Box
from qwen_pl.data.page.scripts import has_right_to_left
from qwen_pl.data.pdf.entries import entry, number, numbers
from qwen_pl.data.pdf.matrices import UNMOVED, Matrix, product
from qwen_pl.data.pdf.open_file import Frame, turn_of, upright
from qwen_pl.data.pdf.pypdf.content import Damaged, operations
from qwen_pl.data.pdf.pypdf.drawn import Drawn, box_of
from qwen_pl.data.pdf.pypdf.fonts import KnownFonts, Shown, ShownFont
from qwen_pl.data.pdf.pypdf.layers import Layers
from qwen_pl.data.pdf.pypdf.pieces import Run

_MOST_FORMS = 1000  # of a page
_MOST_STATES = 1000  # saved and not yet taken back
_MOST_BYTES = 75_000_000  # of the content of one page, with its forms
_LONGEST_OF_NOTHING = 32  # bytes of a stream that is empty when it is unpacked
_MOST_POINTS = 1000  # of a path that is looked at point by point
_BACK = 400.0  # thousandths of the size: an offset to the left that is more than kerning
_EMPTY_SPACE = 0.08  # of the size: a space that hardly moves the pen
_SPREAD = 0.169  # of the size: letters farther apart may be words
_FEW = (2, 3, 4)  # letters of a text in which spaces may be hidden
_BESIDE = 2.0  # points that text may begin outside of what is shown
_UNSEEN = 3  # the mode of text that is not painted

_EVERYWHERE: Box = (-math.inf, -math.inf, math.inf, math.inf)


class Hidden(NamedTuple):
    """A run of text that is not painted, and how many painted ones stand before it."""

    before: int
    run: Run


class _State:
    """The graphics state, with what there is of it for text."""

    def __init__(self, matrix: Matrix, clip: Box) -> None:
        self.matrix = matrix
        self.clip = clip
        self.font: ShownFont | None = None
        self.size = 1.0
        self.char_spacing = 0.0
        self.word_spacing = 0.0
        self.scale = 1.0
        self.leading = 0.0
        self.rise = 0.0
        self.mode = 0
        self.is_white = False

    def copy(self) -> "_State":
        other = _State.__new__(_State)
        other.__dict__.update(self.__dict__)
        return other


class _Instead(NamedTuple):
    """Marked content that has a text of its own."""

    text: str
    start: int
    """How many runs there were before it."""


class PageContent:
    """The runs of text that a page shows, and its drawings; made by following its content."""

    def __init__(self, frame: Frame, fonts: KnownFonts, layers: Layers) -> None:
        _, _, width, height = frame.shown
        self.runs: list[Run] = []
        self.hidden: list[Hidden] = []
        self.drawn = Drawn(width, height)
        self.left_out = ""
        """Why the content is not whole; empty if it is."""
        self._fonts, self._layers = fonts, layers
        self._state = _State(_frame_matrix(frame), _EVERYWHERE)
        self._saved: list[_State] = []
        self._unsaved = 0
        self._line = UNMOVED
        self._pen = 0.0
        self._at: Matrix | None = None  # of text, when it was last asked for
        self._resources: Any = None
        self._named_fonts: dict[str, ShownFont | None] = {}
        self._marks: list[bool | _Instead | None] = []  # True for a layer that is not shown
        self._num_hidden = 0
        self._num_forms = self._num_bytes = 0
        self._open_forms: set[int] = set()
        self._points: list[list[tuple[float, float]]] = []
        self._num_points = 0
        self._is_curved = self._is_clip = False
        self._rectangles: list[tuple[float, float, float, float]] = []

    def follow(self, contents: Any, resources: Any) -> None:
        """Follows content, a stream or several in one, which names things in the resources."""
        before = self._resources, self._named_fonts
        self._resources, self._named_fonts = resources, {}
        handlers = _HANDLERS
        try:
            for operator, operands in operations(self._unpacked(contents), handlers):
                try:
                    handlers[operator](self, operands)
                except (TypeError, ValueError, IndexError, AttributeError, OverflowError):
                    continue  # the operands are not those of the operator
        except Damaged as error:
            self._leave_out(f"the content {error}")
        finally:
            self._resources, self._named_fonts = before

    def follow_form(self, form: StreamObject, placed: Matrix = UNMOVED) -> None:
        """Follows a form, which has a place and resources of its own."""
        resources = entry(form, "/Resources")
        # A plotted letter is a form without any.
        shows_others = resources is None or "/Font" in resources or "/XObject" in resources
        self._num_forms += shows_others
        if self._num_forms > _MOST_FORMS:
            self._leave_out(f"has more than {_MOST_FORMS} forms, the rest is left out")
            return
        state, saved, marks = self._state, self._saved, len(self._marks)
        line, pen, unsaved = self._line, self._pen, self._unsaved
        self._state, self._saved, self._unsaved = state.copy(), [], 0
        self._move(product(numbers(entry(form, "/Matrix"), 6) or UNMOVED, placed))
        box = numbers(entry(form, "/BBox"), 4)
        if box is not None:
            self._state.clip = _within(self._box(*box), state.clip)
        self._open_forms.add(id(form))
        self.follow(form, resources or self._resources)
        self._open_forms.discard(id(form))
        while len(self._marks) > marks:
            self._end_marked([])
        self._state, self._saved, self._unsaved = state, saved, unsaved
        self._line, self._pen, self._at = line, pen, None

    def _leave_out(self, reason: str) -> None:
        self.left_out = self.left_out or reason

    def _unpacked(self, contents: Any) -> bytes:
        """The bytes of the streams that can be unpacked."""
        parts: list[bytes] = []
        what = "a form" if self._open_forms else "a part of the content"
        for part in contents if isinstance(contents, ArrayObject) else [contents]:
            try:
                stream = part.get_object() if isinstance(part, PdfObject) else None
                data = stream.get_data() if isinstance(stream, StreamObject) else b""
            except MemoryError:
                raise
            except Exception as error:
                self._leave_out(f"{what} is left out: {error}")
                continue
            if not data and number(entry(stream, "/Length"), 0.0) > _LONGEST_OF_NOTHING:
                self._leave_out(f"{what} cannot be unpacked")
            self._num_bytes += len(data)
            if self._num_bytes > _MOST_BYTES:
                self._leave_out(f"has more than {_MOST_BYTES} bytes, the rest is left out")
                break
            parts.append(data)
        return parts[0] if len(parts) == 1 else b"\n".join(parts)

    # Graphics state

    def _save(self, operands: list[Any]) -> None:
        if len(self._saved) < _MOST_STATES:
            self._saved.append(self._state.copy())
        else:
            self._unsaved += 1

    def _restore(self, operands: list[Any]) -> None:
        if self._unsaved:
            self._unsaved -= 1
        elif self._saved:
            self._state, self._at = self._saved.pop(), None

    def _change_matrix(self, operands: list[Any]) -> None:
        a, b, c, d, e, f = operands
        self._move((a, b, c, d, e, f))

    def _move(self, matrix: Matrix) -> None:
        self._state.matrix, self._at = product(matrix, self._state.matrix), None

    def _color(self, operands: list[Any]) -> None:
        values = [value for value in operands if isinstance(value, float)]
        is_ink = len(values) == 4
        self._state.is_white = bool(values) and (not any(values) if is_ink else min(values) > 0.99)

    def _set_parameters(self, operands: list[Any]) -> None:
        font = entry(entry(entry(self._resources, "/ExtGState"), operands[0]), "/Font")
        if isinstance(font, ArrayObject):
            self._state.font = self._fonts.font(font[0].get_object())
            self._state.size = float(font[1])

    # Text state

    def _set_font(self, operands: list[Any]) -> None:
        name, size = operands
        self._state.size = size + 0.0
        if name not in self._named_fonts:
            font = entry(entry(self._resources, "/Font"), name)
            font = font if isinstance(font, DictionaryObject) else DictionaryObject()
            self._named_fonts[name] = self._fonts.font(font)
        self._state.font = self._named_fonts[name]

    def _set_char_spacing(self, operands: list[Any]) -> None:
        self._state.char_spacing = operands[0] + 0.0

    def _set_word_spacing(self, operands: list[Any]) -> None:
        self._state.word_spacing = operands[0] + 0.0

    def _set_scale(self, operands: list[Any]) -> None:
        self._state.scale = operands[0] / 100

    def _set_leading(self, operands: list[Any]) -> None:
        self._state.leading = operands[0] + 0.0

    def _set_rise(self, operands: list[Any]) -> None:
        self._state.rise = operands[0] + 0.0

    def _set_mode(self, operands: list[Any]) -> None:
        self._state.mode = int(operands[0])

    # Where text stands

    def _begin_text(self, operands: list[Any]) -> None:
        self._line, self._pen, self._at = UNMOVED, 0.0, None

    def _set_line(self, operands: list[Any]) -> None:
        a, b, c, d, e, f = operands
        self._line, self._pen, self._at = (a + 0.0, b, c, d, e, f), 0.0, None

    def _move_line(self, operands: list[Any]) -> None:
        x, y = operands
        a, b, c, d, e, f = self._line
        self._line = (a, b, c, d, e + x * a + y * c, f + x * b + y * d)
        self._pen, self._at = 0.0, None

    def _move_line_and_lead(self, operands: list[Any]) -> None:
        self._state.leading = -operands[1]
        self._move_line(operands)

    def _next_line(self, operands: list[Any]) -> None:
        self._move_line([0.0, -self._state.leading])

    # What is shown

    def _show(self, operands: list[Any]) -> None:
        self._show_all(operands[-1:])

    def _show_next(self, operands: list[Any]) -> None:
        self._next_line([])
        self._show_all(operands[-1:])

    def _show_spaced(self, operands: list[Any]) -> None:
        self._state.word_spacing, self._state.char_spacing, _ = operands
        self._show_next(operands)

    def _show_array(self, operands: list[Any]) -> None:
        self._show_all(operands[0])

    def _show_all(self, elements: list[Any]) -> None:
        """Shows strings with the offsets between them; each run ends where a word may."""
        state = self._state
        font = state.font
        if font is None:
            font = state.font = self._fonts.font(DictionaryObject())
        gap = -1000 * font.gap
        if state.char_spacing > _SPREAD * abs(state.size):
            gap = _BACK  # strings are looked at one by one
        shown, kerning = b"", 0.0
        for element in elements:
            if isinstance(element, bytes):
                shown += element
            elif isinstance(element, float):
                if gap < element < _BACK and shown:
                    kerning += element
                    continue
                if shown:
                    self._show_run(font, shown, kerning)
                    shown, kerning = b"", 0.0
                self._pen -= (
                    element / 1000 * state.size * (1.0 if font.is_vertical else state.scale)
                )
        if shown:
            self._show_run(font, shown, kerning)

    def _show_run(self, font: ShownFont, codes: bytes, kerning: float) -> None:
        state = self._state
        shown = font.show(codes)
        size, spread = abs(state.size), state.char_spacing
        if spread > _SPREAD * size and shown.number in _FEW and " " not in shown.text:
            self._show_spread(font, font.split(codes))
            return
        space = 0.0
        if " " in shown.text:
            space = font.blank_width(codes) * size + spread
            space += state.word_spacing if shown.num_blanks else 0.0
            if space < _EMPTY_SPACE * size:
                shown = shown._replace(text=shown.text.replace(" ", ""))
        self._place_run(font, shown, kerning, space)

    def _show_spread(self, font: ShownFont, codes: list[bytes]) -> None:
        """Shows the few glyphs of a string that are set as far apart as words are.

        Ghostscript shows the glyphs around a word space as one string with a large character
        spacing. Two are the end of a word and the start of the next. Up to four have words of one
        letter between them ("thro" "w a h" "ero"), unless they follow a space: then one word is
        letterspaced.
        """
        before = self.runs[-1:]
        self._place_run(font, font.show(codes[0]), 0.0, 0.0)
        may_hide = len(codes) == 2 or (bool(before) and _follows(before[0], self.runs[-1]))
        rest = codes[1:] if may_hide else [b"".join(codes[1:])]
        for part in rest:
            if may_hide and self.runs:
                self.runs[-1] = self.runs[-1]._replace(pen=self.runs[-1].end)
            self._place_run(font, font.show(part), 0.0, 0.0)

    def _place_run(self, font: ShownFont, shown: Shown, kerning: float, space: float) -> None:
        """Adds a run where the pen is, and moves the pen behind it; spaces have that width."""
        state = self._state
        text, width, number, num_blanks = shown
        spacing, size = state.char_spacing, state.size
        scale = 1.0 if font.is_vertical else state.scale
        advance = (width - kerning / 1000) * size + number * spacing
        advance = (advance + num_blanks * state.word_spacing) * scale
        start, self._pen = self._pen, self._pen + advance
        if self._num_hidden or not text:
            return
        matrix = self._at
        if matrix is None:
            matrix = self._at = product(self._line, state.matrix)
        a, b, c, d, e, f = matrix
        if font.is_vertical:  # the pen goes down, and the next line is to the left
            a, b, c, d = -c, -d, a, b
        x, y = e + start * a + state.rise * c, f + start * b + state.rise * d
        clip = state.clip
        if not (_is_inside(clip, x, y) or _is_inside(clip, x + advance * a, y + advance * b)):
            return
        right = (-a, -b) if size * scale < 0 else (a, b)
        turn = turn_of(right)
        left, base, high = upright(x, y, abs(size) * math.hypot(c, d) * font.scale, right)
        unit = abs((b if turn % 180 else a) * scale)
        pen = left + abs(advance) * abs(b if turn % 180 else a)
        if space:
            body = text.strip(" ")
            if body:
                before = len(text) - len(text.lstrip(" "))
                left += before * space * unit
                pen -= (len(text) - len(body) - before) * space * unit
                if len(body) < len(text):
                    text = " " * (text[0] == " ") + body + " " * (text[-1] == " ")
            else:
                text = " "
        run = Run(
            text,
            round(left, 2),
            round(pen - spacing * unit, 2),
            base,
            high,
            font.name,
            turn,
            pen,
            font.gap * abs(size) * unit,
            space * unit if " " in text[1:-1] else 0.0,
        )
        if state.mode == _UNSEEN:
            self.hidden.append(Hidden(len(self.runs), run))
        else:
            self.runs.append(run)

    # Marked content

    def _begin_marked(self, operands: list[Any]) -> None:
        self._marks.append(None)

    def _begin_marked_with(self, operands: list[Any]) -> None:
        tag, properties = operands
        if isinstance(properties, str):
            properties = entry(entry(self._resources, "/Properties"), properties)
        is_hidden = tag == "/OC" and self._layers.is_hidden(properties)
        self._num_hidden += is_hidden
        text = _text(entry(properties, "/ActualText"))
        is_first = not any(isinstance(mark, _Instead) for mark in self._marks[-20:])
        if is_hidden:
            self._marks.append(True)
        elif text is not None and is_first:
            self._marks.append(_Instead(text, len(self.runs)))
        else:
            self._marks.append(None)

    def _end_marked(self, operands: list[Any]) -> None:
        mark = self._marks.pop()
        if mark is True:
            self._num_hidden -= 1
        elif isinstance(mark, _Instead):
            self._put_instead(mark)

    def _put_instead(self, mark: _Instead) -> None:
        """Puts a text in the place of the runs that are marked with it."""
        replaced = self.runs[mark.start :]
        text = mark.text
        if text.strip() == "\u00ad":
            text = "-" if replaced else ""
        if has_right_to_left(text):
            text = text[::-1]
        if not replaced and text and self._state.font and not self._num_hidden:
            self._place_run(self._state.font, Shown(text, 0.0, 0, 0), 0.0, 0.0)
        elif replaced:
            del self.runs[mark.start :]
            if text:
                first, last = replaced[0], replaced[-1]
                end, pen = max(first.end, last.end), max(first.pen, last.pen)
                blank = text if text.strip() else " "
                self.runs.append(first._replace(text=blank, end=end, pen=pen))

    # Forms and images

    def _do(self, operands: list[Any]) -> None:
        thing = entry(entry(self._resources, "/XObject"), operands[0])
        if not isinstance(thing, StreamObject) or self._num_hidden:
            return
        if self._layers.is_hidden(entry(thing, "/OC")):
            return
        if entry(thing, "/Subtype") == "/Image":
            self._paint_image([])
        elif id(thing) not in self._open_forms:
            self.follow_form(thing)

    def _paint_image(self, operands: list[Any]) -> None:
        if not self._num_hidden:
            self.drawn.picture(_within(self._box(0.0, 0.0, 1.0, 1.0), self._state.clip))

    # Paths

    def _begin_path(self, operands: list[Any]) -> None:
        x, y = operands
        self._num_points += 1
        if self._num_points < _MOST_POINTS:
            self._points.append([(x, y)])

    def _add_line(self, operands: list[Any]) -> None:
        x, y = operands
        self._num_points += 1
        if self._num_points < _MOST_POINTS:
            self._points[-1].append((x, y))
        else:
            self._is_curved = True

    def _add_curve(self, operands: list[Any]) -> None:
        self._is_curved = True
        self._add_line(operands[-2:])

    def _close(self, operands: list[Any]) -> None:
        self._points[-1].append(self._points[-1][0])

    def _add_rectangle(self, operands: list[Any]) -> None:
        x, y, width, height = operands
        if len(self._rectangles) < _MOST_POINTS:
            self._rectangles.append((x, y, x + width, y + height))

    def _stroke(self, operands: list[Any]) -> None:
        self._paint(is_stroked=True, is_seen=True)

    def _fill(self, operands: list[Any]) -> None:
        self._paint(is_stroked=False, is_seen=not self._state.is_white)

    def _paint(self, is_stroked: bool, is_seen: bool) -> None:
        if not self._num_hidden:
            for rectangle in self._rectangles:
                self.drawn.rectangle(self._box(*rectangle), is_seen)
            a, b, c, d, e, f = self._state.matrix
            for points in self._points:
                if len(points) > 1:
                    moved = [(x * a + y * c + e, x * b + y * d + f) for x, y in points]
                    self.drawn.path(moved, is_stroked, self._is_curved, is_seen)
        self._end_path([])

    def _clip(self, operands: list[Any]) -> None:
        self._is_clip = True

    def _end_path(self, operands: list[Any]) -> None:
        if self._is_clip and not self._is_curved:
            points = [point for points in self._points for point in points]
            points += [(at[0], at[1]) for at in self._rectangles]
            points += [(at[2], at[3]) for at in self._rectangles]
            if points:
                self._state.clip = _within(self._box(*box_of(points)), self._state.clip)
        self._is_clip = False
        self._points, self._rectangles = [], []
        self._num_points, self._is_curved = 0, False

    def _box(self, left: float, lower: float, right: float, upper: float) -> Box:
        """The box around a rectangle as it is shown."""
        a, b, c, d, e, f = self._state.matrix
        corners = ((left, lower), (right, lower), (left, upper), (right, upper))
        return box_of((x * a + y * c + e, x * b + y * d + f) for x, y in corners)


_HANDLERS: dict[bytes, Callable[[PageContent, list[Any]], None]] = {
    b"q": PageContent._save,
    b"Q": PageContent._restore,
    b"cm": PageContent._change_matrix,
    b"gs": PageContent._set_parameters,
    **dict.fromkeys([b"g", b"rg", b"k", b"sc", b"scn"], PageContent._color),
    b"Tf": PageContent._set_font,
    b"Tc": PageContent._set_char_spacing,
    b"Tw": PageContent._set_word_spacing,
    b"Tz": PageContent._set_scale,
    b"TL": PageContent._set_leading,
    b"Ts": PageContent._set_rise,
    b"Tr": PageContent._set_mode,
    b"BT": PageContent._begin_text,
    b"Tm": PageContent._set_line,
    b"Td": PageContent._move_line,
    b"TD": PageContent._move_line_and_lead,
    b"T*": PageContent._next_line,
    b"Tj": PageContent._show,
    b"TJ": PageContent._show_array,
    b"'": PageContent._show_next,
    b'"': PageContent._show_spaced,
    b"BMC": PageContent._begin_marked,
    b"BDC": PageContent._begin_marked_with,
    b"EMC": PageContent._end_marked,
    b"Do": PageContent._do,
    b"BI": PageContent._paint_image,
    b"m": PageContent._begin_path,
    b"l": PageContent._add_line,
    **dict.fromkeys([b"c", b"v", b"y"], PageContent._add_curve),
    b"h": PageContent._close,
    b"re": PageContent._add_rectangle,
    **dict.fromkeys([b"S", b"s", b"B", b"B*", b"b", b"b*"], PageContent._stroke),
    **dict.fromkeys([b"f", b"F", b"f*"], PageContent._fill),
    b"n": PageContent._end_path,
    **dict.fromkeys([b"W", b"W*"], PageContent._clip),
}


def _follows(before: Run, run: Run) -> bool:
    """Whether a run goes on with the word before it."""
    is_near = before.y == run.y and run.x - before.pen < before.gap
    return is_near and not before.text.endswith(" ")


def _frame_matrix(frame: Frame) -> Matrix:
    """From places of the content to those of the page as it is shown."""
    (x, y), direction = frame.point(0.0, 0.0), frame.direction
    (a, b), (c, d) = direction(1.0, 0.0), direction(0.0, 1.0)
    return (a, b, c, d, x, y)


def _within(box: Box, other: Box) -> Box:
    return (
        max(box[0], other[0]),
        max(box[1], other[1]),
        min(box[2], other[2]),
        min(box[3], other[3]),
    )


def _is_inside(box: Box, x: float, y: float) -> bool:
    return box[0] - _BESIDE <= x <= box[2] + _BESIDE and box[1] - _BESIDE <= y <= box[3] + _BESIDE


def _text(value: Any) -> str | None:
    """A text of a PDF, which is in UTF-16 if it says so."""
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        return None
    if value.startswith(b"\xfe\xff"):
        return value[2:].decode("utf-16-be", "replace")
    if value.startswith(b"\xff\xfe"):
        return value[2:].decode("utf-16-le", "replace")
    if value.startswith(b"\xef\xbb\xbf"):
        return value[3:].decode("utf-8", "replace")
    return value.decode("cp1252", "replace")
