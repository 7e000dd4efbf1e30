"""Tells in a plain text file which lines are wrapped, and which are meant as lines.

A margin is where wrapped lines end: the next word would not have fitted. In verse, lists, tables
and code it would. This and some other signs, each with how often it is seen in prose and in lines
that are meant, are summed up for every block between blank lines, and for the whole file.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, groupby, pairwise
from math import log
from typing import NamedTuple

from qwen_pl.data.layout.roles import Role
from qwen_pl.data.page.line import parted
from qwen_pl.data.page.scripts import UNSPACED_AND_MARKS
from qwen_pl.data.texts.line_groups import Kind, LineGroup
from qwen_pl.data.texts.text_encoding import CHUNK_CHARACTERS

_ITEM = re.compile(r"\s*(?:[-*+•–]|\d{1,3}[.)])\s+\S")
_STANDS_ALONE = re.compile(r"\s*(?:#{1,6}\s|\||[-*_=~#+]{3,}\s*$)")  # heading, table row, rule
_QUOTE = re.compile(r"\s{0,3}(?:>\s?)+")
_FENCE = re.compile(r"\s{0,3}(`{3,})\s*([\w+#.-]*)\s*$")
_NEW_PAGE = "\f"
_LONGEST_FENCE = 8  # signs; more count as so many
_FIRST_WORD = re.compile(rf"\s*([{UNSPACED_AND_MARKS}]|\S+)")
_UNSPACED = re.compile(rf"[{UNSPACED_AND_MARKS}]")
_FIRST_LETTER = re.compile(r"[\s\"'“‘„«»(\[_*]*([^\W\d_])")
_CLOSING = "”’»\"')]_*"
_ENDS = (*".!?…:。！？؟۔।,;—，、；：،؛",)
_BROKEN_WORD = re.compile(r"[^\W\d_][-\u00ad\u2010]$")
_COLUMNS = re.compile(r"\S(?: {3}|\t)")
_LIKE_CODE = re.compile(r"[{}=|\\<>]|\w\(|^\s*(?:#|//|\$ )|\w_\w")
_CODE = 0.3  # of the lines of a block look like it
_FEW_WORDS, _SOME_WORDS, _WORD_CHARACTERS = 4, 6, 3
_NARROWEST = 45  # characters; prose is hardly ever wrapped at fewer
_WIDE = 120  # characters; wrapped lines are hardly longer
_FEWEST_LINES = 5  # of a block, for it to have a margin of its own
_WIDTH = 0.9  # of all lines that may be wrapped are no longer than the margin
_LOOSE = 0.8  # of the margin


_MOST_BLOCKS = 1000  # of a file that are looked at, to know its habits
_STRICT = 0.95  # of the lines that a paragraph goes on with follow full ones


class _Sign(NamedTuple):
    """What is seen where one line follows another: its share of such places."""

    in_prose: float
    in_lines: float

    @property
    def weight(self) -> float:
        return log(self.in_prose / self.in_lines)


# The next word would not have fitted behind a line, would just have, or by far.
_FULL, _JUST, _SHORT = (_Sign(*s).weight for s in ((0.86, 0.25), (0.1, 0.25), (0.04, 0.5)))
_FULL_NARROW = _Sign(0.86, 0.45).weight  # as words are longer beside the margin
_SMALL, _CAPITAL = (_Sign(*s).weight for s in ((0.75, 0.2), (0.25, 0.8)))  # letter of the next
_CLAUSE_END, _NO_END = (_Sign(*s).weight for s in ((0.2, 0.5), (0.8, 0.5)))
_HYPHEN = _Sign(0.05, 0.001).weight
_FEW = _Sign(0.02, 0.4).weight
_SOME = _Sign(0.15, 0.5).weight
_LONG = _Sign(0.02, 0.3).weight
_MOVED = _Sign(0.03, 0.3).weight  # to the right, below the first two lines
_NARROW = _Sign(0.05, 0.5).weight  # margin of a file
_IN_COLUMNS = _Sign(0.01, 0.2).weight
_CODELIKE = _Sign(0.05, 0.4).weight
_MOST_OF_FILE = 3.0
"""That the file as a whole may say of a block."""
_MOST_OF_BLOCK = 4.0
"""That one block may say of the file."""
_APART = -3.5
"""What says that two lines of a block of prose are two paragraphs."""


class _Block(NamedTuple):
    """Lines without a blank one between them, or with a fence around them."""

    lines: list[str]
    quoted: list[str]
    """The lines without the marks of a quotation, if they have such marks."""
    page: int
    newlines: int
    is_fenced: bool = False


class PlainLines:
    """Groups the lines of a text that comes in chunks of any size.

    What the first chunk shows of a file holds for all of it.

    >>> verse, prose = "Blow, winds!\\nCrack your cheeks!", "these words fill their lines\\n" * 9
    >>> [g.kind.name for g in PlainLines().groups(f"{verse}\\n\\n{prose}", is_last=True)]
    ['KEPT', 'JOINED']
    """

    def __init__(self) -> None:
        self._page = 1
        self._newlines = 2  # before what comes next
        self._rest: list[str] = []  # lines that the next chunk may go on with
        self._habits: _Habits | None = None
        self._was_kept = False

    def groups(self, chunk: str, *, is_last: bool) -> list[LineGroup]:
        added = chunk.replace("\f", "\n\f\n").split("\n")
        if added[-1] == "":
            added.pop()
        blocks = list(self._blocks(self._rest + added, is_last))
        if self._habits is None:
            self._habits = _Habits(
                [block.quoted or block.lines for block in blocks if not block.is_fenced]
            )
        habits = self._habits
        return list(chain.from_iterable(self._groups(block, habits) for block in blocks))

    def _blocks(self, lines: list[str], is_last: bool) -> Iterator[_Block]:
        """The blocks that are there as a whole; the rest is left for the next chunk."""
        closing = _ClosingFences(lines)
        begin = place = 0
        sizes = [0, *accumulate(map(len, lines))]
        while place < len(lines):
            line, end = lines[place], None
            if fence := _FENCE.match(line):
                end = closing.behind(place, fence[1])
                if end is None and not is_last and sizes[-1] - sizes[place] < CHUNK_CHARACTERS:
                    break
            if line.strip() and end is None:
                place += 1
                continue
            yield from self._block(lines[begin:place])
            if end is not None:
                yield from self._block(lines[place:end], is_fenced=True)
            elif line == _NEW_PAGE:
                self._page, self._newlines = self._page + 1, max(self._newlines, 2)
            else:
                self._newlines += 1
            begin = place = place + 1 if end is None else end
        if is_last or sizes[-1] - sizes[begin] > CHUNK_CHARACTERS:
            yield from self._block(lines[begin:])
            begin = len(lines)
        self._rest = lines[begin:]

    def _block(self, lines: Sequence[str], is_fenced: bool = False) -> Iterator[_Block]:
        shown = [line.rstrip() for line in lines if line != _NEW_PAGE]
        marks = [None if is_fenced else _QUOTE.match(line) for line in shown]
        for _, run in groupby(zip(shown, marks, strict=True), lambda pair: bool(pair[1])):
            own, their_marks = zip(*run, strict=True)
            quoted = [
                line[mark.end() :] for line, mark in zip(own, their_marks, strict=True) if mark
            ]
            yield _Block(list(own), quoted, self._page, self._newlines, is_fenced)
            self._newlines = 1
        self._page += len(lines) - len(shown)

    def _groups(self, block: _Block, habits: "_Habits") -> Iterator[LineGroup]:
        lines, quoted, page, newlines, is_fenced = block
        own = quoted or lines
        mark = _QUOTE.findall(lines[0])[0].strip() + " " if quoted else ""
        was_kept, self._was_kept = self._was_kept, is_fenced or not habits.are_wrapped(own)
        if not (self._was_kept and (was_kept or habits.are_lines)):
            newlines = min(newlines, 2)
        if not self._was_kept:
            before = None
            for group in habits.paragraphs(own):
                if not group[0]:  # a line with nothing but the mark of a quotation
                    before, newlines = None, 2
                    continue
                role = Role.ITEM if _ITEM.match(group[0]) else Role.PROSE
                if before is not None:
                    newlines = 1 if _are_close(before, group[0]) else 2
                indent = mark + _indent(group[0]) * (role is Role.ITEM)
                yield LineGroup(Kind.JOINED, group, page, newlines, indent, role)
                before = group[-1]
        elif not is_fenced and _size(lines) > _WIDE * len(lines):
            for number, line in enumerate(lines):
                yield LineGroup(Kind.JOINED, [line], page, newlines if number == 0 else 2)
        else:
            is_code = is_fenced or habits.are_code or _look_like_code(lines)
            kind, role = (Kind.CODE, Role.CODE) if is_code else (Kind.KEPT, Role.PROSE)
            yield LineGroup(kind, lines, page, newlines, role=role)


class _ClosingFences:
    """Where fences end, looked up without going through the text for each."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._places: dict[int, list[int]] = {n: [] for n in range(3, _LONGEST_FENCE + 1)}
        for place, line in enumerate(lines):
            if (fence := _FENCE.match(line)) and not fence[2]:
                for length in range(3, min(len(fence[1]), _LONGEST_FENCE) + 1):
                    self._places[length].append(place)

    def behind(self, place: int, fence: str) -> int | None:
        """The place behind the line that closes a fence which begins at a place."""
        places = self._places[min(len(fence), _LONGEST_FENCE)]
        number = bisect_left(places, place + 1)
        return places[number] + 1 if number < len(places) else None


