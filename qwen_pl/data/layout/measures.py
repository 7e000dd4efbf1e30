"""Measures of a document: what is usual in it, and where each line stands in its column."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from qwen_pl.data.layout.row import Placed, Row
from qwen_pl.data.page.line import LineIndex
from qwen_pl.data.page.scripts import is_right_to_left

SAME_PLACE = 3.0
"""Points that lines which begin at one place may be apart."""
SIZE_CHANGE = 1.12
"""How many times larger than another a line is that may be a heading."""

_USUAL_LEADING = 1.2  # times the size, where the pages do not tell
_AS_USUAL = 0.6
_FEWEST_DROPS = 5  # alike, for a document to tell its leading
_FEWEST_OF_PAGE = 10  # alike, for a page to have a leading of its own
_WIDEST_INDENT = 60.0  # points
_WIDEST_COLUMN = 450.0  # points
_FEWEST_LINES_OF_PAGE = 14  # for it to show what is usual by itself
_WINDOW = 4  # pages before and after, for what is usual on a page
_GAP = 1.18  # times the usual distance of lines

_FEWEST_VERSES = 4
_MANY_VERSES = 7  # that end in mid-sentence
_FULLEST_VERSE = 0.95  # of the reach of a full line
_EARLY = 0.9  # of that reach, with the word that comes next
_EARLY_SHARE = 0.25  # of the verses end early and in mid-sentence

_SENTENCE_END = re.compile(r"[.!?:;…。！？：；؟།·][”’»«\"')\]」』）⁰¹²³⁴⁵⁶⁷⁸⁹\d]*$")
_BULLET = re.compile(r"[•‣◦▪▫■□●○∙⁃➢►✓]|[-–—*]\s")
_NUMBERED = re.compile(r"[(\[]?(\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)\]]\s")
_OPENING = "“‘«„\"'([—"
_WIDE = re.compile("[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]")


@dataclass(frozen=True)
class PlacedLine:
    """A line with what its page tells about it."""

    line: Row
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
    def ends_sentence(self) -> bool:
        return _SENTENCE_END.search(self.text) is not None

    @property
    def begins_with_capital(self) -> bool:
        """Whether its first letter is one, but for opening quotation marks and brackets."""
        return self.text.lstrip(_OPENING)[:1].isupper()

    @property
    def has_bullet(self) -> bool:
        return _BULLET.match(self.text) is not None

    @property
    def is_item(self) -> bool:
        """Whether it begins like an item of a list."""
        return self.has_bullet or _NUMBERED.match(self.text) is not None


def usual_size(pages: Iterable[Sequence[Placed]]) -> float:
    """The font size, in points, of most of the text; 0 if it is not known."""
    letters: Counter[float] = Counter()
    for page in pages:
        for line in page:
            letters[_half_points(line.size)] += len(line.text)
    return letters.most_common(1)[0][0] if letters else 0.0


def usual_leading(pages: Iterable[Sequence[Placed]], size: float) -> float:
    """The usual distance between baselines of text of a size, in points.

    It is the least of those that are about as usual as the most usual one: where paragraphs are of
    one line or two, the gaps between them are as many.
    """
    drops: Counter[float] = Counter()
    for page in pages:
        drops.update(_drops(page, size))
    [(_, most)] = drops.most_common(1) or [(0.0, 0)]
    if most < _FEWEST_DROPS:
        return _USUAL_LEADING * size
    return min(drop for drop, count in drops.items() if count > _AS_USUAL * most)


def _leadings(pages: Sequence[Sequence[Row]], size: float) -> list[float]:
    """The same by page: some pages have a leading of their own."""
    usual = usual_leading(pages, size)
    leadings = []
    for drops in (_drops(page, size) for page in pages):
        [(most_usual, count)] = drops.most_common(1) or [(0.0, 0)]
        is_clear = count >= _FEWEST_OF_PAGE and count > drops.total() / 2
        # In a dialogue most lines may be paragraphs, with the gaps of these between them.
        has_usual = sum(drops[usual + half] for half in (-0.5, 0, 0.5)) >= 3
        leadings.append(most_usual if is_clear and not has_usual else usual)
    return leadings


def _drops(page: Sequence[Placed], size: float) -> Counter[float]:
    """How far lines of a size are below the one before, to half a point.

    Nearer ones than those counted stand on the same line, and farther ones below a gap.
    """
    return Counter(
        _half_points(before.y - line.y)
        for before, line in pairwise(page)
        if 0.8 * size < before.y - line.y < 3 * size and abs(line.size - size) < 1
    )


def _tops(pages: Sequence[Sequence[Row]]) -> list[float]:
    """The usual height of the first line of even and of odd pages, in points."""
    sides = [Counter(round(page[0].y) for page in pages[odd::2] if page) for odd in (0, 1)]
    return [float(heights.most_common(1)[0][0]) if heights else 0.0 for heights in sides]


def place_lines(pages: Sequence[Sequence[Row]]) -> list[PlacedLine]:
    """All lines with their distance from the margins, which facing pages need not share."""
    placed = []
    starts = [Counter(round(row.x) for row in page) for page in pages]
    for number, page in enumerate(pages):
        alike = range(max(number % 2, number - _WINDOW), min(len(pages), number + _WINDOW + 1), 2)
        left: Counter[int] = sum((starts[other] for other in alike), starts[number])
        places = sorted(left)
        margins = [_margin(row, left, places) for row in page]
        if page and all(row.end for row in page):
            fullness = _fullness(page, margins, [pages[other] for other in alike])
        else:
            fullness = _guessed_fullness(page, margins, [pages[other] for other in alike])
        for index, (row, margin, full) in enumerate(zip(page, margins, fullness, strict=True)):
            placed.append(PlacedLine(row, number, index, row.x - margin, full))
    return placed


def _fullness(
    page: Sequence[Row], margins: Sequence[int], alike: Sequence[Sequence[Row]]
) -> list[float]:
    """How far lines reach from the margin of their column to where most of its lines end."""
    ends: dict[int, Counter[int]] = defaultdict(Counter)
    for row, margin in zip(page, margins, strict=True):
        ends[margin][round(row.end)] += 1
    rights: dict[int, float] = {}
    for margin, own in ends.items():
        if own.total() < _FEWEST_LINES_OF_PAGE:
            for other in alike:
                own.update(round(r.end) for r in other if abs(r.x - margin) <= SAME_PLACE)
        rights[margin] = _right_end(own)
    return [
        (row.end - margin) / max(rights[margin] - margin, 1.0)
        for row, margin in zip(page, margins, strict=True)
    ]


def _right_end(ends: Counter[int]) -> float:
    """Where most full lines end: the farthest place where many do, or else nearly the farthest."""
    places = sorted(ends)
    near = {place: ends[place - 1] + ends[place] + ends[place + 1] for place in places}
    many = max(3, 0.15 * ends.total())
    common = [place for place in places if near[place] >= many]
    if common:
        last = common[-1]
        return float(max(range(last - 1, last + 2), key=lambda place: ends[place]))
    rest = 0.05 * ends.total()
    for place in reversed(places):
        rest -= ends[place]
        if rest < 0:
            return float(place)
    return float(places[-1])


def _guessed_fullness(
    page: Sequence[Row], margins: Sequence[int], alike: Sequence[Sequence[Row]]
) -> list[float]:
    """The same by the number of letters, where the reader does not tell where lines end."""
    reaches = [_reach(row, row.x - margin) for row, margin in zip(page, margins, strict=True)]
    if len(page) > _FEWEST_LINES_OF_PAGE:
        full = _full_reach(reaches)
    else:
        full = _full_reach([_reach(row, 0) for other in alike for row in other])
    return [reach / max(full, 1.0) for reach in reaches]


def _half_points(points: float) -> float:
    return round(2 * points) / 2


def _margin(line: Row, left_ends: Counter[int], places: list[int]) -> int:
    """The leftmost place, from where the line begins to the left, where many lines begin.

    The ``places`` are those of ``left_ends``, sorted.
    """
    # A line read from the right may end anywhere on the left.
    widest = _WIDEST_COLUMN if is_right_to_left(line.text) else _WIDEST_INDENT
    leftmost = bisect_left(places, line.x - widest)
    near = {
        place: left_ends[place - 1] + left_ends[place] + left_ends[place + 1]
        for place in places[leftmost : bisect_right(places, line.x + SAME_PLACE)]
    }
    many = max(near.values(), default=0) / 3
    first = min((place for place in near if near[place] >= many), default=round(line.x))
    # Of the places beside it, which may be the same but for rounding, the most usual.
    return max(range(first, first + 3), key=lambda place: left_ends[place])


def _reach(line: Row, offset: float) -> float:
    """Where a line ends, in points from the margin if letters were half as wide as high."""
    letters = len(line.text) + len(_WIDE.findall(line.text))
    return letters * (line.size or 10.0) / 2 + offset


def _full_reach(reaches: list[float]) -> float:
    return sorted(reaches)[int(0.9 * (len(reaches) - 1))] if reaches else 1.0


class Usual:
    """What is usual in one document, and which of its lines depart from it."""

    def __init__(self, pages: Sequence[Sequence[Row]], lines: Sequence[PlacedLine]) -> None:
        self._size = usual_size(pages)
        self._leadings = _leadings(pages, self._size)
        self._tops = _tops(pages)
        self._verse = _find_verse(lines)
        self.indent = self._usual_indent(lines)
        """How far first lines are usually set in, in points; 0 if they are not."""
        same_page = [pair for pair in pairwise(lines) if pair[0].page == pair[1].page]
        clear = sum(self.is_below_gap(*pair) or self.is_indented(pair[1]) for pair in same_page)
        is_clear = clear > len(lines) / 25
        self.shortest_full = 0.6 if is_clear else 0.9
        """Fullness below which the last line of a sentence is that of its paragraph."""
        # A gap is not seen between two pages, an indent is.
        self.shortest_full_before_break = 0.6 if self.indent else 0.9

    def is_large(self, line: PlacedLine) -> bool:
        return line.line.size > SIZE_CHANGE * self._size

    def is_sunk(self, line: PlacedLine) -> bool:
        """Whether the first line of a page stands lower than that of other pages."""
        return line.line.y < self._tops[line.page % 2] - 3 * self._size

    def is_below_gap(self, before: PlacedLine, line: PlacedLine) -> bool:
        leading = self._leadings[line.page]
        if self._size and self.is_large(line):  # between the lines of a heading
            leading *= 1.2 * line.line.size / self._size
        return before.line.y - line.line.y > _GAP * leading > 0

    def is_indented(self, line: PlacedLine) -> bool:
        return self.indent > 0 and abs(line.offset - self.indent) < SAME_PLACE / 2

    def is_verse(self, line: PlacedLine) -> bool:
        return (line.page, line.index) in self._verse

    def _usual_indent(self, lines: Sequence[PlacedLine]) -> float:
        """It is told from the indent of a block by the lines after: many are back at the margin."""
        indented = Counter(round(line.offset) for line in lines)
        back_at_margin: Counter[int] = Counter()
        first_lines: Counter[int] = Counter()
        for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
            offset = round(line.offset)
            if before.page != after.page or offset <= SAME_PLACE or before.is_item:
                continue
            if after.offset <= SAME_PLACE and not self.is_below_gap(line, after):
                back_at_margin[offset] += 1
                first_lines[offset] += before.offset <= SAME_PLACE
        if not first_lines:
            return 0.0
        indent, count = first_lines.most_common(1)[0]
        is_usual = count >= max(3, len(lines) / 500)
        is_first_line = back_at_margin[indent] > 0.3 * indented[indent]
        return float(indent) if is_usual and is_first_line else 0.0


def _find_verse(lines: Sequence[PlacedLine]) -> set[LineIndex]:
    """Where the lines in runs of short ones are that all begin with a capital letter.

    Many of them end in mid-sentence where the next word would have had room, as lines of prose do
    not. Addresses, title pages and other things that are set line by line look the same. Text all
    in capitals does not count, nor do scripts that have none.
    """
    found: set[LineIndex] = set()
    for may_be_verse, lines_alike in groupby(lines, _may_be_verse):
        run = list(lines_alike)
        early = sum(_ends_early(*pair) for pair in pairwise(run))
        # Prose does not go on with a capital on so many lines by chance, as a dialogue begins.
        go_on = sum(not line.ends_sentence for line in run)
        enough = 1 if go_on >= _MANY_VERSES else max(2, _EARLY_SHARE * len(run))
        if may_be_verse and len(run) >= _FEWEST_VERSES and early >= enough:
            found.update((line.page, line.index) for line in run)
    return found


def _may_be_verse(line: PlacedLine) -> bool:
    is_short = line.fullness < _FULLEST_VERSE
    return is_short and line.begins_with_capital and not line.text.isupper()


def _ends_early(line: PlacedLine, after: PlacedLine) -> bool:
    """Whether the next word would have gone on a line that ends in mid-sentence."""
    letters = len(line.text) + 1 + len(after.text.split()[0])
    return not line.ends_sentence and line.fullness * letters / len(line.text) < _EARLY
