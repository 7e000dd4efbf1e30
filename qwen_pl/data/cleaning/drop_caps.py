"""Puts large initials before the words that they begin."""

import re

from qwen_pl.data.cleaning.hyphens import LineJoiner
from qwen_pl.data.cleaning.measures import PlacedLine
from qwen_pl.data.page.line import Line, Page, is_large_initial

_INITIAL_QUOTES = "“‘«„\"'"
_INITIAL = re.compile(rf"[{_INITIAL_QUOTES}]?[^\W\d_]|[{_INITIAL_QUOTES}]")
_ONE_LETTER_WORDS = "AIOYÀÓÚАВИКОСУЯΗΟ"
_MOST_INITIALS = 50  # of a page; where more letters are large, they begin no paragraphs
_ARTICLES = "AIΗΟ"  # and the like, which begin a text more often than other words of one letter


def may_be_initial(text: str) -> bool:
    """Whether a line is one letter, or an opening quotation mark, or both."""
    return _INITIAL.fullmatch(text) is not None


def stands_beside(line: PlacedLine, initial: PlacedLine) -> bool:
    """Whether a line stands to the right of what may be a large initial, in its height."""
    is_initial = may_be_initial(initial.text) and line.page == initial.page
    return is_initial and _is_beside(line.line, initial.line)


def _is_beside(line: Line, initial: Line) -> bool:
    is_right = line.x > initial.x - 1.0 and initial.size > line.size > 0
    # The font may not have the size that would fill the lines: then it stands lower.
    is_close = 0.3 * initial.size < line.x - initial.x < 1.2 * initial.size
    reach = 1.3 if is_close else 1.0
    return is_right and initial.y - 1.0 < line.y < initial.y + reach * initial.size


def place_drop_caps(page: Page) -> Page:
    """Moves each large initial before the first line beside it.

    In the file it often comes before a heading above it, or after its paragraph.
    """
    initials = [index for index, line in enumerate(page) if may_be_initial(line.text)]
    if not initials:
        return page
    others = sorted(set(range(len(page))) - set(initials))
    smallest = min((page[index].size for index in others), default=0.0)
    large = [i for i in initials if is_large_initial(page[i].text, page[i].size, smallest)]
    before: dict[int, list[int]] = {}  # the initials that go before a line
    for number in large[:_MOST_INITIALS]:
        initial = page[number]
        beside = [
            index
            for index in others
            if _is_beside(page[index], initial)
            and is_large_initial(initial.text, initial.size, page[index].size)
        ]
        smallest = min((page[index].size for index in beside), default=0.0)
        # A heading is larger.
        beside = [index for index in beside if page[index].size < 1.1 * smallest]
        if beside:
            highest = max(beside, key=lambda index: page[index].y)
            before.setdefault(highest, []).append(number)
    moved = {number for numbers in before.values() for number in numbers}
    kept = [index for index in range(len(page)) if index not in moved]
    return [page[number] for index in kept for number in (*before.get(index, ()), index)]


def join_initial(initial: str, rest: str, joiner: LineJoiner) -> str:
    """Joins T and "he end" to "The end", but leaves a space in "A man".

    >>> joiner = LineJoiner(["a man and an adverb", "dvertisement"])
    >>> join_initial("A", "man", joiner), join_initial("A", "dvertisement", joiner)
    ('A man', 'Advertisement')
    """
    word = re.match(r"[^\W\d_]+", rest)
    if word is None:
        return initial + ("" if rest[0] in "’'" else " ") + rest
    if initial[-1] in _ONE_LETTER_WORDS and not _is_one_word(initial[-1], word[0], joiner):
        return f"{initial} {rest}"
    return initial + rest


def _is_one_word(letter: str, rest: str, joiner: LineJoiner) -> bool:
    """Whether the document has the whole word or, if it has no part of it, words that begin so."""
    whole, part = joiner.counts(letter + rest), joiner.counts(rest) - 1  # without this one
    if whole or part > 0:
        return whole > 0
    whole = joiner.counts_beginning(letter + rest[:3])
    part = joiner.counts_beginning(rest[:3]) - 1
    return whole > part or (whole == part and letter not in _ARTICLES)
