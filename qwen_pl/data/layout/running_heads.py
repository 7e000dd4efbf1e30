"""Finds the lines at the top and bottom of pages that belong to the page and not to the text."""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from qwen_pl.data.layout.captions import label_of
from qwen_pl.data.layout.measures import usual_leading, usual_size
from qwen_pl.data.page.fonts import is_bold
from qwen_pl.data.page.line import Line, LineIndex, Page, parted

_EDGE_ROWS = 2  # of a page, from the top and from the bottom, that are looked at
_NEARBY = 8  # pages; heads change with the chapter, so repetition counts within this distance
_REPEATS = 3
_ALIKE = 12  # letters that are the same in two heads, at the beginning or at the end
_SHARE_OF_PAGES = 0.35
_LONGEST_HEAD = 130
_ROW_HEIGHT = 2.0  # points; baselines closer than this are one row
_SAME_HEIGHT = 12.0  # points; a head stays within this from page to page
_APART = 1.4  # times the usual distance of lines
_TOGETHER = 1.2  # times that distance, between two rows of one head
_NUMBER = re.compile(r"\d{1,5}")
_STANDS_ALONE = re.compile(r"\W*(\d+|[ivxlcdmIVXLCDM]+)\W*(/\s*\d+\W*)?")  # "- 3 -", "3 / 120"
_ENTRY = re.compile(r"\[?(?P<number>\d{1,4})[\].)]\s*(?=\S)")  # of a list: "[12] Euler, L."
_LARGER = 1.12  # times the size of the text, and more: a title
_ROMAN = re.compile(r"m{0,3}(cm|cd|d?c{0,3})(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})")
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}


class _EdgeLine(NamedTuple):
    """A line near the edge of its page."""

    where: LineIndex
    line: Line
    edge: str  # "top" or "bottom"

    @property
    def page(self) -> int:
        return self.where[0]


def find_running_heads(pages: list[Page]) -> set[LineIndex]:
    """The indices of running heads and page numbers.

    A line counts as one of them if it is at the edge of its page and

    - has a number that grows with the page number, as on at least three pages nearby,
    - or begins or ends like lines in its place on many pages nearby,
    - or stands where most pages nearby have a line of the first two kinds,
    - or stands apart from the text, where many pages nearby have a line, if some of these agree,
    - or is the outermost on a page where most pages nearby have their page number.

    The first lines of captions and references are none, nor are titles that count with the pages.
    """
    candidates = [each for each in _edge_lines(pages) if not _is_of_text(each, pages)]
    counting = _counting_lines(candidates, len(pages))
    titles = _titles(candidates, counting, usual_size(pages))
    candidates = [each for each in candidates if each.where not in titles]
    counting -= titles
    repeated = _repeated_lines([c for c in candidates if c.where not in counting])
    found = counting | repeated
    heads = set(counting)
    for alike in _in_same_place(candidates):
        heads.update(_in_place_of_heads(alike, found, len(pages)))
    apart = _rows_apart(pages)
    heads |= _agreeing_lines([c for c in candidates if c.where in apart], len(pages))
    for edge in ("top", "bottom"):
        known = [apart[head] for head in heads & apart.keys()]
        rests = [rest for at, rest in known if at == edge]
        others = [rest for rest in rests if rest]
        if len(others) < len(rests) / 3:  # or else the text begins right below the heads
            heads = heads.union(*{id(rest): rest for rest in others}.values())
    return heads | _in_place_of_numbers(pages, candidates, counting, heads)


def _in_place_of_numbers(
    pages: list[Page],
    candidates: list[_EdgeLine],
    counting: set[LineIndex],
    heads: set[LineIndex],
) -> set[LineIndex]:
    """Outermost rows at the height of page numbers, on pages that have no head at that edge.

    The first page of a paper often has there where it was submitted.
    """
    numbers: dict[tuple[str, int], list[_EdgeLine]] = defaultdict(list)
    for line in candidates:
        if line.where in counting and line.line.size:
            numbers[line.edge, round(line.line.y)].append(line)
    with_number = {place: _Pages(lines) for place, lines in numbers.items()}
    with_head = {(line.page, line.edge) for line in candidates if line.where in heads}
    outermost: dict[tuple[int, str], float] = {}
    for line in candidates:
        own = line.page, line.edge
        farther = max if line.edge == "top" else min
        outermost[own] = farther(outermost.get(own, line.line.y), line.line.y)
    found = set()
    for line in candidates:
        own, height = (line.page, line.edge), line.line.y
        if own in with_head or abs(height - outermost[own]) >= _ROW_HEIGHT or not line.line.size:
            continue
        alike = with_number.get((line.edge, round(height)))
        first, last = max(line.page - _NEARBY, 0), min(line.page + _NEARBY, len(pages) - 1)
        if alike and alike.near(line.page) >= max(_REPEATS, 0.6 * (last - first)):
            found.add(line.where)
    return found


