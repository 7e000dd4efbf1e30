"""Signs that a text is not what its page shows: lost spaces, characters no font explains."""

import re
import unicodedata

_BROKEN = re.compile(r"\(cid:\d+\)|/(?:g|G|glyph|uni)\d+")


_WORD = re.compile(r"[^\W\d_]+")


# Thai, Lao, Burmese and Khmer, kana, Chinese characters and Hangul run on without spaces.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)


_LONGEST_WORD = 24


def garbage_ratio(text: str) -> float:
    """Share of the characters that are placeholders for what a font's map did not tell."""
    characters = "".join(text.split())
    if not characters:
        return 0.0
    broken = sum(len(name) for name in _BROKEN.findall(characters))
    broken += sum(c == "\ufffd" or unicodedata.category(c) in ("Co", "Cn") for c in characters)
    return broken / len(characters)


def glued_ratio(text: str) -> float:
    """Share of the letters that stand in words of more than 24 letters: a sign of lost spaces.

    It is near 0 for text in order and above 0.02 where spaces were lost. Scripts that are written
    without spaces do not count, and fewer than 200 letters say nothing.
    """
    words = [word for word in _WORD.findall(text) if not _UNSPACED.search(word)]
    letters = sum(map(len, words))
    if letters < 200:
        return 0.0
    return sum(len(word) for word in words if len(word) > _LONGEST_WORD) / letters
