"""Finds formulas that stand on lines of their own."""

import re
from collections.abc import Sequence
from enum import Enum
from itertools import groupby

from qwen_pl.data.layout.measures import usual_leading, usual_size
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import LaidPage, Row, end_of
from qwen_pl.data.page.fonts import is_mathematical
from qwen_pl.data.page.line import LineIndex

_NUMBER = re.compile(r"\(\s?[A-Z]?\.?\d{1,3}([.\-–]\d{1,3}){0,2}\s?[a-z*′]?\s?\)")
_SIGN = re.compile(
    "[=<>+∗×·±∓÷√∑∏∫∮∂∇∞∈∉∋⊂⊃⊆⊇∪∩∀∃∄∅∧∨¬→←↔⇒⇐⇔↦≈≃≅≡≠≤≥⩽⩾≪≫∼∝⊗⊕⊥∥⟨⟩‖∆−′″⎛-⎳|"
    "\u0391-\u03a9\u03b1-\u03c9\u2100-\u214f\U0001d400-\U0001d7ff]"
)
_WORD = re.compile(r"[^\W\d_²³¹⁰-⁹₀-₉]{3,}(?![\w(])")
_FUNCTIONS = frozenset(
    """sin cos tan cot sinh cosh tanh arcsin arccos arctan exp log lim inf sup min max arg det dim
    ker mod gcd deg rank diag sgn sign grad div curl var cov argmin argmax otherwise if""".split()  # noqa: SIM905
)
_ITEM = re.compile(r"[•‣◦▪–—*-]\s|[(\[]?(\d{1,3}|[a-z]|[ivx]{1,4})[.)\]]\s+\w")
_MOST_WORDS = 0.34  # of the letters of a formula are in words,
_MOST_WORDS_OF_NUMBERED = 0.7
_FEWEST_SIGNS = 0.12  # for each letter
_SET_IN = 1.0  # sizes
_SHRED = 5  # letters
_SMALL = 0.9  # of the usual size
_NEXT_LINE = 1.15  # times the leading: no farther is the next line of a paragraph
_APART = 1.25  # times the leading: so far from the text is a formula at its margin
_BAND = 0.95  # of the size: signs that are no higher or lower belong to a line


class _Part(Enum):
    """What a row may be of."""

    TEXT = "a line of prose"
    FORMULA = "a line of a formula"
    SHRED = "a limit, a large sign, or a part of a fraction"


def find_formulas(pages: Sequence[LaidPage]) -> dict[LineIndex, int]:
    """For each row of a formula the number of the formula.

    A formula is what stands between two lines of prose and has signs and few words. One of its
    lines is set in, numbered at its end, or apart from the prose; else it is a line of a paragraph.
    Its limits and the parts of its fractions are rows of their own between the same lines.
    """
    size = usual_size(page.rows for page in pages)
    leading = usual_leading((page.rows for page in pages), size)
    found: dict[LineIndex, int] = {}
    number = 0
    for page, laid in enumerate(pages):
        rows = laid.rows
        parts = [_part(row, size) for row in rows]
        _give_back_to_text(rows, parts, leading)
        for is_text, run in groupby(enumerate(parts), lambda each: each[1] is _Part.TEXT):
            own = [] if is_text else [index for index, _ in run]
            if own and _is_display(rows, parts, own, leading):
                number += 1
                found.update(((page, index), number) for index in own)
    return found


def _part(row: Row, size: float) -> _Part:
    if row.role is not Role.PROSE or not row.size or row.right <= row.left:
        return _Part.TEXT
    numbered = _is_numbered(row)
    text = " ".join(piece.text for piece in row.pieces[: -1 if numbered else None])
    if _ITEM.match(text) is not None:
        return _Part.TEXT
    letters = sum(map(str.isalnum, text))
    words = sum(len(w) for w in _WORD.findall(text) if w.casefold() not in _FUNCTIONS)
    signs = len(_SIGN.findall(text)) + sum(is_mathematical(piece.font) for piece in row.pieces)
    is_small = row.size < _SMALL * size or all(is_mathematical(p.font) for p in row.pieces)
    is_set_in = row.x > row.left + _SET_IN * row.size
    if letters <= _SHRED and not words and (is_small or (is_set_in and not signs)):
        return _Part.SHRED
    if numbered:
        is_formula = signs > 0 and words <= _MOST_WORDS_OF_NUMBERED * letters
    else:
        is_formula = signs >= max(1, _FEWEST_SIGNS * letters) and words <= _MOST_WORDS * letters
    return _Part.FORMULA if is_formula else _Part.TEXT


def is_equation_number(text: str) -> bool:
    """Whether a text is the number of an equation, as ``(2.19)``."""
    return _NUMBER.fullmatch(text) is not None


def _is_numbered(row: Row) -> bool:
    """Whether a row ends with the number of an equation at the end of its column."""
    is_number = len(row.pieces) > 1 and is_equation_number(row.pieces[-1].text)
    return is_number and end_of(row) > row.right - row.size


def _give_back_to_text(rows: Sequence[Row], parts: list[_Part], leading: float) -> None:
    """Lets rows be of the prose that go on with a line of it, or are signs within one."""
    forward = range(1, len(rows))
    for order, step in ((forward, -1), (reversed(range(len(rows) - 1)), 1)):
        for index in order:
            if parts[index] is _Part.TEXT or parts[index + step] is not _Part.TEXT:
                continue
            row, line = rows[index], rows[index + step]
            drop = abs(line.y - row.y)
            if line.role is not Role.PROSE or _is_numbered(row):
                continue
            is_hanging = step < 0 < row.x - line.x < 3 * row.size and _ITEM.match(line.text)
            is_next = abs(row.x - line.x) < 1.5 or is_hanging
            is_next = is_next and drop < _NEXT_LINE * leading
            is_within = line.x < row.x and end_of(row) < end_of(line) and drop < _BAND * line.size
            if is_within or (is_next and parts[index] is _Part.FORMULA):
                parts[index] = _Part.TEXT


def _is_display(
    rows: Sequence[Row], parts: Sequence[_Part], own: Sequence[int], leading: float
) -> bool:
    """Whether what stands between two lines of prose is a formula on lines of its own."""
    lines = [rows[index] for index in own if parts[index] is _Part.FORMULA]
    if not lines:
        return False
    if any(_is_numbered(row) or row.x > row.left + _SET_IN * row.size for row in lines):
        return True
    ends = ((lines[0], own[0] - 1), (lines[-1], own[-1] + 1))
    apart = [abs(line.y - rows[i].y) for line, i in ends if 0 <= i < len(rows)]
    return all(drop > _APART * leading for drop in apart)
