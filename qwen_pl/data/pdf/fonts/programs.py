"""What the font programs embedded in a PDF tell of the text of their glyphs.

A program may be hostile: tables are read only as far as they go, and no more than so many entries.
Sources: ISO/IEC 14496-22 (OpenType), `cmap` and `post`; Adobe Type 1 Font Format, chapter 2.2.
"""

import re
import struct
from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

from fontTools.encodings.StandardEncoding import StandardEncoding

from qwen_pl.data.pdf.fonts.glyph_names import glyph_text

_LARGEST = 64 << 20  # bytes
_MOST_ENTRIES = 200_000  # of one table
_TYPE1_NAME = re.compile(rb"dup\s+(\d{1,3})\s*/([^\s/]{1,200})\s+put")
_UNICODE = ((3, 10), (0, 6), (0, 4), (3, 1), (0, 3), (0, 2), (0, 1), (0, 0))  # the best first
_SYMBOL, _MACINTOSH = (3, 0), (1, 0)


class FontProgram(NamedTuple):
    """What is known of a font's glyphs; each is empty where the program says nothing."""

    by_glyph: dict[int, str]
    """Text by the number of the glyph."""
    by_code: dict[int, str]
    """Text by the codes of the program's own encoding."""
    is_truetype: bool = False
    """Or OpenType, in which what is shown is mostly numbers of glyphs."""


NO_PROGRAM = FontProgram({}, {})


def read_program(data: bytes) -> FontProgram:
    """Reads a TrueType, OpenType, CFF or Type 1 program; one that is damaged says nothing."""
    if len(data) > _LARGEST:
        return NO_PROGRAM
    try:
        if data[:4] in (b"\0\1\0\0", b"true", b"OTTO"):
            return _from_tables(data)
        if data[:1] == b"\1":
            return _from_cff(data)
        return FontProgram({}, _type1_texts(data))
    except MemoryError:
        raise
    except Exception:  # whatever fontTools or struct make of it
        return NO_PROGRAM


def _from_tables(data: bytes) -> FontProgram:
    tables: dict[bytes, bytes] = {}
    for at in range(12, 12 + 16 * min(64, int.from_bytes(data[4:6], "big")), 16):
        tag, _, start, length = struct.unpack(">4sLLL", data[at : at + 16])
        tables.setdefault(tag, data[start : start + length])
    names = _post_names(tables.get(b"post", b""))
    texts = {glyph: text for glyph, name in names.items() if (text := glyph_text(name))}
    if b"CFF " in tables:
        texts |= _from_cff(tables[b"CFF "]).by_glyph
    maps = _subtables(tables.get(b"cmap", b""))
    for kind in reversed(_UNICODE):
        # Of several characters of a glyph the one with the lowest code: a space, no fixed one.
        for code, glyph in sorted(maps.get(kind, {}).items(), reverse=True):
            if glyph and _is_text(code):
                texts[glyph] = chr(code)
    codes = {code & 0xFF: glyph for code, glyph in maps.get(_SYMBOL, {}).items()}
    codes = codes or maps.get(_MACINTOSH, {})
    by_code = {code: texts[glyph] for code, glyph in codes.items() if glyph in texts}
    return FontProgram(texts, by_code, is_truetype=True)


def _is_text(code: int) -> bool:
    is_private = 0xE000 <= code < 0xF900 or code >= 0xF0000
    return code >= 0x20 and not is_private and not 0xD800 <= code < 0xE000


def _subtables(cmap: bytes) -> dict[tuple[int, int], dict[int, int]]:
    """Glyphs by codes, of each kind of code there is."""
    found: dict[tuple[int, int], dict[int, int]] = {}
    for at in range(4, 4 + 8 * min(32, int.from_bytes(cmap[2:4], "big")), 8):
        platform, encoding, start = struct.unpack(">HHL", cmap[at : at + 8])
        kind = (platform, encoding)
        if kind in (*_UNICODE, _SYMBOL, _MACINTOSH) and kind not in found:
            pairs = _pairs(cmap[start:])
            found[kind] = dict(pair for pair, _ in zip(pairs, range(_MOST_ENTRIES), strict=False))
    return found


