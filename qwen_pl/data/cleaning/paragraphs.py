"""Finds where paragraphs begin, from the places of lines on their pages."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from qwen_pl.data.cleaning.drop_caps import is_beside, may_be_drop_cap
from qwen_pl.data.cleaning.verse import begins_with_capital, find_verse
from qwen_pl.data.page.line import Line, Page
from qwen_pl.data.page.right_to_left import is_right_to_left

_SAME_PLACE = 3.0  # points
_WIDEST_INDENT = 60.0  # points
_WIDEST_COLUMN = 450.0  # points
_WIDEST_FIRST_INDENT = 2.2  # times the size
_GAP = 1.18  # times the usual distance of lines
_SIZE_CHANGE = 1.12  # times the size of the line before
_FEWEST_LINES = 14  # of a page, for it to show what is usual by itself
_WINDOW = 4  # pages before and after, for what is usual on a page

_SENTENCE_END = re.compile(r"[.!?:;…。！？：；؟।·][”’»«\"')\]」』）⁰¹²³⁴⁵⁶⁷⁸⁹\d]*$")
_BULLET = re.compile(r"[•‣◦▪▫■□●○∙⁃➢►✓]|[-–—*]\s")
_NUMBERED = re.compile(r"[(\[]?(\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)\]]\s")
_WIDE = re.compile("[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]")
_BROKEN_WORD = re.compile(r"[^\W\d_][-\u00ad\u2010]$")
_SPEECH_END = re.compile(r"[.!?…—][”»“]$")
_OPENING_QUOTES = "“‘«„"


@dataclass(frozen=True)
class PlacedLine:
    """A line with what its page tells about it."""

    line: Line
    page: int
    index: int
    offset: float
    """Distance from the left margin of its column, in points."""
    fullness: float
    """How far it reaches to the right, about 1 for a full line."""

    @property
    def text(self) -> str:
        return self.line.text

    @property
    def is_placed(self) -> bool:
        return self.line.size > 0

    @property
    def is_item(self) -> bool:
        """Whether it begins like an item of a list."""
        return bool(_BULLET.match(self.text) or _NUMBERED.match(self.text))

    @property
    def is_right_to_left(self) -> bool:
        return is_right_to_left(self.text)

    @property
    def may_be_drop_cap(self) -> bool:
        return may_be_drop_cap(self.text)

    def is_beside(self, initial: "PlacedLine") -> bool:
        """Whether it stands to the right of a large initial."""
        return self.page == initial.page and is_beside(self.line, initial.line)

    @property
    def ends_sentence(self) -> bool:
        return _SENTENCE_END.search(self.text) is not None


def usual_size(pages: Iterable[Page]) -> float:
    """The font size, in points, of most of the text; 0 if it is not known."""
    letters: Counter[float] = Counter()
    for page in pages:
        for line in page:
            letters[round(2 * line.size) / 2] += len(line.text)
    return letters.most_common(1)[0][0] if letters else 0.0


def group_paragraphs(pages: list[Page]) -> list[list[PlacedLine]]:
    """The lines of each paragraph, in order.

    A paragraph begins with an indent, below a gap, in another size, with a bullet, or after a line
    that ends a sentence well before the right margin. The last is trusted the less the more
    paragraphs of the document begin in the other ways. A line of verse is one, too.

    Args:
        pages: The document without running heads and notes, its lines stripped and not empty.
    """
    lines = _place(pages)
    rules = _Rules(lines, pages)
    paragraphs: list[list[PlacedLine]] = []
    for line in lines:
        if paragraphs and not rules.begins(paragraphs[-1], line):
            paragraphs[-1].append(line)
        else:
            paragraphs.append([line])
    return paragraphs


class _Rules:
    """What is usual in one document, and what departs from it."""

    def __init__(self, lines: list[PlacedLine], pages: list[Page]) -> None:
        self._size = usual_size(pages)
        self._leading = _usual_leading(pages, self._size)
        self._tops = _usual_tops(pages)
        self._indent = self._usual_indent(lines)
        self._verse = {(lines[i].page, lines[i].index) for i in find_verse(lines)}
        same_page = [pair for pair in pairwise(lines) if pair[0].page == pair[1].page]
        clear = sum(self._is_below_gap(*pair) or self._is_indented(pair[1]) for pair in same_page)
        is_clear = clear > len(lines) / 25
        self._shortest_full = 0.6 if is_clear else 0.9
        # A gap is not seen between two pages, an indent is.
        self._shortest_full_before_break = 0.6 if self._indent else 0.9

    def begins(self, paragraph: list[PlacedLine], line: PlacedLine) -> bool:
        """Whether a line begins a new paragraph rather than going on with ``paragraph``."""
        first, before = paragraph[0], paragraph[-1]
        if not (line.is_placed and before.is_placed):
            return self._ended_early(before, line)
        if before.text in _OPENING_QUOTES or self._is_around_initial(paragraph, line):
            return False
        if self._is_on_same_row(before, line):
            return False
        if _BROKEN_WORD.search(before.text) and line.text[0].islower():
            return False
        if before.text.endswith(("http:", "https:")) and line.text.startswith("//"):
            return False
        if self._differs_in_size(before, line) or _BULLET.match(line.text):
            return True
        if line.page != before.page and (self._is_sunk(line) or self._is_large(line)):
            return True
        if not self._follows_a_break(before, line) and self._is_below_gap(before, line):
            return True
        if self._is_verse(before, line):
            return True
        if line.is_right_to_left:
            return before.offset > 2 * _SAME_PLACE  # it ends, on the left, before others
        if first.is_item and self._hangs(paragraph, line):
            return False
        return (
            self._is_indented(line)
            or self._moves_to_other_block(paragraph, line)
            or self._is_label(before, line)
            or self._ended_early(before, line)
        )

    def _is_around_initial(self, paragraph: list[PlacedLine], line: PlacedLine) -> bool:
        """Whether a line is beside a large initial, or as far set in as the line before it."""
        initials = [initial for initial in paragraph[:2] if initial.may_be_drop_cap]
        before = paragraph[-1]
        is_as_far = before not in initials and abs(line.line.x - before.line.x) < 1.0
        return any(
            line.is_beside(initial)
            or (is_as_far and before.is_beside(initial) and line.line.x > initial.line.x + 1.0)
            for initial in initials
        )

    def _hangs(self, paragraph: list[PlacedLine], line: PlacedLine) -> bool:
        """Whether a line of an item is set in from its first, as the one before it is."""
        first, before = paragraph[0], paragraph[-1]
        if before is not first and before.ends_sentence and before.fullness < 0.9:
            return False  # the indent of paragraphs may be as wide
        if self._follows_a_break(before, line):
            return before is not first and abs(line.offset - before.offset) < 1.0
        is_as_far = before is first or abs(line.line.x - before.line.x) < 1.0
        return is_as_far and line.line.x > first.line.x + _SAME_PLACE

    def _is_verse(self, before: PlacedLine, line: PlacedLine) -> bool:
        """Whether a line is one of verse, or the first one after verse; a heading is neither."""
        if self._is_large(line):
            return False
        if (before.page, before.index) in self._verse:
            return begins_with_capital(line.text)
        return (line.page, line.index) in self._verse and before.ends_sentence

    def _is_on_same_row(self, before: PlacedLine, line: PlacedLine) -> bool:
        return line.page == before.page and abs(before.line.y - line.line.y) < 0.3 * max(
            line.line.size, before.line.size
        )

    def _differs_in_size(self, before: PlacedLine, line: PlacedLine) -> bool:
        small, large = sorted((before.line.size, line.line.size))
        is_in_sentence = not before.ends_sentence and line.text[0].islower()
        is_near = before.fullness > 0.7 and not self._is_below_gap(before, line)
        return large > _SIZE_CHANGE * small and not (is_in_sentence and is_near)

    def _is_large(self, line: PlacedLine) -> bool:
        return line.line.size > _SIZE_CHANGE * self._size

    def _is_below_gap(self, before: PlacedLine, line: PlacedLine) -> bool:
        leading = self._leading[line.page]
        if self._is_large(line):  # between the lines of a heading
            leading *= 1.2 * line.line.size / self._size
        return before.line.y - line.line.y > _GAP * leading > 0

    def _is_sunk(self, line: PlacedLine) -> bool:
        """Whether the first line of a page stands lower than that of other pages."""
        return line.line.y < self._tops[line.page % 2] - 3 * self._size

    def _is_indented(self, line: PlacedLine) -> bool:
        return self._indent > 0 and abs(line.offset - self._indent) < _SAME_PLACE / 2

    def _follows_a_break(self, before: PlacedLine, line: PlacedLine) -> bool:
        """Whether a page or a column begins with a line."""
        return line.page != before.page or line.line.y > before.line.y + 1.0

    def _usual_indent(self, lines: list[PlacedLine]) -> float:
        """How far first lines are usually set in, in points; 0 if they are not.

        It is told from the indent of a block by the lines after it: many are back at the margin.
        """
        indented = Counter(round(line.offset) for line in lines)
        back_at_margin: Counter[int] = Counter()
        first_lines: Counter[int] = Counter()
        for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
            offset = round(line.offset)
            if before.page != after.page or before.is_item or offset <= _SAME_PLACE:
                continue
            if after.offset <= _SAME_PLACE and not self._is_below_gap(line, after):
                back_at_margin[offset] += 1
                first_lines[offset] += before.offset <= _SAME_PLACE
        if not first_lines:
            return 0.0
        indent, count = first_lines.most_common(1)[0]
        is_usual = count >= max(3, len(lines) / 500)
        is_first_line = back_at_margin[indent] > 0.3 * indented[indent]
        return float(indent) if is_usual and is_first_line else 0.0

    def _moves_to_other_block(self, paragraph: list[PlacedLine], line: PlacedLine) -> bool:
        """Whether a line leaves or enters an indented block, such as a quotation or a listing."""
        first, before = paragraph[0], paragraph[-1]
        if self._follows_a_break(before, line):
            moved = line.offset - before.offset
        else:
            moved = line.line.x - before.line.x
        if moved > _SAME_PLACE:
            return before.ends_sentence or before.fullness < 0.7
        if moved < -_SAME_PLACE and not any(line.may_be_drop_cap for line in paragraph[:2]):
            if not before.ends_sentence and line.text[0].islower():
                return False
            is_first_line = before is first and (not self._indent or self._is_indented(first))
            # A block has an indent of its own.
            is_first_of_block = before is first and moved > -_WIDEST_FIRST_INDENT * line.line.size
            return not (is_first_line or (is_first_of_block and before.fullness > 0.7))
        return False

    def _is_label(self, before: PlacedLine, line: PlacedLine) -> bool:
        """Whether a very short line stands above a longer one: a heading, as of a boxed note."""
        return (
            before.fullness < 0.35
            and line.fullness > 1.5 * before.fullness
            and not line.text[0].islower()
            and before.text[-1] not in ",、，-"
        )

    def _ended_early(self, before: PlacedLine, line: PlacedLine) -> bool:
        """Whether a sentence ends well before the right margin."""
        at_break = self._follows_a_break(before, line)
        is_between_speeches = _SPEECH_END.search(before.text) and line.text[0] in _OPENING_QUOTES
        if at_break and not self._indent and is_between_speeches:
            return True  # nothing but the sense tells where the last line of a page is an end
        shortest = self._shortest_full_before_break if at_break else self._shortest_full
        return before.ends_sentence and before.fullness < shortest


def _place(pages: list[Page]) -> list[PlacedLine]:
    """All lines with their distance from the margins, which facing pages need not share."""
    placed = []
    for number, page in enumerate(pages):
        alike = pages[max(number % 2, number - _WINDOW) : number + _WINDOW + 1 : 2]
        left = Counter(round(line.x) for other in (*alike, page) for line in other)
        offsets = [line.x - _margin(line, left) for line in page]
        reaches = [_reach(*pair) for pair in zip(page, offsets, strict=True)]
        if len(page) > _FEWEST_LINES:
            full = _full_reach(reaches)
        else:
            full = _full_reach([_reach(line, 0) for other in alike for line in other])
        for index, line in enumerate(page):
            fullness = reaches[index] / max(full, 1.0)
            placed.append(PlacedLine(line, number, index, offsets[index], fullness))
    return placed


def _margin(line: Line, left_ends: Counter[int]) -> float:
    """The leftmost place, from where the line begins to the left, where many lines begin."""
    # A line read from the right may end anywhere on the left.
    widest = _WIDEST_COLUMN if is_right_to_left(line.text) else _WIDEST_INDENT
    near = {
        place: left_ends[place - 1] + left_ends[place] + left_ends[place + 1]
        for place in left_ends
        if line.x - widest <= place <= line.x + _SAME_PLACE
    }
    many = max(near.values(), default=0) / 3
    first = min((place for place in near if near[place] >= many), default=round(line.x))
    # Of the places beside it, which may be the same but for rounding, the most usual.
    return max(range(first, first + 3), key=lambda place: left_ends[place])


def _reach(line: Line, offset: float) -> float:
    """Where a line ends, in points from the margin if letters were half as wide as high."""
    letters = len(line.text) + len(_WIDE.findall(line.text))
    return letters * (line.size or 10.0) / 2 + offset


def _full_reach(reaches: list[float]) -> float:
    return sorted(reaches)[int(0.9 * (len(reaches) - 1))] if reaches else 1.0


def _usual_leading(pages: list[Page], size: float) -> list[float]:
    """The usual distance between baselines, in points, by page."""
    drops_by_page = []
    for page in pages:
        drops_by_page.append(
            Counter(
                round(2 * (before.y - line.y)) / 2
                for before, line in pairwise(page)
                if 0.8 * size < before.y - line.y < 3 * size and abs(line.size - size) < 1
            )
        )
    overall = sum(drops_by_page, Counter()).most_common(1)
    usual = overall[0][0] if overall and overall[0][1] >= 5 else 1.2 * size
    leading = []
    for drops in drops_by_page:
        common = drops.most_common(1)
        is_clear = common and common[0][1] >= 10 and common[0][1] > drops.total() / 2
        # In a dialogue most lines may be paragraphs, with the gaps of these between them.
        has_usual = sum(drops[usual + half] for half in (-0.5, 0, 0.5)) >= 3
        leading.append(common[0][0] if is_clear and not has_usual else usual)
    return leading


def _usual_tops(pages: list[Page]) -> list[float]:
    """The usual height of the first line of even and of odd pages, in points."""
    tops = []
    for parity in (0, 1):
        heights = Counter(round(page[0].y) for page in pages[parity::2] if page)
        tops.append(heights.most_common(1)[0][0] if heights else 0.0)
    return tops
