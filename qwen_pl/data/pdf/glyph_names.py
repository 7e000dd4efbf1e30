"""What the names of glyphs and the private codes of fonts of signs mean.

Sources: Adobe Glyph List Specification, https://github.com/adobe-type-tools/agl-specification;
the names of TeX's fonts are in the list that pypdf carries.
"""

import re
import unicodedata
from functools import lru_cache

from fontTools.agl import toUnicode
from pypdf._codecs import charset_encoding
from pypdf._codecs.adobe_glyphs import adobe_glyphs

_LONGEST_NAME = 200
_NUMBERED = re.compile(r"[A-Za-z]{1,2}\d+")  # "a12", "g3": a list of names cannot know these
_VARIANT = re.compile(r"(.+?)(?:small|oldstyle|superior|inferior|tabular)")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_FROM_WINDOWS = re.compile("[\uf020-\uf0ff]")  # a code of a font of signs, and 0xf000
_PIECES = dict(zip(range(0xF8E5, 0xF8FF), "‾⏐⎯®©™⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪⎮⎞⎟⎠⎤⎥⎦⎫⎬⎭", strict=True))
_MORE = {
    "asciigrave": "`",
    "asciiacute": "´",
    "asciidieresis": "¨",
    "dotlessj": "ȷ",
    "greaterorequalslant": "⩾",
    "nonmarkingreturn": " ",
    "nbspace": " ",
}
_WINGDINGS = {
    **{0x22: "✂", 0x28: "☎", 0x36: "⌛", 0x41: "✌", 0x46: "☞", 0x4A: "☺", 0x4C: "☹", 0x6C: "●"},
    **dict(zip(range(0x6E, 0x79), "■□▫❑❒⬧⧫◆❖⬥⌧", strict=True)),
    **{0x9E: "·", 0x9F: "•", 0xA0: "▪", 0xA1: "○", 0xA2: "○", 0xA7: "▪", 0xA8: "◻", 0xAB: "★"},
    **{0xD8: "➢", 0xDC: "➲", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "➔", 0xF0: "⇨"},
    **{0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑"},
}
_SYMBOL = {
    code: sign.translate(_PIECES)
    for code, sign in enumerate(charset_encoding["/Symbol"])
    if code >= 0x20 and sign > "\x1f"
}


@lru_cache(maxsize=4096)
def glyph_text(name: str, is_dingbat: bool = False) -> str:
    """The text that a glyph of this name shows; empty where the name does not tell.

    >>> glyph_text("T_h"), glyph_text("uni0066006A"), glyph_text("one.oldstyle8")
    ('Th', 'fj', '1')
    >>> glyph_text("greaterorequalslant"), glyph_text("parenlefttp"), glyph_text("g123")
    ('⩾', '⎛', '')
    """
    base = name[:_LONGEST_NAME].split(".", 1)[0]
    text = _MORE.get(base) or toUnicode(base, is_dingbat).translate(_PIECES)
    if not text and not _NUMBERED.fullmatch(base):
        text = adobe_glyphs.get(f"/{base}", "")
    if not text or _PRIVATE.search(text):
        variant = _VARIANT.fullmatch(base)
        text = toUnicode(variant[1]) if variant else ""
        if variant and base.endswith("small"):  # small capitals stand for small letters
            text = text.lower()
    return unicodedata.normalize("NFKC", text) if "\ufb00" <= text <= "\ufb06" else text


@lru_cache
def _named_signs() -> dict[str, str]:
    """The private codes that Adobe's list has for variants and pieces of characters."""
    names = ((name[1:], sign) for name, sign in adobe_glyphs.items() if _PRIVATE.fullmatch(sign))
    told = {sign: text for name, sign in names if (text := glyph_text(name))}
    return told | {chr(code): piece for code, piece in _PIECES.items()}


def encoding(name: str) -> dict[int, str]:
    """One of the encodings that PDF knows by name (``/WinAnsiEncoding``); empty if there is none.

    >>> encoding("/WinAnsiEncoding")[0x93], encoding("/Symbol")[0x61]
    ('“', 'α')
    """
    if name == "/Symbol":
        return dict(_SYMBOL)
    texts = charset_encoding.get(name, [])
    return {code: text for code, text in enumerate(texts) if text >= " " != "\x7f"}


def plain_signs(text: str, font: str) -> str:
    """A text with signs of private codes, as fonts of signs have them, as the signs they show.

    What is known of no private code stays as it is.

    >>> plain_signs("\\uf0b7", "Symbol"), plain_signs("\\uf0fc", "Wingdings-Regular")
    ('•', '✓')
    """
    if not _PRIVATE.search(text):
        return text
    text = text.translate(_PIECES)
    signs = (
        _WINGDINGS if "wingding" in font.lower() else _SYMBOL if "symbol" in font.lower() else {}
    )
    return _FROM_WINDOWS.sub(lambda sign: signs.get(ord(sign[0]) - 0xF000, sign[0]), text)
