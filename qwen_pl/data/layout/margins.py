"""Finds what stands in the margins: stamps that are turned, and the numbers of lines."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from qwen_pl.data.layout.row import end_of
from qwen_pl.data.page.line import LineIndex, Page, parted

_STEPS = (1, 2, 5, 10)  # between the numbers of lines
_FEWEST = 8  # numbers on a page that tell by themselves that lines are counted
_FEWEST_FAR = 4  # the same where not every line has its number
_SHARE_OF_ROWS = 0.5
_SHARE_OF_PAGES = 0.5
_FEWEST_ROWS = 10  # of a page that is asked whether its lines have numbers
_SAME_ROW = 3.0  # points
_SAME_PLACE = 8.0  # points, between text whose numbers the reader has not parted from it
_ALONE = re.compile(r"(\d{1,5})")
_INLINE = re.compile(r"(\d{1,5})\s+(?=\S)")


def find_turned(pages: Sequence[Page]) -> set[LineIndex]:
    """The lines that are turned against most of their page, as a stamp along its edge is.

    A page that is turned as a whole, as for a wide table, is an ordinary one.
    """
    found: set[LineIndex] = set()
    for number, page in enumerate(pages):
        letters: Counter[int] = Counter()
        for line in page:
            letters[line.turn] += len(line.text)
        if len(letters) > 1:
            [(usual, _)] = letters.most_common(1)
            found.update((number, i) for i, line in enumerate(page) if line.turn != usual)
    return found


class _Number(NamedTuple):
    value: int
    where: int
    """Of its line on the page."""
    length: int
    """How many letters of the line it takes, with the space behind it."""
    y: float


def find_line_numbers(pages: Sequence[Page]) -> dict[LineIndex, int]:
    """Where numbers of lines are, and how many letters they take at the beginning of their line.

    They are the first or the last on their rows and count on from row to row, or from every fifth.
    Most pages have many of them, so that a listing or a table is none; others go on with them.
    """
    found: dict[LineIndex, int] = {}
    for edges in ([_edge(page, -1) for page in pages], [_edge(page, 1) for page in pages]):
        chains = [_chain(edge) for edge in edges]
        asked = [n for n, (rows, _) in enumerate(edges) if rows >= _FEWEST_ROWS]
        strong = {n for n in asked if _is_strong(chains[n], edges[n][0])}
        if len(strong) < max(1, _SHARE_OF_PAGES * len(asked)):
            continue
        firsts = {chains[n][0].value for n in strong}
        last = 0
        for number, chain in enumerate(chains):
            if not chain:
                continue
            goes_on = 0 < chain[0].value - last <= 2 * _STEPS[-1] or chain[0].value in firsts
            if number in strong or goes_on:
                found.update({(number, each.where): each.length for each in chain})
                last = chain[-1].value
    return found


def _edge(page: Page, side: int) -> tuple[int, list[_Number]]:
    """How many rows a page has, and the numbers that are first (-1) or last (1) on theirs.

    A number that the reader has not parted from its line can only be a first one.
    """
    order = sorted(range(len(page)), key=lambda index: -page[index].y)
    rows = parted(order, lambda row, index: page[row[0]].y - page[index].y > _SAME_ROW)
    numbers = []
    for row in rows:
        index = min(row, key=lambda i: page[i].x) if side < 0 else max(row, key=lambda i: page[i].x)
        line = page[index]
        match = _ALONE.fullmatch(line.text) or (_INLINE.match(line.text) if side < 0 else None)
        if match:
            value = int(match[1])
            numbers.append(_Number(value, index, match.end(), line.y))
    return len(rows), numbers


def _chain(edge: tuple[int, list[_Number]]) -> list[_Number]:
    """The numbers of an edge that count on from one to the next by what is usual there."""
    _, numbers = edge
    pairs = list(pairwise(numbers))
    steps = Counter(after.value - before.value for before, after in pairs)
    step = max(_STEPS, key=lambda step: steps[step])
    chained: dict[int, _Number] = {}
    for before, after in pairs:
        if after.value - before.value == step:
            chained[before.where], chained[after.where] = before, after
    return list(chained.values())


def _is_strong(chain: list[_Number], num_rows: int) -> bool:
    if len(chain) < _FEWEST_FAR:
        return False
    if chain[1].value - chain[0].value == 1:
        return len(chain) >= max(_FEWEST, _SHARE_OF_ROWS * num_rows)
    return len({each.length for each in chain}) <= 2


def without_numbers(page: Page, lengths: Mapping[int, int]) -> tuple[Page, Page]:
    """The lines of a page without the numbers of lines, and these by themselves.

    Where text begins whose number was not parted from it is a guess from its letters; guesses that
    are close to each other are the margin.
    """
    left: Page = []
    numbers: Page = []
    guessed: list[int] = []
    for index, line in enumerate(page):
        length = lengths.get(index)
        if length is None:
            left.append(line)
            continue
        numbers.append(line._replace(text=line.text[:length].strip()))
        if length < len(line.text):
            x = line.x + (end_of(line) - line.x) * length / len(line.text)
            guessed.append(len(left))
            left.append(line._replace(text=line.text[length:], x=x))
    if guessed:
        middle = median(left[index].x for index in guessed)
        for index in guessed:
            if abs(left[index].x - middle) < _SAME_PLACE:
                left[index] = left[index]._replace(x=middle)
    return left, numbers
