"""Puts characters right: TeX's codes, ligatures, spaces, invisible marks, accents."""

import re
import unicodedata
from itertools import pairwise

from qwen_pl.data.page.line import Line, Page
from qwen_pl.data.page.scripts import CHINESE_AND_MARKS, COMBINING

_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_SPACES = "\t\n\v\f\r\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_SPACES += "\u2028\u2029\u202f\u205f\u3000\x85\x1c\x1d\x1e\x1f"
# ZWJ and ZWNJ are not among them: Persian and the scripts of India need them.
_INVISIBLE = "\u200b\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_CONTROLS = [chr(i) for i in [*range(9), *range(14, 28), 0x81, 0x8D, 0x8F, 0x90, 0x9D]]
# Codes of Windows that stand where Unicode has controls.
_OF_WINDOWS = {
    chr(i): bytes([i]).decode("cp1252", "ignore") for i in range(0x80, 0xA0) if i != 0x85
}
# The shapes of Arabic letters within words, and radicals that look like Chinese characters: some
# fonts name them instead of the letters and characters.
_ARABIC_SHAPES = [chr(i) for i in [*range(0xFB50, 0xFBC2), *range(0xFBD3, 0xFD3E)]]
_ARABIC_SHAPES += [chr(i) for i in [*range(0xFD50, 0xFDC8), *range(0xFDF0, 0xFDFC)]]
_ARABIC_SHAPES += [chr(i) for i in range(0xFE70, 0xFEFD)]
_ARABIC_SHAPES += [chr(i) for i in range(0xFB20, 0xFB2A)]  # wide Hebrew letters
_RADICALS = [chr(i) for i in [0x2E9F, 0x2EF3, *range(0x2F00, 0x2FD6)]]
_RARE_RADICALS = "⻑⺠⻘⻝⻩⻁⻋⻅⻆⻉⻓⻔⻚⻛⻜⻢⻥⻦⻨⻬⻮⻰⻤⻣⻯⻲"
_THEIR_CHARACTERS = "長民青食黄虎车见角贝长门页风飞马鱼鸟麦齐齿龙鬼骨竜亀"
_PIECES = "‾⏐⎯®©™⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪⎮⎞⎟⎠⎤⎥⎦⎫⎬⎭"  # of brackets, as Adobe's Symbol font had them
_TABLE = str.maketrans(
    {
        **_LIGATURES,
        **dict.fromkeys(_SPACES, " "),
        **dict.fromkeys(_INVISIBLE, ""),
        **_OF_WINDOWS,
        **dict.fromkeys(_CONTROLS, ""),
        **{chr(code): piece for code, piece in enumerate(_PIECES, start=0xF8E5)},
        "\x7f": "•",  # what PDF's encoding of Windows characters has at the codes left free
        **dict(zip(_RARE_RADICALS, _THEIR_CHARACTERS, strict=True)),
        **{c: unicodedata.normalize("NFKC", c) for c in _ARABIC_SHAPES + _RADICALS},
    }
)
_CODE_TABLE = str.maketrans({**dict.fromkeys(_SPACES, " "), **dict.fromkeys(_CONTROLS, "")})

_CHINESE = f"[{CHINESE_AND_MARKS}]"
_LETTERSPACE = re.compile(f"(?<={_CHINESE}) (?={_CHINESE})")
_CHINESE_PAIR = re.compile(f"{_CHINESE}(?= ?{_CHINESE})")
_LETTERSPACED = 0.25  # of the pairs of Chinese characters on a line have a space between them
_FEWEST_LETTERSPACES = 3

_HEBREW = "\u0590"
# Accents of Latin letters are not among them: some fonts show them before their letters.
_BEFORE_MARK = re.compile(f" +(?=[{''.join(mark for mark in COMBINING if mark > _HEBREW)}])")
_MOST_MARKS = 30  # on one letter
_MAYBE_MANY_MARKS = re.compile(rf"[^\w\s\x00-\x7f]{{{_MOST_MARKS}}}")
_COMBINING = "\u0301\u0300\u0308\u0302\u0303\u030b\u030c\u0306\u0304\u030a\u0307"
_ACCENTS = dict(zip("´`¨ˆ˜˝ˇ˘¯˚˙", _COMBINING, strict=True))
# A ` only inside a word: before one it is a quotation mark.
_LOOSE_ACCENT = re.compile(r"([´¨ˆ˜˝ˇ˘¯˚˙]|(?<=[^\W\d_])`) ?([^\W\d_])")

