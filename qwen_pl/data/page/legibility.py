"""Signs that a text is not what its page shows: lost spaces, characters no font explains."""

import re
import unicodedata

from qwen_pl.data.page.scripts import UNSPACED

MAYBE_GLUED = 0.02
"""Glued ratio of a document above which another reader is worth its time: in order it is near 0."""
SURELY_GLUED = 0.05
"""Glued ratio above which a document or page is reported: long chemical names or addresses come
near it, and a false alarm costs a person's look."""

_BROKEN = re.compile(r"\(cid:\d+\)|/(?:g|G|glyph|uni)\d+")
_WORD = re.compile(r"[^\W\d_]+")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_LONGEST_WORD = 24
_FEWEST_LETTERS = 200


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

    Words of scripts that are written without spaces do not count, and fewer than 200 letters say
    nothing.
    """
    words = [word for word in _WORD.findall(text) if not _UNSPACED.search(word)]
    letters = sum(map(len, words))
    if letters < _FEWEST_LETTERS:
        return 0.0
    return sum(len(word) for word in words if len(word) > _LONGEST_WORD) / letters
