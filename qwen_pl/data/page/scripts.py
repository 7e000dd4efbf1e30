"""What sets scripts apart: some run from right to left, some have no spaces between words."""

import re
import unicodedata

UNSPACED_CHINESE = r"\u3040-\u30ff\u3400-\u9fff"
"""Kana and Chinese characters; like all of these for use within ``[]`` of a regular expression."""
UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff" + UNSPACED_CHINESE
"""Letters of all scripts written without spaces: Thai, Lao, Burmese and Khmer too.

Korean is not among them: Hangul has spaces between words.
"""
CHINESE_AND_MARKS = r"\u2e80-\u312f\u3190-\u9fff\uf900-\ufaff\uff00-\uffef"
"""Kana and Chinese characters with their rarer forms, their punctuation and full-width signs."""
UNSPACED_AND_MARKS = UNSPACED + CHINESE_AND_MARKS + "\U00020000-\U0003ffff"
"""All that stands beside a line's end in such a script."""

COMBINING = "".join(
    chr(code) for code in range(0x300, 0x1100) if unicodedata.category(chr(code))[0] == "M"
)
"""Accents, vowel signs and the like, of Latin to Burmese: each belongs to the letter before."""
HANGUL = r"\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"

_RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_LETTER = re.compile(f"[{_RIGHT_TO_LEFT}]")
_DIGIT = r"0-9\u0660-\u0669\u06f0-\u06f9"
_MARK = rf"[^\w{_RIGHT_TO_LEFT}]"
_FROM_RIGHT = rf"(?![{_DIGIT}])[{_RIGHT_TO_LEFT}]"
_FROM_LEFT = rf"(?:[{_DIGIT}]|(?![{_RIGHT_TO_LEFT}])\w)"
_PART_FROM_RIGHT = re.compile(f"{_FROM_RIGHT}(?:{_MARK}*(?:{_FROM_RIGHT}|[{_DIGIT}]))*")
_PART_FROM_LEFT = re.compile(f"{_FROM_LEFT}(?:{_MARK}*{_FROM_LEFT})*")
_MIRRORED = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")


def has_right_to_left(text: str) -> bool:
    """Whether a text has letters that are written from right to left."""
    return not text.isascii() and bool(_LETTER.search(text))


def is_right_to_left(text: str) -> bool:
    """Whether more letters are written from right to left than from left to right."""
    if text.isascii():
        return False
    from_right = len(_LETTER.findall(text))
    return 2 * from_right > sum(map(str.isalpha, text)) if from_right else False


def in_reading_order(text: str) -> str:
    """A line whose letters are given as they stand, from left to right.

    What is written from right to left is turned, with its brackets; numbers, also Arabic ones, are
    written from left to right.

    >>> in_reading_order("\u05d2\u05d1\u05d0 PDF \u05d5\u05d4\u05d3")
    '\u05d3\u05d4\u05d5 PDF \u05d0\u05d1\u05d2'
    """
    if not has_right_to_left(text):
        return text
    if not is_right_to_left(text):
        return _PART_FROM_RIGHT.sub(lambda part: _turned(part[0]), text)
    return _turned(text)


def _turned(text: str) -> str:
    turned = text[::-1].translate(_MIRRORED)
    return _PART_FROM_LEFT.sub(lambda part: part[0][::-1].translate(_MIRRORED), turned)