def _edge_lines(pages: list[Page]) -> Iterator[_EdgeLine]:
    for number, page in enumerate(pages):
        rows = _rows(page)
        for edge, near in (("top", rows[:_EDGE_ROWS]), ("bottom", rows[-_EDGE_ROWS:])):
            for row in near:
                for index in row:
                    if len(page[index].text) <= _LONGEST_HEAD:
                        yield _EdgeLine((number, index), page[index], edge)


def _is_of_text(line: _EdgeLine, pages: list[Page]) -> bool:
    """Whether a line begins a caption, or an entry of a list with others on its page."""
    label = label_of(line.line.text)
    if label is not None and label.sign in (":", "."):
        return True
    entry = _ENTRY.match(line.line.text)
    if entry is None:
        return False
    value = int(entry["number"])
    beside = {entry[0].replace(entry["number"], str(value + step), 1).strip() for step in (-1, 1)}
    firsts = {each.text.split(maxsplit=1)[0] for each in pages[line.page] if each.text.strip()}
    return not beside.isdisjoint(firsts)


def _titles(candidates: list[_EdgeLine], counting: set[LineIndex], size: float) -> set[LineIndex]:
    """Counting lines that are the titles of what follows them: "Lesson 1: Greetings".

    Such lines are large or bold, or their page has another number by itself, and no two nearby say
    the same but for their numbers.
    """
    numbered = {c.page for c in candidates if c.where in counting and _has_number_alone(c)}
    lines = [c for c in candidates if c.where in counting and not _has_number_alone(c)]
    by_text = defaultdict(list)
    for line in lines:
        by_text[_NUMBER.sub("", line.line.text.casefold())].append(line)
    titles = set()
    for alike in by_text.values():
        pages = _Pages(alike)
        for line in alike:
            is_set_off = line.line.size > _LARGER * size or is_bold(line.line.font)
            if pages.near(line.page) == 1 and (is_set_off or line.page in numbered):
                titles.add(line.where)
    return titles


def _has_number_alone(line: _EdgeLine) -> bool:
    return _STANDS_ALONE.fullmatch(line.line.text) is not None


class _Pages:
    """The pages that some lines are on, to be counted near any page."""

    def __init__(self, lines: Iterable[_EdgeLine]) -> None:
        self._pages = sorted({line.page for line in lines})

    def near(self, page: int) -> int:
        """How many of them are nearby."""
        first = bisect_left(self._pages, page - _NEARBY)
        return bisect_right(self._pages, page + _NEARBY) - first


def _rows(page: Page) -> list[list[int]]:
    """Indices of the lines, those on one baseline together, from the top of the page down."""
    order = [index for index, line in enumerate(page) if line.size]
    if not order:  # the places are not known
        return [[index] for index in range(len(page))]
    order.sort(key=lambda index: -page[index].y)  # a head may come last in the file
    return parted(order, lambda row, index: page[row[0]].y - page[index].y >= _ROW_HEIGHT)


def _counting_lines(candidates: list[_EdgeLine], num_pages: int) -> set[LineIndex]:
    """Lines with a number whose distance from the page index stays the same.

    A number by itself may stand at the head of one page and at the foot of the next; a number with
    a text counts only with others at its height, or "Chapter 1" on the first page would be one.
    """
    by_offset = defaultdict(list)
    for candidate in candidates:
        for value, is_roman in _numbers(candidate.line.text):
            by_offset[is_roman, value - candidate.page].append(candidate)
    enough = min(_REPEATS, max(num_pages, 2))
    found = set()
    for alike in by_offset.values():
        pages = _Pages(alike)
        heights = defaultdict(list)
        for line in sorted(alike, key=lambda line: line.line.y):
            heights[line.page].append(line.line.y)
        for line in alike:
            if pages.near(line.page) < enough:
                continue
            is_alone = _has_number_alone(line)
            if is_alone or _pages_at_its_height(line, heights) >= enough:
                found.add(line.where)
    return found


def _pages_at_its_height(line: _EdgeLine, heights: dict[int, list[float]]) -> int:
    """How many pages nearby have a line about as high; the heights on each page are sorted."""
    count = 0
    for page in range(line.page - _NEARBY, line.page + _NEARBY + 1):
        own = heights.get(page, ())
        nearest = bisect_left(own, line.line.y - _SAME_HEIGHT)
        count += nearest < len(own) and own[nearest] - line.line.y <= _SAME_HEIGHT
    return count


def _repeated_lines(candidates: list[_EdgeLine]) -> set[LineIndex]:
    """Lines that begin or end alike."""
    by_text = defaultdict(list)
    for candidate in candidates:
        text = candidate.line.text.casefold()
        if sum(character.isalnum() for character in text) >= 2:
            by_text["begins", text[:_ALIKE], candidate.edge].append(candidate)
            by_text["ends", text[-_ALIKE:], candidate.edge].append(candidate)
    found: set[LineIndex] = set()
    for alike in by_text.values():
        pages = _Pages(alike)
        found.update(line.where for line in alike if pages.near(line.page) >= _REPEATS)
    return found