# Of Devanagari, Bengali, Gurmukhi, Gujarati, Oriya, Tamil, Malayalam and Sinhala.
_SIGNS_BEFORE = "\u093f\u09bf\u09c7\u09c8\u0a3f\u0abf\u0b47\u0bc6-\u0bc8\u0d46-\u0d48\u0dd9-\u0ddb"
_CONSONANT = "[\u0915-\u0939\u0958-\u095f\u0995-\u09b9\u09dc-\u09df\u0a15-\u0a39\u0a95-\u0ab9"
_CONSONANT += (
    "\u0b15-\u0b39\u0b95-\u0bb9\u0d15-\u0d39\u0d9a-\u0dc6][\u093c\u09bc\u0a3c\u0abc\u0b3c]?"
)
_JOINED = (
    "[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0d4d\u0dca]\u200d?"  # by a sign that takes the vowel away
)
_SEEN_BEFORE = re.compile(f"[{_SIGNS_BEFORE}]")
_BEGINS_WORD = re.compile(rf"(?:^|(?<=[\s(“‘\"'«-]))[{_SIGNS_BEFORE}]")
_BEFORE_CONSONANT = re.compile(f"([{_SIGNS_BEFORE}])({_CONSONANT}(?:{_JOINED}{_CONSONANT})*)")
_BEGINNING_SHARE = 0.05

_T1 = {
    **dict(zip(range(0x00, 0x0D), "`´ˆ˜¨˝˚ˇ˘¯˙¸˛", strict=True)),
    **dict(zip(range(0x0D, 0x1B), "‚‹›“”„«»–—\u200b₀ıȷ", strict=True)),
    **dict(zip(range(0x1B, 0x20), ("ff", "fi", "fl", "ffi", "ffl"), strict=True)),
    **{0x27: "’", 0x60: "‘", 0x7F: "-"},
    **dict(zip(range(0x80, 0xA0), "ĂĄĆČĎĚĘĞĹĽŁŃŇŊŐŔŘŚŠŞŤŢŰŮŸŹŽŻĲİđ§", strict=True)),
}
_T1_BEYOND_ASCII = {
    **dict(zip(range(0xA0, 0xC0), "ăąćčďěęğĺľłńňŋőŕřśšşťţűůÿźžżĳ¡¿£", strict=True)),
    **{0xD7: "Œ", 0xDF: "SS", 0xF7: "œ", 0xFF: "ß"},
    **{ord(digit): digit for digit in "¹²³"},  # the readers make these of the marks of notes
}
_OT1 = {
    **dict(zip(range(0x0B, 0x10), ("ff", "fi", "fl", "ffi", "ffl"), strict=True)),
    **dict(zip(range(0x10, 0x20), "ıȷ`´ˇ˘¯˚¸ßæœøÆŒØ", strict=True)),
    **{0x27: "’", 0x60: "‘", 0x7F: "¨"},
}
_OT1_IN_PLACE_OF_ASCII = {0x22: "”", 0x5C: "“", 0x7B: "–", 0x7C: "—", 0x7D: "˝", 0x7E: "˜"}

_T1_SEEN = re.compile(r"\x10(?=\w)|(?<=\S)\x11|(?<=\w)[\x15\x16]|[\x1b-\x1f](?=[a-z])")
_OT1_SEEN = re.compile(r"[\x0b-\x0f](?=[a-z])|(?<=[a-z])[\x0b-\x0f]")
_IN_WORD = re.compile(r"[a-z][\x0b-\x0f\x1b-\x1e][a-z]")  # one is enough
_FEWEST_CODES = 3
_MOST_OTHERS = 0.1  # of the characters of such lines, which may be of other fonts


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
    if not line:  # as many lines of a text file are
        return line
    line = _composed(line.translate(_TABLE))
    line = _LOOSE_ACCENT.sub(_compose, line)
    line = re.sub(" {2,}", " ", line).strip()
    line = re.sub("(?<=[“„]) (?=[‘‚])|(?<=’) (?=”)|(?<=[‘‚]) (?=[“„])|(?<=”) (?=’)", "", line)
    line = _BEFORE_MARK.sub("", line)
    line = _close_up(line)
    line = line.replace("c©", "©")  # TeX draws the sign as a letter in a circle
    return re.sub("\u00ad(?!$)", "", line)  # at the line's end a soft hyphen breaks a word


def on_one_line(text: str) -> str:
    """What is done with a line whose characters are to stay."""
    return " ".join(text.splitlines()).strip()


