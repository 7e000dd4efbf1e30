"""What the codes of a font in a PDF mean, as pypdf's objects describe the font.

What tells it is asked in turn: the font's map to Unicode, the names of its glyphs, the encoding
that it names, and its embedded program. A map that cannot be meant is not believed.

Source: ISO 32000-2:2020, 9.10.2 (text from codes), 9.6.5 (simple fonts), 9.7.5 (CMaps).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any

from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject, StreamObject

from qwen_pl.data.pdf.entries import descendant_of, entry
from qwen_pl.data.pdf.fonts.glyph_names import encoding, glyph_text, plain_signs
from qwen_pl.data.pdf.fonts.programs import NO_PROGRAM, FontProgram, read_program
from qwen_pl.data.pdf.open_file import UNKNOWN, valid_unicode

_LARGEST_MAP = 8 << 20  # bytes of a map to Unicode or of codes
_MOST_ENTRIES = 100_000  # of such a map
_LONGEST_TEXT = 64  # characters of one glyph
_FEWEST_ALIKE = 8  # codes that one map gives the same letter, where all cannot be meant
_FEWEST_SAME = 64  # entries of a map that gives back the codes, where that cannot be meant
_ALIKE_SHARE = 0.5

# Python's codecs for the CMaps that PDF knows by name; "UCS2" and "UTF16" say it themselves.
_CODECS = {
    **dict.fromkeys(["GB-EUC", "GBpc-EUC"], "gb2312"),
    **dict.fromkeys(["GBK-EUC", "GBKp-EUC"], "gbk"),
    **dict.fromkeys(["GBK2K"], "gb18030"),
    **dict.fromkeys(["B5pc", "ETen-B5", "ETenms-B5"], "cp950"),
    **dict.fromkeys(["HKscs-B5"], "big5hkscs"),
    **dict.fromkeys(["83pv-RKSJ", "90ms-RKSJ", "90msp-RKSJ", "90pv-RKSJ", "Ext-RKSJ"], "cp932"),
    **dict.fromkeys(["Add-RKSJ"], "cp932"),
    **dict.fromkeys(["EUC"], "euc_jp"),
    **dict.fromkeys(["KSC-EUC", "KSCpc-EUC"], "euc_kr"),
    **dict.fromkeys(["KSCms-UHC", "KSCms-UHC-HW"], "cp949"),
}
_ROWS_CODEC = "iso2022_jp"  # of "H" and "V": rows and cells of JIS X 0208 from 0x21

_TOKEN = re.compile(rb"<([0-9A-Fa-f\s]*)>|([\[\]])|/?([A-Za-z]+[\w-]*)|(\d+)")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]+")
_NAMED_CODE = re.compile(r"[A-Za-z]{1,6}_?0*(\d{1,3})")

Ranges = list[tuple[int, int, int]]
"""Lowest and highest code, and how many bytes each has."""


class FontCodes:
    """The codes of one font: how shown bytes are parted into them, and what each means."""

    def __init__(
        self,
        ranges: Ranges,
        texts: Iterable[Callable[[int], str]],
        font_name: str = "",
        numbers: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        self._ranges, self._numbers = ranges, numbers
        self._one_length = ranges[0][2] if len({length for *_, length in ranges}) == 1 else 0
        self._sources = list(texts)
        self._font_name = font_name
        self._known: dict[int, str] = {}

    def split(self, shown: bytes) -> list[tuple[int, int]]:
        """Each code with its number of bytes."""
        if length := self._one_length:
            starts = range(0, len(shown) - length + 1, length)
            return [(int.from_bytes(shown[at : at + length], "big"), length) for at in starts]
        codes, at = [], 0
        while at < len(shown):
            length = self._length_at(shown, at)
            codes.append((int.from_bytes(shown[at : at + length], "big"), length))
            at += length
        return codes

    def cid(self, code: int) -> int:
        """The number of the character of a composite font, by which it has a width.

        It is the code itself where no CMap in the file tells another.
        """
        return self._numbers.get(code, code)

    def text(self, code: int) -> str:
        """What a code shows; U+FFFD where nothing tells it."""
        text = self._known.get(code)
        if text is None:
            told = (plain_signs(source(code), self._font_name) for source in self._sources)
            self._known[code] = text = _best(told)
        return text

    def _length_at(self, shown: bytes, at: int) -> int:
        for lowest, highest, length in self._ranges:
            code = shown[at : at + length]
            ends = lowest.to_bytes(length, "big"), highest.to_bytes(length, "big")
            if len(code) == length and all(
                low <= byte <= high for byte, low, high in zip(code, *ends, strict=True)
            ):
                return length
        return 1


def font_codes(font: DictionaryObject) -> FontCodes:
    """Reads what a font says of its codes; what is damaged of it says nothing.

    Raises:
        MemoryError: If there is not enough.
    """
    name = str(entry(font, "/BaseFont") or "").lstrip("/").split("+", 1)[-1]
    told = _told(font)
    if entry(font, "/Subtype") == "/Type0":
        ranges, more, numbers = _composite(font)
    else:
        ranges, more, numbers = [(0, 0xFF, 1)], [*_simple(font, name, told)], {}
    return FontCodes(ranges, [lambda code: told.get(code, ""), *more], name, numbers)


def _told(font: DictionaryObject) -> dict[int, str]:
    """What the map to Unicode says."""
    texts, _ = _map(_stream_data(entry(font, "/ToUnicode")))
    texts = {
        code: UNKNOWN if _CONTROLS.fullmatch(text) or not text else text
        for code, text in texts.items()
        if not "\x80" <= text <= "\x9f"  # which are codes of Windows
    }
    is_composite = entry(font, "/Subtype") == "/Type0"
    counts = Counter(text for text in texts.values() if text > " ")
    wrong = {
        text
        for text, count in counts.items()
        if count >= _FEWEST_ALIKE and count > _ALIKE_SHARE * len(texts)
    }
    if wrong or (is_composite and _only_gives_codes_back(texts, font)):
        return {code: text for code, text in texts.items() if text <= " "} if wrong else {}
    return texts


def _only_gives_codes_back(texts: dict[int, str], font: DictionaryObject) -> bool:
    """Whether the numbers of glyphs are given as if they were text, where the program has that."""
    same = sum(text == chr(code) for code, text in texts.items() if code < 0xD800)
    if same < _FEWEST_SAME or same < 0.9 * len(texts):
        return False
    by_glyph = _program(descendant_of(font)).by_glyph
    other = sum(by_glyph.get(code, text) != text for code, text in texts.items())
    return other > len(by_glyph) / 2


def _simple(
    font: DictionaryObject, name: str, told: dict[int, str]
) -> Iterator[Callable[[int], str]]:
    """What tells the text of one-byte codes beside the map to Unicode.

    Codes that a glyph has a name for, or of which the map says nothing that can be meant, as zeros,
    do not have the text of the usual encoding.
    """
    named = entry(font, "/Encoding")
    names: dict[int, str] = {}
    base = named if isinstance(named, NameObject) else None
    if isinstance(named, DictionaryObject):
        base = entry(named, "/BaseEncoding")
        names = _differences(entry(named, "/Differences"))
    family = re.split("[-,]", name)[0]
    is_dingbat = family == "ZapfDingbats"
    is_type3 = entry(font, "/Subtype") == "/Type3"

    def of_name(code: int) -> str:
        glyph = names.get(code)
        if glyph is None or glyph == ".notdef":
            return ""
        text = glyph_text(glyph, is_dingbat)
        if not text and is_type3 and (number := _NAMED_CODE.fullmatch(glyph)):
            return chr(code) if int(number[1]) == code else ""  # as dvips names glyphs
        return text

    yield of_name
    own = encoding(f"/{family}") if family in ("Symbol", "ZapfDingbats") else {}
    if own:
        yield lambda code: own.get(code, "")
    texts = encoding(str(base or ""))
    is_symbolic = _flags(font) & 4 and not _flags(font) & 32
    is_usual = not (is_symbolic and entry(font, "/Subtype") == "/TrueType" and not names)
    if is_usual:
        yield lambda code: "" if code in names or code in told else texts.get(code, "")
    program: list[FontProgram] = []  # read when it is needed

    def of_program(code: int) -> str:
        if not program:
            program.append(_program(font))
        return program[0].by_code.get(code, "")

    yield of_program
    standard = (not is_usual and texts) or encoding("/StandardEncoding")
    if is_type3:
        if not names:
            yield lambda code: chr(code)  # TeX's bitmaps without names; cleaning reads them
    else:
        yield lambda code: "" if code in names or code in told else standard.get(code, "")


def _composite(
    font: DictionaryObject,
) -> tuple[Ranges, list[Callable[[int], str]], dict[int, int]]:
    """How the codes of a composite font are parted, what tells their text, and their numbers."""
    named = entry(font, "/Encoding")
    descendant = descendant_of(font)
    glyph_of_cid = _glyph_numbers(descendant)
    program: list[FontProgram] = []
    two_bytes = [(0, 0xFFFF, 2)]

    def of_program(cid: int) -> str:
        if not program:
            program.append(_program(descendant))
        return program[0].by_glyph.get(glyph_of_cid(cid), "")

    if isinstance(named, NameObject):
        cmap = re.sub("-?[HV]$", "", str(named).lstrip("/"))
        if cmap == "Identity":
            return two_bytes, [of_program], {}
        if cmap.endswith(("UCS2", "UTF16", "UCS2-HW")):
            decode = partial(_decoded, codec="utf-16-be")
            return two_bytes, [lambda code: decode(code.to_bytes(4, "big"))], {}
        if cmap in _CODECS:
            codec = _CODECS[cmap]
            return _codec_ranges(codec), [lambda code: _decoded(_code_bytes(code), codec)], {}
        if not cmap:
            rows = b"\x1b$B%b\x1b(B"
            decode = partial(_decoded, codec=_ROWS_CODEC)
            return two_bytes, [lambda code: decode(rows % _code_bytes(code))], {}
    cids, ranges = _map(_stream_data(named), as_numbers=True)
    numbers = {code: ord(text) for code, text in cids.items() if len(text) == 1}
    return ranges or two_bytes, [lambda code: of_program(numbers.get(code, code))], numbers


def _codec_ranges(codec: str) -> Ranges:
    """Where two-byte codes of an East Asian encoding begin; all else has one byte."""
    two = [(0x8140, 0xFEFE, 2)]
    if codec in ("euc_kr", "gb2312", "euc_jp"):
        two = [(0xA1A1, 0xFEFE, 2), (0x8EA0, 0x8EDF, 2)]
    if codec == "cp932":  # between these are half-width kana, which have one byte
        two = [(0x8140, 0x9FFC, 2), (0xE040, 0xFCFC, 2)]
    return [*two, (0, 0xFF, 1)]


def _code_bytes(code: int) -> bytes:
    return code.to_bytes(2 if code > 0xFF else 1, "big")


def _decoded(data: bytes, codec: str) -> str:
    return data.decode(codec, "surrogatepass" if codec == "utf-16-be" else "ignore").lstrip("\0")


def _glyph_numbers(descendant: DictionaryObject) -> Callable[[int], int]:
    """From the numbers of characters to those of glyphs in the program."""
    table = _stream_data(entry(descendant, "/CIDToGIDMap"))
    return lambda cid: int.from_bytes(table[2 * cid : 2 * cid + 2], "big") if table else cid


def _program(font: DictionaryObject) -> FontProgram:
    """The program that a font embeds."""
    descriptor = entry(font, "/FontDescriptor")
    if not isinstance(descriptor, DictionaryObject):
        return NO_PROGRAM
    files = (entry(descriptor, name) for name in ("/FontFile2", "/FontFile3", "/FontFile"))
    return next((read_program(data) for file in files if (data := _stream_data(file))), NO_PROGRAM)


def _flags(font: DictionaryObject) -> int:
    descriptor = entry(font, "/FontDescriptor")
    flags = entry(descriptor, "/Flags") if isinstance(descriptor, DictionaryObject) else None
    return int(flags) if isinstance(flags, NumberObject) else 0


def _differences(values: Any) -> dict[int, str]:
    """Names of glyphs by code; a list is counted on from each number in it."""
    names: dict[int, str] = {}
    code = 0
    for value in values if isinstance(values, ArrayObject) else ():
        value = value.get_object()
        if isinstance(value, NumberObject):
            code = int(value)
        elif isinstance(value, NameObject) and 0 <= code <= 0xFF:
            names[code] = str(value)[1:]
            code += 1
    return names


def _best(told: Iterable[str]) -> str:
    """The first text that can be meant, else what is better than nothing."""
    private = ""
    for text in told:
        text = valid_unicode(text[:_LONGEST_TEXT])
        if "\ue000" <= text[:1] <= "\uf8ff":
            private = private or text
        elif text and UNKNOWN not in text:
            return text
    return private or UNKNOWN


def _map(data: bytes, as_numbers: bool = False) -> tuple[dict[int, str], Ranges]:
    """The texts or numbers of characters that a CMap gives codes, and the lengths of these."""
    texts: dict[int, str] = {}
    ranges: Ranges = []
    tokens: list[Any] = []  # since the last word

    def value(token: Any) -> str:
        if isinstance(token, int):
            return chr(token) if token < 0xD800 else ""
        if as_numbers or isinstance(token, str):
            return ""
        return (b"\0" * (len(token) % 2) + token).decode("utf-16-be", "surrogatepass")

    for match in _TOKEN.finditer(data[:_LARGEST_MAP]):
        digits, bracket, word, number = match.groups()
        if digits is not None:
            digits = b"".join(digits.split())
            tokens.append(bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode()))
        elif word is None:
            tokens.append(int(number[:9]) if number else bracket.decode())
        else:
            kind = word.decode("latin-1")
            if kind == "endcodespacerange":
                ends = [token for token in tokens if isinstance(token, bytes)]
                ranges += [
                    (_int(low), _int(high), len(low))
                    for low, high in zip(ends[::2], ends[1::2], strict=False)
                    if 0 < len(low) == len(high) <= 4
                ]
            elif kind in ("endbfchar", "endcidchar"):
                for code, text in zip(tokens[::2], tokens[1::2], strict=False):
                    texts[_int(code)] = value(text)
            elif kind in ("endbfrange", "endcidrange"):
                texts.update(islice(_entries(tokens, value), _MOST_ENTRIES))
            if len(texts) > _MOST_ENTRIES:
                break
            tokens = []
    return texts, sorted(ranges[:256], key=lambda each: each[2])


def _entries(tokens: list[Any], value: Callable[[Any], str]) -> Iterator[tuple[int, str]]:
    """The codes of ranges with their texts: each the next of the last, or one from a list."""
    at = 0
    while at + 2 < len(tokens):
        first, last, text = _int(tokens[at]), _int(tokens[at + 1]), tokens[at + 2]
        at += 3
        codes = range(first, min(last, first + 0xFFFF) + 1)
        if text == "[":
            end = at
            while end < len(tokens) and tokens[end] != "]":
                end += 1
            yield from zip(codes, map(value, tokens[at:end]), strict=False)
            at = end + 1
            continue
        start = value(text)
        if start:
            for code in codes:
                following = ord(start[-1]) + code - first
                yield code, start[:-1] + chr(following) if following < 0x110000 else UNKNOWN


def _int(token: Any) -> int:
    if isinstance(token, bytes):
        return int.from_bytes(token[:4], "big")
    return token if isinstance(token, int) else -1


def _stream_data(stream: Any) -> bytes:
    """The content of a stream; nothing if it is none, or damaged."""
    if not isinstance(stream, StreamObject):
        return b""
    try:
        return bytes(stream.get_data())
    except MemoryError:
        raise
    except Exception:
        return b""