def _pairs(table: bytes) -> Iterator[tuple[int, int]]:
    """Codes and glyphs of a subtable in one of the formats that are in use."""
    form = int.from_bytes(table[:2], "big")
    if form == 0:
        yield from enumerate(table[6:262])
    elif form == 4:
        count = int.from_bytes(table[6:8], "big") // 2
        words = struct.unpack(f">{len(table) // 2}H", table[: len(table) // 2 * 2])
        rows = (words[7 + i * count + (i > 0) :][:count] for i in range(4))
        for i, (last, first, delta, offset) in enumerate(zip(*rows, strict=True)):
            for code in range(first, min(last, 0xFFFE) + 1):
                if not offset:
                    yield code, (code + delta) & 0xFFFF
                    continue
                at = 8 + 3 * count + i + offset // 2 + code - first
                glyph = words[at] if at < len(words) else 0
                yield code, (glyph + delta) & 0xFFFF if glyph else 0
    elif form == 6:
        first, count = struct.unpack(">HH", table[6:10])
        yield from enumerate(struct.unpack(f">{count}H", table[10 : 10 + 2 * count]), first)
    elif form == 12:
        for at in range(
            16, min(len(table) - 11, 16 + 12 * int.from_bytes(table[12:16], "big")), 12
        ):
            first, last, glyph = struct.unpack(">LLL", table[at : at + 12])
            for code in range(first, min(last, 0x10FFFF) + 1):
                yield code, glyph + code - first


def _post_names(post: bytes) -> dict[int, str]:
    """The names of glyphs by their numbers, where there are some."""
    if post[:4] not in (b"\0\1\0\0", b"\0\2\0\0"):
        return {}
    from fontTools.ttLib.standardGlyphOrder import standardGlyphOrder  # a large import

    if post[:4] == b"\0\1\0\0":
        return dict(enumerate(standardGlyphOrder))
    count = int.from_bytes(post[32:34], "big")
    numbers = struct.unpack(f">{count}H", post[34 : 34 + 2 * count])
    more, at = [], 34 + 2 * count
    while at < len(post):
        more.append(post[at + 1 : at + 1 + post[at]].decode("latin-1"))
        at += 1 + post[at]
    names = [*standardGlyphOrder, *more]
    return {glyph: names[number] for glyph, number in enumerate(numbers) if number < len(names)}


def _from_cff(data: bytes) -> FontProgram:
    from fontTools.cffLib import CFFFontSet  # a large import

    fonts = CFFFontSet()
    fonts.decompile(BytesIO(data), None)
    font = fonts.topDictIndex[0]
    if hasattr(font, "ROS"):
        return NO_PROGRAM  # its glyphs have numbers of a collection of characters for names
    names = font.charset
    texts = {glyph: text for glyph, name in enumerate(names) if (text := glyph_text(name))}
    codes = StandardEncoding if isinstance(font.Encoding, str) else font.Encoding
    return FontProgram(texts, _texts_of(enumerate(codes)))


def _type1_texts(data: bytes) -> dict[int, str]:
    """What the encoding says, which stands in the part of the program that can be read."""
    clear = data.split(b"eexec", 1)[0].partition(b"/Encoding")[2]
    if clear.split()[:1] == [b"StandardEncoding"]:
        return _texts_of(enumerate(StandardEncoding))
    return _texts_of(
        (int(code), name.decode("latin-1")) for code, name in _TYPE1_NAME.findall(clear)
    )


def _texts_of(names: "Iterator[tuple[int, str]] | enumerate[str]") -> dict[int, str]:
    return {code: text for code, name in names if name and (text := glyph_text(name))}