def fix_code(line: str) -> str:
    """One line of code as it is: with its quotes, accents and runs of spaces.

    >>> fix_code("a\\xa0=  ´b´")
    'a =  ´b´'
    """
    return line.translate(_CODE_TABLE).strip()


def _composed(line: str) -> str:
    """A line in NFC; more marks on one letter than any script needs are put in order in groups.

    Python sorts them in a time that grows with the square of their number.
    Source: Unicode Standard Annex 15, the Stream-Safe Text Format.
    """
    if line.isascii():
        return line
    ends, marks = [0], 0
    if _MAYBE_MANY_MARKS.search(line):
        for index, character in enumerate(line, start=1):
            marks = marks + 1 if unicodedata.category(character)[0] == "M" else 0
            if marks == _MOST_MARKS:
                ends.append(index)
                marks = 0
    parts = pairwise([*ends, len(line)])
    return "".join(unicodedata.normalize("NFC", line[start:end]) for start, end in parts)


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


def in_logical_order(pages: list[Page]) -> list[Page]:
    """Vowel signs that stand before their consonant in print, behind it, as Unicode has them.

    Some fonts of the scripts of India tell glyphs in the order in which they are seen. Then vowel
    signs begin words, as they never do otherwise.

    >>> from qwen_pl.data.page.line import Line
    >>> [[line]] = in_logical_order([[Line("िहन्दी िकसान", 0, 0, 9)]])
    >>> line.text
    'हिन्दी किसान'
    """
    lines = [line.text for page in pages for line in page if not line.text.isascii()]
    seen = sum(len(_SEEN_BEFORE.findall(text)) for text in lines)
    begin_words = sum(len(_BEGINS_WORD.findall(text)) for text in lines) if seen else 0
    if begin_words < max(1, _BEGINNING_SHARE * seen):
        return pages

    def turned(line: Line) -> Line:
        return line._replace(text=_BEFORE_CONSONANT.sub(r"\2\1", line.text))

    return [[turned(line) for line in page] for page in pages]


def read_tex_codes(pages: list[Page]) -> list[Page]:
    """Reads codes of TeX's bitmap fonts, which have no map to Unicode, as what they show.

    Without outlines of a font, TeX draws its letters as a Type 3 font, and readers can but take the
    codes for characters: "\\x10five\\x11" for “five” with the fi a single sign. Letters and digits
    come out right, since both of TeX's encodings have them where ASCII has them.

    Only lines as large as those that need it change; other documents, in which no such codes stand
    beside letters, are returned as they are.

    Source: F. Mittelbach et al., "LaTeX font encodings" (encguide), the tables of OT1 and T1.
    """
    lines = [line for page in pages for line in page]
    texts = [line.text for line in lines]
    t1, ot1 = ([len(seen.findall(text)) for text in texts] for seen in (_T1_SEEN, _OT1_SEEN))
    if max(sum(t1), sum(ot1)) < _FEWEST_CODES and not any(map(_IN_WORD.search, texts)):
        return pages
    seen = t1 if sum(t1) > sum(ot1) else ot1
    sizes = {round(line.size) for line, found in zip(lines, seen, strict=True) if found}
    of_these = "\n".join(line.text for line in lines if round(line.size) in sizes)
    if sum(ord(character) > 0xFF for character in of_these) > _MOST_OTHERS * len(of_these):
        return pages  # its letters have a map to Unicode
    table = _t1_table(of_these) if seen is t1 else _ot1_table(of_these)

    def read(line: Line) -> Line:
        is_coded = round(line.size) in sizes
        return line._replace(text=line.text.translate(table)) if is_coded else line

    return [[read(line) for line in page] for page in pages]


def _t1_table(text: str) -> dict[int, str]:
    """T1 as a table; letters beyond ASCII only if no other font shows letters of its own."""
    is_all_codes = all(ord(character) < 0x100 for character in set(text) - set("⁰⁴⁵⁶⁷⁸⁹"))
    return _T1 | _T1_BEYOND_ASCII if is_all_codes else _T1


def _ot1_table(text: str) -> dict[int, str]:
    r"""OT1 as a table; ``\`` and ``"`` are quotation marks if they come in pairs."""
    opening, closing = text.count("\\"), text.count('"')
    are_quotes = opening and opening / 2 < closing < 2 * opening
    return _OT1 | _OT1_IN_PLACE_OF_ASCII if are_quotes else _OT1