def _in_same_place(candidates: list[_EdgeLine]) -> list[list[_EdgeLine]]:
    """Lines at one edge, height and size, together; all of an edge if the heights are not known."""

    def is_elsewhere(place: list[_EdgeLine], line: _EdgeLine) -> bool:
        last = place[-1]
        is_other = (line.edge, round(line.line.size)) != (last.edge, round(last.line.size))
        return is_other or line.line.y - last.line.y >= _ROW_HEIGHT / 2

    order = sorted(candidates, key=lambda c: (c.edge, round(c.line.size), c.line.y))
    return parted(order, is_elsewhere)


def _in_place_of_heads(
    alike: list[_EdgeLine], found: set[LineIndex], num_pages: int
) -> Iterator[LineIndex]:
    """The lines in one place where enough others, on enough pages nearby, are known for heads."""
    with_line, with_head = _Pages(alike), _Pages(line for line in alike if line.where in found)
    for line in alike:
        pages = min(line.page + _NEARBY, num_pages - 1) - max(line.page - _NEARBY, 0) + 1
        share_of_lines = 0.4 if line.where in found else 0.6
        enough = max(_REPEATS, share_of_lines * with_line.near(line.page), _SHARE_OF_PAGES * pages)
        if with_head.near(line.page) >= enough:
            yield line.where


def _agreeing_lines(apart: list[_EdgeLine], num_pages: int) -> set[LineIndex]:
    """Those of the lines apart from the text that stand where many pages have one, alike on some.

    The heads of short chapters may be the same on two pages only, and have no number.
    """
    found = set()
    for alike in _in_same_place(apart):
        texts = defaultdict(set)
        for line in alike:
            texts[line.page].add(line.line.text.casefold())
        agreeing = {page for page in texts if _agrees_nearby(page, texts, num_pages)}
        known = {line.where for line in alike if line.page in agreeing}
        if len(known) > max(_REPEATS, len(alike) / 2):
            known = {line.where for line in alike}
        found |= known
    return found


def _agrees_nearby(page: int, texts: dict[int, set[str]], num_pages: int) -> bool:
    """Whether enough pages nearby have a line in one place, and some of these the same text."""
    last = min(page + _NEARBY, num_pages - 1)
    agreeing = 0
    for number in range(max(page - _NEARBY, 0), last + 1):
        following = [texts.get(after, set()) for after in (number + 1, number + 2) if after <= last]
        agreeing += sum(any(text in other for other in following) for text in texts.get(number, ()))
    # There may be heads on left pages only.
    facing_alike = range(max(page - _NEARBY, page % 2), last + 1, 2)
    with_line = sum(number in texts for number in facing_alike)
    return agreeing >= 2 and with_line >= 0.4 * len(facing_alike)


def _rows_apart(pages: list[Page]) -> dict[LineIndex, tuple[str, set[LineIndex]]]:
    """Lines of the text's size in rows apart from it, with their edge and the rows after theirs.

    The titles of slides stand apart too, but are larger.
    """
    apart: dict[LineIndex, tuple[str, set[LineIndex]]] = {}
    size = usual_size(pages)
    leading = max(usual_leading(pages, size), 1.0)
    for number, page in enumerate(pages):
        rows = _rows(page)
        if len(rows) < 5:
            continue
        for edge, order in (("top", rows), ("bottom", rows[::-1])):
            heights = [page[row[0]].y for row in order[: _EDGE_ROWS + 1]]
            gaps = [abs(before - after) / leading for before, after in pairwise(heights)]
            rows_apart = next((n for n, gap in enumerate(gaps, 1) if gap > _APART), 0)
            if not rows_apart or any(gap > _TOGETHER for gap in gaps[: rows_apart - 1]):
                continue
            head, *others = order[:rows_apart]
            rest = {(number, index) for row in others for index in row}
            for index in head:
                if page[index].size <= 1.1 * size:
                    apart[number, index] = edge, rest
    return apart


def _numbers(text: str) -> Iterator[tuple[int, bool]]:
    """Numbers that stand alone in a line, and whether they are Roman.

    >>> list(_numbers("– xii –")), list(_numbers("Page 7 of 12"))
    ([(12, True)], [(7, False), (12, False)])
    """
    words = [word.strip("-–—.,:[](){}|·•/") for word in text.split()]
    words = [word for word in words if word]
    for position, word in enumerate(words):
        small = word.lower() if word.isupper() else word
        if _NUMBER.fullmatch(word):
            yield int(word), False
        elif position in (0, len(words) - 1) and _ROMAN.fullmatch(small):
            yield _roman_value(small), True
    if words and (glued := re.fullmatch(r"\D*[^\W\d]\D*?(\d{1,4})", words[-1])):
        yield int(glued[1]), False  # "Scenes145"


def _roman_value(word: str) -> int:
    values = [_ROMAN_VALUES[letter] for letter in word]
    return sum(-value if value < after else value for value, after in pairwise([*values, 0]))
