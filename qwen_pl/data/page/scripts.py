"""What sets scripts apart: some run from right to left, some have no spaces between words."""

import re
from collections.abc import Sequence
from itertools import groupby, pairwise

UNSPACED_CHINESE = r"\u3040-\u30ff\u3400-\u9fff"
"""Kana and Chinese characters; like all of these for use within ``[]`` of a regular expression."""
UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff" + UNSPACED_CHINESE
"""Letters of all scripts written without spaces: Thai, Lao, Burmese and Khmer too.

Korean is not among them: Hangul has spaces between words.
"""
CHINESE_AND_MARKS = r"\u2e80-\u312f\u3190-\u9fff\uf900-\ufaff\uff00-\uffef"
"""Kana and Chinese characters with their rarer forms, their punctuation and full-width signs."""
UNSPACED_AND_MARKS = UNSPACED + CHINESE_AND_MARKS
"""All that stands beside a line's end in such a script."""

_LETTER = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_DIGIT = "[\u0660-\u0669\u06f0-\u06f9]"
_NUMBER = re.compile(f"{_DIGIT}([.,/:\u066a-\u066c]?{_DIGIT})+")
_MIRRORED = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")


def is_right_to_left(text: str) -> bool:
    """Whether more letters are written from right to left than from left to right."""
    if text.isascii():
        return False
    from_right = len(_LETTER.findall(text))
    return 2 * from_right > sum(map(str.isalpha, text)) if from_right else False


def in_reading_order(runs: Sequence[str]) -> str:
    """One line from runs that stand on the page from left to right, each in one direction.

    pypdf turns the letters within a run from right to left, but not the order of the runs, nor the
    brackets, nor Arabic numbers, which are written from left to right.

    >>> in_reading_order(["\u05d3\u05d4\u05d5", " PDF ", "\u05d0\u05d1\u05d2"])
    '\u05d0\u05d1\u05d2 PDF \u05d3\u05d4\u05d5'
    """
    if not is_right_to_left("".join(runs)):
        return "".join(map(_turned, runs))
    # Neighbours without letters from right to left belong together.
    groups: list[str] = []
    for is_turned, alike in groupby(filter(None, runs), lambda run: bool(_LETTER.search(run))):
        together = list(alike)
        groups += together if is_turned else ["".join(together)]
    line = _turned(groups[-1]).strip()
    for left, right in pairwise(reversed(groups)):  # in the order of reading
        separator = " " if _has_space_on_left(left) or _has_space_on_right(right) else ""
        line += separator + _turned(right).strip()
    return line


def _turned(run: str) -> str:
    if not _LETTER.search(run):
        return run
    return _NUMBER.sub(lambda number: number[0][::-1], run).translate(_MIRRORED)


def _has_space_on_left(run: str) -> bool:
    return run[-1].isspace() if _LETTER.search(run) else run[0].isspace()


def _has_space_on_right(run: str) -> bool:
    return run[0].isspace() if _LETTER.search(run) else run[-1].isspace()