class _Habits:
    """What a text shows of how its lines are broken."""

    def __init__(self, blocks: Sequence[Sequence[str]]) -> None:
        blocks = blocks[:: len(blocks) // _MOST_BLOCKS + 1]
        lengths = sorted(len(before) for block in blocks for before, _ in _seams(block))
        self._margin = lengths[int(_WIDTH * len(lengths))] if lengths else 0
        seams = (seam for block in blocks for seam in _seams(block))
        lengths = [_joined_length(*seam) for seam in seams if _is_small(seam[1])]
        num_full = sum(length > self._margin for length in lengths)
        self._is_strict = num_full > _STRICT * len(lengths)
        """Whether every word that would have fitted is on the line before."""
        is_narrow = self._margin < _NARROWEST
        self._full = _FULL_NARROW if is_narrow else _FULL
        score = _NARROW * is_narrow
        score += sum(_bounded(self._score(block), _MOST_OF_BLOCK) for block in blocks)
        self._prior = _bounded(_MOST_OF_FILE * score, _MOST_OF_FILE)
        self.are_lines = score < 0
        self.are_code = score < 0 and _look_like_code(list(chain.from_iterable(blocks)))

    def are_wrapped(self, block: Sequence[str]) -> bool:
        """Whether lines are those of paragraphs."""
        if self.are_code:
            return False
        score = self._prior + self._score(block)
        return score > 0 or (score == 0 and len(block) == 1)

    def paragraphs(self, block: Sequence[str]) -> list[list[str]]:
        """The lines of each paragraph, item or the like of a block of prose."""
        first = _first_indent(block)
        return parted(block, lambda group, line: self._begins(group, line, first))

    def _begins(self, group: Sequence[str], line: str, first_indent: int) -> bool:
        before = group[-1]
        if _STANDS_ALONE.match(line) or _STANDS_ALONE.match(before) or not (line and before):
            return True
        weight = self._weight(before, line, self._margin)
        if _ITEM.match(line):
            # A line may happen to begin with a number.
            is_sure = not line.lstrip()[0].isdigit() or _ITEM.match(group[0]) is not None
            return is_sure or weight < self._full + _NO_END
        if first_indent:
            return len(_indent(line)) == first_indent
        if len(_indent(line)) > len(_indent(before)):
            hangs = len(group) == 1 and (_ITEM.match(before) is not None or weight > 0)
            return not hangs
        if self._is_strict and weight < self._full + _CAPITAL + _CLAUSE_END:
            return True
        return weight < _APART

    def _score(self, block: Sequence[str]) -> float:
        margin = self._margin
        if len(block) >= _FEWEST_LINES:
            margin = min(margin, max(map(len, block)))
        score = 0.0
        for number, (before, line) in enumerate(_seams(block)):
            score += self._weight(before, line, margin)
            if number and len(_indent(line)) > len(_indent(before)):
                score += _MOVED
        return score

    def _weight(self, before: str, line: str, margin: int) -> float:
        """What one line behind another says for prose, and, below 0, for lines that are meant."""
        length = _joined_length(before, line)
        is_just = length >= _LOOSE * margin
        weight = self._full if length > margin else _JUST if is_just else _SHORT
        num_words = _num_words(before)
        weight += _FEW if num_words < _FEW_WORDS else _SOME * (num_words < _SOME_WORDS)
        weight += _LONG * (len(before) > _WIDE)
        is_small = _is_small(line)
        if is_small is not None:
            weight += _SMALL if is_small else _CAPITAL
        if is_small and _BROKEN_WORD.search(before[-2:]):
            return weight + _HYPHEN
        weight += _CLAUSE_END if before.rstrip(_CLOSING).endswith(_ENDS) else _NO_END
        weight += _IN_COLUMNS * (_COLUMNS.search(before) is not None)
        return weight + _CODELIKE * (_LIKE_CODE.search(before) is not None)


def _seams(block: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Neighbouring lines that may be parts of one paragraph."""
    first_indent = _first_indent(block)
    for before, line in pairwise(block):
        if first_indent and len(_indent(line)) == first_indent:
            continue
        alone = _ITEM.match(line) or _STANDS_ALONE.match(line) or _STANDS_ALONE.match(before)
        if before and line and not alone:
            yield before, line


def _first_indent(block: Sequence[str]) -> int:
    """By how much the first lines of paragraphs are set in, if the first line of a block is."""
    first = len(_indent(block[0]))
    return first if any(len(_indent(line)) < first for line in block) else 0


def _bounded(value: float, most: float) -> float:
    return min(max(value, -most), most)


def _are_close(before: str, line: str) -> bool:
    """Whether there is no blank line between two lines that are parts of different paragraphs."""
    matches = (_ITEM.match(line), _STANDS_ALONE.match(line), _STANDS_ALONE.match(before))
    return any(matches)


def _look_like_code(lines: Sequence[str]) -> bool:
    return sum(_LIKE_CODE.search(line) is not None for line in lines) > _CODE * len(lines)


def _joined_length(before: str, line: str) -> int:
    """Of a line with the first word of the next one."""
    word = _FIRST_WORD.match(line)
    return len(before) + 1 + len(word[1] if word else "")


def _is_small(line: str) -> bool | None:
    """Whether a line begins with a small letter; None if in no letter, or in one without case."""
    letter = _FIRST_LETTER.match(line)
    has_case = letter is not None and letter[1].lower() != letter[1].upper()
    return letter[1].islower() if letter is not None and has_case else None


def _num_words(line: str) -> float:
    """Words of a line, not all of many; in scripts without spaces, as if of three characters."""
    if _UNSPACED.search(line):
        return len(line.strip()) / _WORD_CHARACTERS
    return len(line.split(maxsplit=_SOME_WORDS))


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _size(lines: Sequence[str]) -> int:
    return sum(map(len, lines))
