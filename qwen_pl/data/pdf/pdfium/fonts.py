"""Characters that pdfium cannot tell, told by the programs of their fonts where these can."""

import ctypes
import hashlib
import re
from collections import Counter
from ctypes import c_int, c_size_t, c_uint, c_uint8, c_void_p
from typing import TYPE_CHECKING

import pypdfium2.raw as pdfium

from qwen_pl.data.pdf.open_file import UNKNOWN
from qwen_pl.data.pdf.pdfium.characters import with_addresses

if TYPE_CHECKING:
    from qwen_pl.data.pdf.fonts.programs import FontProgram

_LARGEST = 32 << 20  # bytes of a program
_MOST_PROGRAMS = 16  # that are kept
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
_ASKED_FIRST = re.compile(r"(?<!\S)\S(?!\S)|^\S", re.MULTILINE)
_LIGATURES = {"ff": "ﬀ", "fi": "ﬁ", "fl": "ﬂ", "ffi": "ﬃ", "ffl": "ﬄ"}
_TEX_FIRST = {"CMEX": "(", "CMSY": "−", "CMMI": "Γ", "CMR": "Γ", "CMB": "Γ", "CMT": "Γ"}
_MOST = 0.5  # of the characters of a font untold: then its codes are the numbers of its glyphs

_is_untold = with_addresses(pdfium.FPDFText_HasUnicodeMapError, c_int, c_int)
_code = with_addresses(pdfium.FPDFText_GetUnicode, c_uint, c_int)
_text_object = with_addresses(pdfium.FPDFText_GetTextObject, c_void_p, c_int)
_font_of = with_addresses(pdfium.FPDFTextObj_GetFont, c_void_p)

_programs: "dict[bytes, FontProgram]" = {}  # by the digest of their content, the last read last


def told_text(page: int, text: str) -> str:
    """The text of a page, one character for each of pdfium's, with those told that it cannot tell.

    What the font's program does not tell either becomes U+FFFD: pdfium gives the code in its place,
    as if that were text.

    To ask of every character takes a third of the time of a page. So first those are asked of that
    stand alone or begin a line.

    Args:
        page: The address of an ``FPDF_TEXTPAGE``.
    """
    first = (match.start() for match in _ASKED_FIRST.finditer(text))
    if not (_CONTROL.search(text) or any(_is_untold(page, index) == 1 for index in first)):
        return text
    untold = [
        index
        for index, character in enumerate(text)
        if character == "\0" or _is_untold(page, index) == 1
    ]
    fonts = {index: _font_of(_text_object(page, index)) for index in untold}
    programs = {font: _program(font) for font in set(fonts.values())}
    if any(program is not None and program.is_truetype for program in programs.values()):
        of_font = Counter(_font_of(_text_object(page, index)) for index in range(len(text)))
    else:
        of_font = Counter()
    untold_of_font = Counter(fonts.values())
    characters = list(text)
    for index, font in fonts.items():
        is_mostly_untold = untold_of_font[font] > _MOST * of_font[font]
        if text[index] == "\0":
            characters[index] = _first_of_tex(font)
        elif (program := programs[font]) is not None:
            characters[index] = _told(program, _code(page, index), is_mostly_untold)
    return "".join(characters)


def _told(program: "FontProgram", code: int, is_mostly_untold: bool) -> str:
    """One character; a program's own codes may have been given other letters by the PDF."""
    is_glyph = program.is_truetype and is_mostly_untold
    told = program.by_glyph.get(code) if is_glyph else program.by_code.get(code)
    told = _LIGATURES.get(told or UNKNOWN, told or UNKNOWN)
    return (
        told
        if len(told) == 1 and (is_glyph or not (told.isascii() and told.isalnum()))
        else UNKNOWN
    )


def _first_of_tex(font: int | None) -> str:
    """What TeX's fonts have at the code 0, which their programs in CFF do not tell."""
    name = ctypes.create_string_buffer(64)
    if font:
        pdfium.FPDFFont_GetBaseFontName(ctypes.cast(font, pdfium.FPDF_FONT), name, len(name))
    begin = name.value.rsplit(b"+", 1)[-1][:4].decode("latin-1")
    return _TEX_FIRST.get(begin, _TEX_FIRST.get(begin[:3], UNKNOWN))


def _program(address: int | None) -> "FontProgram | None":
    """The program that a font embeds; None for one of drawings (Type 3), whose codes are ASCII.

    In the place of one that is not embedded pdfium may have put another.
    """
    from qwen_pl.data.pdf.fonts.programs import NO_PROGRAM, read_program  # a large import

    size, font = c_size_t(), ctypes.cast(address or 0, pdfium.FPDF_FONT)
    if not font or pdfium.FPDFFont_GetIsEmbedded(font) != 1:
        return NO_PROGRAM
    if not pdfium.FPDFFont_GetFontData(font, None, 0, size) or not size.value:
        return None
    if size.value > _LARGEST:
        return NO_PROGRAM
    buffer = (c_uint8 * size.value)()
    if not pdfium.FPDFFont_GetFontData(font, buffer, size.value, size):
        return NO_PROGRAM
    data = bytes(buffer)
    digest = hashlib.sha256(data).digest()
    program = _programs.pop(digest, None) or read_program(data)
    _programs[digest] = program
    if len(_programs) > _MOST_PROGRAMS:
        del _programs[next(iter(_programs))]
    return program
