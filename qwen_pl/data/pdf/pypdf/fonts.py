"""What a font of a PDF shows for a string of codes: its text, and how far it moves the pen.

All widths are in font sizes. Source: ISO 32000-2:2020, 9.2.4 (widths), 9.6.4 (Type 3), 9.7.4.3
(widths and vertical writing of composite fonts).
"""

import math
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    NameObject,
    StreamObject,
    TextStringObject,
)

from qwen_pl.data.page.scripts import has_right_to_left
from qwen_pl.data.pdf.entries import descendant_of, entry, number, numbers
from qwen_pl.data.pdf.fonts.codes import FontCodes, font_codes
from qwen_pl.data.pdf.pypdf.standard_widths import standard_width, standard_widths

_MOST_RANGES = 10_000  # of the widths of one font
_USUAL_WIDTH = 0.5
_WIDEST_GAP_INSIDE = 0.13  # no wider gap is inside a word
_NARROWEST_GAP = 0.08  # no narrower one is between two
_WIDEST = 10.0  # that can be meant
_USUAL_HEIGHT = 1.15  # of the box around all glyphs
_LEAST_MEANT, _MOST_MEANT = 0.4, 3.0  # of it or of the widest, where sizes mean what they say
_MOST_FONTS = 64


class Shown(NamedTuple):
    """What one string of codes shows."""

    text: str
    """In the order in which it stands from left to right, letter by letter."""
    width: float
    """Without the spacing that the content asks for."""
    number: int
    """Codes."""
    num_blanks: int
    """Those that word spacing is for."""


class ShownFont:
    """A font as text is shown in it."""

    def __init__(self, font: DictionaryObject) -> None:
        self._codes = font_codes(font)
        self._texts = _Table(lambda code: _standing(self._codes, code))
        subtype = entry(font, "/Subtype")
        self._is_composite = subtype == "/Type0"
        described = descendant_of(font) if self._is_composite else font
        self.name = _name(font)
        """Without the tag of a subset."""
        self.is_vertical = self._is_composite and _is_vertical(font)
        """Whether it is written from above."""
        self.scale = 1.0
        """What the size that the content gives has to be multiplied by."""
        if self.is_vertical:
            width_of = _advances(described, "/W2", entry(described, "/DW2"), 3)
        elif self._is_composite:
            width_of = _advances(described, "/W", entry(described, "/DW"), 1)
        else:
            width_of = self._simple_width(font)
            if subtype == "/Type3":
                self.scale, width_of = _type3(font)
        if self._is_composite:
            self._widths = _Table(lambda code: width_of(self._codes.cid(code)))
        else:
            self._widths = _Table(width_of)
        is_blank = not self._is_composite and self._texts[32] == " "
        self._blank_width = self._widths[32] if is_blank else 0.0
        usual = self._blank_width / 2 or _WIDEST_GAP_INSIDE
        self.gap = max(_NARROWEST_GAP, min(usual, _WIDEST_GAP_INSIDE))
        """How far apart words are at the least."""

    def show(self, shown: bytes) -> Shown:
        """What a string of codes shows."""
        if not self._is_composite:
            text = shown.decode("latin-1").translate(self._texts)
            width = sum(map(self._widths.__getitem__, shown))
            return Shown(text, width, len(shown), shown.count(b" "))
        codes = self._codes.split(shown)
        text = "".join([self._texts[code] for code, _ in codes])
        width = sum([self._widths[code] for code, _ in codes])
        num_blanks = codes.count((32, 1)) if b" " in shown else 0
        return Shown(text, width, len(codes), num_blanks)

    def split(self, shown: bytes) -> list[bytes]:
        """The codes of a string, each by itself."""
        parts, at = [], 0
        for _, length in self._codes.split(shown):
            parts.append(shown[at : at + length])
            at += length
        return parts

    def blank_width(self, shown: bytes) -> float:
        """The width of the code in a string that shows a space."""
        if self._blank_width:
            return self._blank_width
        blank = next((c for c, _ in self._codes.split(shown) if self._texts[c] == " "), None)
        return 0.0 if blank is None else self._widths[blank]

    def _simple_width(self, font: DictionaryObject) -> Callable[[int], float]:
        widths = entry(font, "/Widths")
        first = entry(font, "/FirstChar")
        descriptor = entry(font, "/FontDescriptor")
        missing = number(entry(descriptor, "/MissingWidth"), 0.0) / 1000
        known: dict[int, float] = {}
        if isinstance(widths, ArrayObject):
            codes = range(int(number(first, 0)) & 0xFFFF, 256)
            known = {
                code: number(width, 0.0) / 1000 for code, width in zip(codes, widths, strict=False)
            }
        standard = standard_widths(self.name)
        if standard is not None:
            texts, wide = self._texts, standard
            return lambda code: known.get(code) or standard_width(wide, texts[code])
        return lambda code: known.get(code, missing if known else _USUAL_WIDTH)


