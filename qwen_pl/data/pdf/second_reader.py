"""Which pages a second reader is asked for, and which of two readings of a page is taken."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from qwen_pl.data.page.legibility import (
    SURELY_GLUED,
    glued_ratio,
    unknown_characters,
    unreadable_shares,
)
from qwen_pl.data.page.line import Page

DISAGREEMENT = 0.05
"""Share of the words of the pages compared above which all others are compared too."""
FIRST_DOUBTFUL = 8
"""Doubtful pages that are read first; twice as many follow if enough of them come out better."""
ENOUGH_BETTER = 0.25

_CLEARLY_MORE = 1.005  # times the letters
_MUCH_MORE = 1.05  # times the letters, of a page that nothing is wrong with
_MOST_COMPARED = 3  # pages of a file that are not doubtful
_PAGES_FOR_EACH = 20  # so that a page and the start of a process take little beside them
_SHORT_FILE = 5  # pages: of less, a page is compared as well
_CONTEXT = 20  # other pages that tell of a document's languages
_LISTED = 5
_WORD = re.compile(r"[^\W\d_]{3,}")


def doubtful_pages(
    pages: Sequence[Page], shares: Sequence[float], lost: Collection[int] = ()
) -> list[int]:
    """Pages, counted from 0, of which another reader may tell more, the most doubtful first.

    Of empty pages, which most often are blank or scanned, only some are named.

    Args:
        shares: What of each page is unreadable.
    """
    doubts = {index: share for index, share in enumerate(shares) if share}
    for index, page in enumerate(pages):
        if page and (glued := glued_ratio(_text(page))) > SURELY_GLUED:
            doubts[index] = max(glued, doubts.get(index, 0.0))
    empty = [index for index, page in enumerate(pages) if not page]
    doubts |= {empty[at]: 1.0 for at in (0, len(empty) // 2, -1)} if empty else {}
    doubts |= dict.fromkeys(lost, 2.0)
    return sorted(doubts, key=lambda index: (-doubts[index], index))


def sampled_pages(num_pages: int, doubtful: Collection[int]) -> set[int]:
    """Pages, counted from 0, that are compared although nothing is wrong with them.

    >>> sampled_pages(100, doubtful=[50]), sampled_pages(10, doubtful=[])
    ({16, 83}, set())
    """
    number = min(_MOST_COMPARED, num_pages // _PAGES_FOR_EACH or int(num_pages < _SHORT_FILE))
    return {num_pages * (2 * at + 1) // (2 * number) for at in range(number)} - set(doubtful)


def better_pages(
    first: Sequence[Page],
    second: Mapping[int, Page],
    shares: Sequence[float],
    doubtful: Collection[int],
) -> list[int]:
    """The pages, counted from 0, whose second reading is clearly the better one.

    Args:
        first: All pages.
        second: Some of them, as the second reader gives them.
        shares: What of each page is unreadable in the first reading.
        doubtful: Those of which the first reading is doubted.
    """
    others = [page for index, page in enumerate(first) if index not in second]
    context = others[:: 1 + len(others) // _CONTEXT]
    of_second = dict(zip(second, unreadable_shares([*second.values(), *context]), strict=False))
    better = []
    for index, page in second.items():
        fewer, more = _worth(first[index]), _worth(page)
        if of_second[index] < shares[index]:
            is_better = 2 * more >= fewer
        elif of_second[index] > shares[index]:
            is_better = False
        else:
            is_better = more > (_CLEARLY_MORE if index in doubtful else _MUCH_MORE) * fewer
        if is_better:
            better.append(index)
    return better


def is_better_file(second: Sequence[Page], first: Sequence[Page], is_whole: bool) -> bool:
    """Whether a second reading of a file found clearly more, or as much, and alone all pages."""
    more, fewer = sum(map(_worth, second)), sum(map(_worth, first))
    return more > _CLEARLY_MORE * fewer or (is_whole and _CLEARLY_MORE * more >= fewer)


def difference(first: Iterable[Page], second: Iterable[Page]) -> float:
    """Share of the words that one of two readings has and the other has not, in whatever order.

    >>> from qwen_pl.data.page.line import Line
    >>> difference([[Line("one two six ten", 0, 0, 9)]], [[Line("ten six two", 0, 0, 9)]])
    0.25
    """
    words, others = _words(first), _words(second)
    most = max(words.total(), others.total())
    return 1 - (words & others).total() / most if most else 0.0


def said(compared: Collection[int], taken: Collection[int], share: float, reader: str) -> str:
    """One line on what a comparison came to.

    >>> said([4, 9], [9], 0.031, "pypdf")
    'pages 5, 10 were read by pypdf too, 3.1% of the words differ; page 10 is as pypdf reads it'
    """
    line = f"{_listed(compared)} read by {reader} too, {share:.1%} of the words differ"
    line = line.replace(" read by", " was read by" if len(compared) == 1 else " were read by", 1)
    if taken:
        verb = "is" if len(taken) == 1 else "are"
        line += f"; {_listed(taken)} {verb} as {reader} reads {'it' if verb == 'is' else 'them'}"
    return line


def _listed(pages: Collection[int]) -> str:
    if len(pages) == 1:
        return f"page {min(pages) + 1}"
    if len(pages) > _LISTED:
        return f"{len(pages):,} pages"
    return "pages " + ", ".join(str(page + 1) for page in sorted(pages))


def _worth(page: Page) -> float:
    """The letters that do not stand in words glued together, less what stands for others."""
    text = _text(page)
    letters = sum(map(str.isalpha, text)) * (1 - glued_ratio(text))
    return letters - 2 * unknown_characters(text)


def _words(pages: Iterable[Page]) -> Counter[str]:
    return Counter(word for page in pages for word in _WORD.findall(_text(page)))


def _text(page: Page) -> str:
    return "\n".join(line.text for line in page)
