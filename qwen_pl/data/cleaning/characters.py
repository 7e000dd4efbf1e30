"""Puts single characters right: ligatures, spaces, invisible marks, accents."""

import re
import unicodedata

from qwen_pl.data.page.scripts import CHINESE_AND_MARKS

_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_SPACES = "\t\n\v\f\r\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_SPACES += "\u2028\u2029\u202f\u205f\u3000\x85\x1c\x1d\x1e\x1f"
# ZWJ and ZWNJ are not among them: Persian and the scripts of India need them.
_INVISIBLE = "\u200b\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_CONTROLS = [chr(i) for i in [*range(9), *range(14, 28), *range(128, 160)] if i != 0x85]
# The shapes of Arabic letters within words, and radicals that look like Chinese characters: some
# fonts name them instead of the letters and characters.
_ARABIC_SHAPES = [chr(i) for i in [*range(0xFB50, 0xFBC2), *range(0xFBD3, 0xFD3E)]]
_ARABIC_SHAPES += [chr(i) for i in [*range(0xFD50, 0xFDC8), *range(0xFE70, 0xFEFD)]]
_RADICALS = [chr(i) for i in [0x2E9F, 0x2EF3, *range(0x2F00, 0x2FD6)]]
_RARE_RADICALS = dict(
    zip(
        "⻑⺠⻘⻝⻩⻁⻋⻅⻆⻉⻓⻔⻚⻛⻜⻢⻥⻦⻨⻬⻮⻰⻤⻣⻯⻲",
        "長民青食黄虎车见角贝长门页风飞马鱼鸟麦齐齿龙鬼骨竜亀",
        strict=True,
    )
)
_TABLE = str.maketrans(
    {
        **_LIGATURES,
        **dict.fromkeys(_SPACES, " "),
        **dict.fromkeys(_INVISIBLE, ""),
        **dict.fromkeys(_CONTROLS, ""),
        "\x7f": "•",  # what PDF's encoding of Windows characters has at the codes left free
        **_RARE_RADICALS,
        **{c: unicodedata.normalize("NFKC", c) for c in _ARABIC_SHAPES + _RADICALS},
    }
)

_CHINESE = f"[{CHINESE_AND_MARKS}]"
_LETTERSPACE = re.compile(f"(?<={_CHINESE}) (?={_CHINESE})")
_CHINESE_PAIR = re.compile(f"{_CHINESE}(?= ?{_CHINESE})")
_LETTERSPACED = 0.25  # of the pairs of Chinese characters on a line have a space between them
_FEWEST_LETTERSPACES = 3

_COMBINING = "\u0301\u0300\u0308\u0302\u0303\u030b\u030c\u0306\u0304\u030a\u0307"
_ACCENTS = dict(zip("´`¨ˆ˜˝ˇ˘¯˚˙", _COMBINING, strict=True))
# A ` only inside a word: before one it is a quotation mark.
_LOOSE_ACCENT = re.compile(r"([´¨ˆ˜˝ˇ˘¯˚˙]|(?<=[^\W\d_])`) ?([^\W\d_])")


def fix_characters(line: str) -> str:
    """One line of text with every character the one that was meant, in Unicode's form NFC.

    Letters are never removed, but shapes of Arabic letters become the letters, and radicals
    Chinese characters. Removed are characters that cannot be seen, and spaces that only stretch a
    line of Chinese or Japanese.

    NFKC would go too far: it makes "x2" of "x²" and loses the full-width forms of Chinese.

    >>> fix_characters("a ﬁne\\xa0 sz¨uletett day")
    'a fine született day'
    """
    if line.isascii() and line.isprintable() and "`" not in line:
        return re.sub(" {2,}", " ", line).strip()
    line = unicodedata.normalize("NFC", line.translate(_TABLE))
    line = _LOOSE_ACCENT.sub(_compose, line)
    line = re.sub(" {2,}", " ", line).strip()
    line = re.sub("(?<=[“„]) (?=[‘‚])|(?<=’) (?=”)|(?<=[‘‚]) (?=[“„])|(?<=”) (?=’)", "", line)
    line = re.sub(" +(?=[\u0591-\u05c7\u064b-\u065f\u0670])", "", line)  # vowel signs
    line = _close_up(line)
    line = line.replace("c©", "©")  # TeX draws the sign as a letter in a circle
    return re.sub("\u00ad(?!$)", "", line)  # at the line's end a soft hyphen breaks a word


def _close_up(line: str) -> str:
    """A line of Chinese or Japanese without the spaces that stretch it to its column."""
    spaces = len(_LETTERSPACE.findall(line))
    if spaces < _FEWEST_LETTERSPACES:
        return line
    is_stretched = spaces > _LETTERSPACED * len(_CHINESE_PAIR.findall(line))
    return _LETTERSPACE.sub("", line) if is_stretched else line


def _compose(match: re.Match[str]) -> str:
    """TeX's older fonts set an accent as a glyph of its own before its letter."""
    accent, letter = match.groups()
    composed = unicodedata.normalize("NFC", letter.replace("ı", "i") + _ACCENTS[accent])
    return composed if len(composed) == 1 else match[0]