class KnownFonts:
    """Makes each font once, however many pages show text in it."""

    def __init__(self) -> None:
        # By the resource's id, the last used last; resources are kept, so that no id is used again.
        self._known: dict[int, tuple[Any, ShownFont]] = {}

    def font(self, resource: DictionaryObject) -> ShownFont:
        """The font of a resource, the same one when asked again."""
        known = self._known.pop(id(resource), None) or (resource, ShownFont(resource))
        self._known[id(resource)] = known
        if len(self._known) > _MOST_FONTS:
            del self._known[next(iter(self._known))]
        return known[1]


class _Table(dict[int, Any]):
    """Values by code, each made when it is first asked for."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, code: int) -> Any:
        self[code] = value = self._make(code)
        return value


def _standing(codes: FontCodes, code: int) -> str:
    """The text of a code, from left to right as it stands."""
    text = codes.text(code)
    return text[::-1] if len(text) > 1 and has_right_to_left(text) else text


def _name(font: DictionaryObject) -> str:
    name = entry(font, "/BaseFont") or entry(entry(font, "/FontDescriptor"), "/FontName") or ""
    text = str(name).removeprefix("/") if isinstance(name, NameObject | TextStringObject) else ""
    tag, plus, rest = text.partition("+")
    return rest if plus and len(tag) == 6 and tag.isupper() else text


def _is_vertical(font: DictionaryObject) -> bool:
    encoding = entry(font, "/Encoding")
    if isinstance(encoding, StreamObject):
        return entry(encoding, "/WMode") == 1
    return isinstance(encoding, NameObject) and (encoding == "/V" or encoding.endswith("-V"))


def _advances(font: DictionaryObject, key: str, usual: Any, each: int) -> Callable[[int], float]:
    """Widths of a composite font, or how far down the pen moves (then three numbers a glyph)."""
    if each == 3:
        usual_both = numbers(usual, 2)
        otherwise = -(usual_both[1] if usual_both else -1000.0) / 1000
    else:
        otherwise = number(usual, 1000.0) / 1000
    sign = -1 if each == 3 else 1
    single: dict[int, float] = {}
    ranges: list[tuple[float, float, float]] = []
    values = entry(font, key)
    rest: Iterator[Any] = iter(values if isinstance(values, ArrayObject) else ())
    for first in rest:
        following = next(rest, None)
        following = following.get_object() if following is not None else None
        start = number(first, -1.0)
        if isinstance(following, ArrayObject):
            for code, width in zip(count(int(start)), following[::each], strict=False):
                single[code] = sign * number(width, 0.0) / 1000
        else:
            width = number(next(rest, None), 0.0)
            for _ in range(each - 1):
                next(rest, None)
            ranges.append((start, number(following, -1.0), sign * width / 1000))
        if len(ranges) > _MOST_RANGES or len(single) > 10 * _MOST_RANGES:
            break

    def width_of(code: int) -> float:
        width = single.get(code)
        if width is None:
            width = next((w for low, high, w in ranges if low <= code <= high), otherwise)
        return width if abs(width) < _WIDEST else 0.0

    return width_of


def _type3(font: DictionaryObject) -> tuple[float, Callable[[int], float]]:
    """What a size is multiplied by, and widths: glyphs have a matrix of their own.

    Where the glyphs would be much larger or smaller than the size, it is not meant as one.
    """
    matrix = numbers(entry(font, "/FontMatrix"), 6) or (0.001, 0.0, 0.0, 0.001, 0.0, 0.0)
    across = matrix[0] or abs(matrix[1])
    first = int(number(entry(font, "/FirstChar"), 0.0)) & 0xFFFF
    widths = entry(font, "/Widths")
    values = zip(range(first, 256), widths if isinstance(widths, ArrayObject) else (), strict=False)
    known = {code: number(width, 0.0) * across for code, width in values}
    box = numbers(entry(font, "/FontBBox"), 4) or (0.0, 0.0, 0.0, 0.0)
    height = abs(box[3] - box[1]) * math.hypot(matrix[2], matrix[3])
    widest = max(known.values(), default=0.0)
    is_meant = not height or any(_LEAST_MEANT < length < _MOST_MEANT for length in (height, widest))
    scale = 1.0 if is_meant else height / _USUAL_HEIGHT
    return scale, lambda code: known.get(code, 0.0)
