"""Measures of pages: what size and leading are usual, and where each line stands in its column."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qwen_pl.data.page.line import Line, Page
from qwen_pl.data.page.scripts import is_right_to_left

SAME_PLACE = 3.0
"""Points that lines which begin at one place may be apart."""

_USUAL_LEADING = 1.2  # times the size, where the pages do not tell
_FEWEST_DROPS = 5  # alike, for a document to tell its leading
_FEWEST_OF_PAGE = 10  # alike, for a page to have a leading of its own
_WIDEST_INDENT = 60.0  # points
_WIDEST_COLUMN = 450.0  # points
_FEWEST_LINES_OF_PAGE = 14  # for it to show what is usual by itself
_WINDOW = 4  # pages before and after, for what is usual on a page

_SENTENCE_END = re.compile(r"[.!?:;…。！？：；؟།·][”’»«\"')\]」』）⁰¹²³⁴⁵⁶⁷⁸⁹\d]*$")
_WIDE = re.compile("[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]")


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
    def ends_sentence(self) -> bool:
        return _SENTENCE_END.search(self.text) is not None


def usual_size(pages: Iterable[Page]) -> float:
    """The font size, in points, of most of the text; 0 if it is not known."""
    letters: Counter[float] = Counter()
    for page in pages:
        for line in page:
            letters[_half_points(line.size)] += len(line.text)
    return letters.most_common(1)[0][0] if letters else 0.0


def usual_leading(pages: Iterable[Page], size: float) -> float:
    """The usual distance between baselines of text of a size, in points."""
    return _most_usual(sum((_drops(page, size) for page in pages), Counter[float]()), size)


def usual_leadings(pages: Sequence[Page], size: float) -> list[float]:
    """The same by page: some pages have a leading of their own."""
    drops_by_page = [_drops(page, size) for page in pages]
    usual = _most_usual(sum(drops_by_page, Counter[float]()), size)
    leadings = []
    for drops in drops_by_page:
        [(most_usual, count)] = drops.most_common(1) or [(0.0, 0)]
        is_clear = count >= _FEWEST_OF_PAGE and count > drops.total() / 2
        # In a dialogue most lines may be paragraphs, with the gaps of these between them.
        has_usual = sum(drops[usual + half] for half in (-0.5, 0, 0.5)) >= 3
        leadings.append(most_usual if is_clear and not has_usual else usual)
    return leadings


def _drops(page: Page, size: float) -> Counter[float]:
    """How far lines of a size are below the one before, to half a point.

    Nearer ones than those counted stand on the same line, and farther ones below a gap.
    """
    return Counter(
        _half_points(before.y - line.y)
        for before, line in pairwise(page)
        if 0.8 * size < before.y - line.y < 3 * size and abs(line.size - size) < 1
    )


def _most_usual(drops: Counter[float], size: float) -> float:
    [(leading, count)] = drops.most_common(1) or [(0.0, 0)]
    return leading if count >= _FEWEST_DROPS else _USUAL_LEADING * size


def usual_tops(pages: Sequence[Page]) -> list[float]:
    """The usual height of the first line of even and of odd pages, in points."""
    tops = []
    for parity in (0, 1):
        heights = Counter(round(page[0].y) for page in pages[parity::2] if page)
        tops.append(float(heights.most_common(1)[0][0]) if heights else 0.0)
    return tops


def place_lines(pages: Sequence[Page]) -> list[PlacedLine]:
    """All lines with their distance from the margins, which facing pages need not share."""
    placed = []
    for number, page in enumerate(pages):
        alike = pages[max(number % 2, number - _WINDOW) : number + _WINDOW + 1 : 2]
        left = Counter(round(line.x) for other in (*alike, page) for line in other)
        offsets = [line.x - _margin(line, left) for line in page]
        reaches = [_reach(*pair) for pair in zip(page, offsets, strict=True)]
        if len(page) > _FEWEST_LINES_OF_PAGE:
            full = _full_reach(reaches)
        else:
            full = _full_reach([_reach(line, 0) for other in alike for line in other])
        for index, line in enumerate(page):
            fullness = reaches[index] / max(full, 1.0)
            placed.append(PlacedLine(line, number, index, offsets[index], fullness))
    return placed


def _half_points(points: float) -> float:
    return round(2 * points) / 2


def _margin(line: Line, left_ends: Counter[int]) -> float:
    """The leftmost place, from where the line begins to the left, where many lines begin."""
    # A line read from the right may end anywhere on the left.
    widest = _WIDEST_COLUMN if is_right_to_left(line.text) else _WIDEST_INDENT
    near = {
        place: left_ends[place - 1] + left_ends[place] + left_ends[place + 1]
        for place in left_ends
        if line.x - widest <= place <= line.x + SAME_PLACE
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
