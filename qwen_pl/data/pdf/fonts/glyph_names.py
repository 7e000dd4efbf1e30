"""What the names of glyphs and the private codes of fonts of signs mean.

Sources: Adobe Glyph List Specification, https://github.com/adobe-type-tools/agl-specification;
the names of TeX's fonts are in the list that pypdf carries.
"""

import re
import unicodedata
from functools import lru_cache

from fontTools.agl import LEGACY_AGL2UV, toUnicode

_LONGEST_NAME = 200
_NUMBERED = re.compile(r"[A-Za-z]{1,2}\d+")  # "a12", "g3": a list of names cannot know these
_VARIANT = re.compile(r"(.+?)(?:small|oldstyle|superior|inferior|tabular)")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_FROM_WINDOWS = re.compile("[\uf020-\uf0ff]")  # a code of a font of signs, and 0xf000
_PIECES = dict(zip(range(0xF8E5, 0xF8FF), "‾⏐⎯®©™⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪⎮⎞⎟⎠⎤⎥⎦⎫⎬⎭", strict=True))
# Names of TeX's fonts that Adobe's list has not, with the signs.
_TEX = """
angbracketleft ⟨ angbracketright ⟩ floorleft ⌊ floorright ⌋ ceilingleft ⌈ ceilingright ⌉
vextendsingle ⏐ vextenddouble ‖ arrowsouthwest ↙ arrownortheast ↗ arrownorthwest ↖
arrowsoutheast ↘ mapsto ↦ follows ≻ precedesequal ≼ followsequal ≽ similarequal ≃ lessmuch ≪
greatermuch ≫ negationslash ⁄ owner ∋ turnstileleft ⊣ turnstileright ⊢ bardbl ‖ circledot ⊙
circleminus ⊖ circledivide ⊘ circlecopyrt © diamondmath ⋄ equivasymptotic ≍ unionmulti ⨄
unionsq ⊔ intersectionsq ⊓ subsetsqequal ⊑ supersetsqequal ⊒ wreathproduct ≀ coproduct ∐
arrowhookleft ↪ arrowhookright ↩ triangleleft ◁ triangleright ▷ trianglesolid ▲ star ⋆
lscript ℓ latticetop ⊤ prime ′ Rfractur ℜ Ifractur ℑ epsilon1 ϵ rho1 ϱ flat ♭ natural ♮
sharp ♯ slurbelow ⌣ slurabove ⌢ lessorequalslant ⩽ square □ squaresolid ■ check ✓
maltesecross ✠ intersectiondbl ⋒ uniondbl ⋓ visiblespace ␣ hyphenchar - dbar đ Germandbls ẞ
approxorequal ≊ forcesbar ⊪ satisfies ⊨ defines ≜ planckover2pi ℏ planckover2pi1 ℏ beth ℶ
daleth ℸ tildewide ~ hatwide ˆ arrowdblbothv ⇕ arrowbothv ↕ greaterorequalslant ⩾
arrowvertexdbl ‖ bracehtipdownleft ⏞ bracehtipdownright ⏞ bracehtipupleft ⏟ bracehtipupright ⏟
harpoonleftup ↼ harpoonleftdown ↽ harpoonrightup ⇀ harpoonrightdown ⇁ lessnotequal ⪇
greaternotequal ⪈ contintegral ∮ perthousandzero 0 asciigrave ` asciiacute ´ asciidieresis ¨
dotlessj ȷ tie ⁀ tildewidest ~ hatwidest ˆ
"""
_MORE = dict(zip(_TEX.split()[::2], _TEX.split()[1::2], strict=True))
_MORE |= {"visiblespace": "␣", "nonmarkingreturn": " ", "nbspace": " ", "cwm": "\u200b"}
# The sizes of brackets, roots and the like.
_SIZE = re.compile(r"(.+?)(?:big{1,2}|Big{1,2}|text|display)(?:tp|bt|mid|ex)?")
_WINGDINGS = {
    **{0x22: "✂", 0x28: "☎", 0x36: "⌛", 0x41: "✌", 0x46: "☞", 0x4A: "☺", 0x4C: "☹", 0x6C: "●"},
    **dict(zip(range(0x6E, 0x79), "■□▫❑❒⬧⧫◆❖⬥⌧", strict=True)),
    **{0x9E: "·", 0x9F: "•", 0xA0: "▪", 0xA1: "○", 0xA2: "○", 0xA7: "▪", 0xA8: "◻", 0xAB: "★"},
    **{0xD8: "➢", 0xDC: "➲", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "➔", 0xF0: "⇨"},
    **{0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑"},
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
    text = _plain(base, is_dingbat)
    if not text and (sized := _SIZE.fullmatch(base)):
        text = _plain(sized[1])
    if not text and not _NUMBERED.fullmatch(base):
        text = _rare_names().get(f"/{base}", "")
    if not text or _PRIVATE.search(text):
        variant = _VARIANT.fullmatch(base)
        text = toUnicode(variant[1]) if variant else ""
        if variant and base.endswith("small"):  # small capitals stand for small letters
            text = text.lower()
    return unicodedata.normalize("NFKC", text) if "\ufb00" <= text <= "\ufb06" else text


def _plain(name: str, is_dingbat: bool = False) -> str:
    return _MORE.get(name) or toUnicode(name, is_dingbat).translate(_PIECES)


@lru_cache
def _rare_names() -> dict[str, str]:
    """Some thousand names of other lists."""
    from pypdf._codecs.adobe_glyphs import adobe_glyphs  # a large import

    return adobe_glyphs


@lru_cache
def _named_signs() -> dict[str, str]:
    """The private codes that Adobe's list has for variants and pieces of characters."""
    names = ((name, chr(code)) for name, [code, *_] in LEGACY_AGL2UV.items())
    told = {s: text for n, s in names if _PRIVATE.match(s) and (text := glyph_text(n))}
    return told | {chr(code): piece for code, piece in _PIECES.items()}


def encoding(name: str) -> dict[int, str]:
    """One of the encodings that PDF knows by name (``/WinAnsiEncoding``); empty if there is none.

    >>> encoding("/WinAnsiEncoding")[0x93], encoding("/Symbol")[0x61]
    ('“', 'α')
    """
    from pypdf._codecs import charset_encoding  # a large import

    texts = charset_encoding.get(name, [])
    if name == "/Symbol":
        texts = [sign.translate(_PIECES) for sign in texts]
    return {code: text for code, text in enumerate(texts) if text >= " " != "\x7f"}


@lru_cache
def _symbol() -> dict[int, str]:
    return encoding("/Symbol")


def plain_signs(text: str, font: str) -> str:
    """A text with signs of private codes, as fonts of signs have them, as the signs they show.

    What is known of no private code stays as it is.

    >>> plain_signs("\\uf0b7", "Symbol"), plain_signs("\\uf0fc", "Wingdings-Regular")
    ('•', '✓')
    """
    if not _PRIVATE.search(text):
        return text
    text = _PRIVATE.sub(lambda sign: _named_signs().get(sign[0], sign[0]), text)
    name = font.lower()
    signs = _WINGDINGS if "wingding" in name else _symbol() if "symbol" in name else {}
    return _FROM_WINDOWS.sub(lambda sign: signs.get(ord(sign[0]) - 0xF000, sign[0]), text)
