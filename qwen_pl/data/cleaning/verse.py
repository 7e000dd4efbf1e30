"""Finds verse, whose lines end where the poet wants and not where the paper does."""

from collections.abc import Sequence
from itertools import groupby, pairwise

from qwen_pl.data.cleaning.measures import PlacedLine

_FEWEST_LINES = 4
_MANY_LINES = 7  # that end in mid-sentence
_FULLEST = 0.95  # of the reach of a full line
_EARLY = 0.9  # of that reach, with the word that comes next
_SHARE = 0.25  # of the lines that end early and in mid-sentence
_OPENING = "“‘«„\"'([—"


def find_verse(lines: Sequence[PlacedLine]) -> set[int]:
    """The indices of lines in runs of short ones that all begin with a capital letter.

    Many of them end in mid-sentence where the next word would have had room, as lines of prose do
    not. Addresses, title pages and other things that are set line by line look the same. Text all
    in capitals does not count, nor do scripts that have none.
    """
    found: set[int] = set()
    for is_verse, run in groupby(range(len(lines)), lambda index: _may_be_verse(lines[index])):
        indices = list(run)
        early = sum(_ends_early(lines[i], lines[j]) for i, j in pairwise(indices))
        # Prose does not go on with a capital on so many lines by chance, as a dialogue begins.
        go_on = sum(not lines[index].ends_sentence for index in indices)
        enough = 1 if go_on >= _MANY_LINES else max(2, _SHARE * len(indices))
        if is_verse and len(indices) >= _FEWEST_LINES and early >= enough:
            found.update(indices)
    return found


def begins_with_capital(text: str) -> bool:
    """Whether the first letter is a capital, but for opening quotation marks and brackets."""
    return text.lstrip(_OPENING)[:1].isupper()


def _may_be_verse(line: PlacedLine) -> bool:
    is_short = line.fullness < _FULLEST
    return is_short and begins_with_capital(line.text) and not line.text.isupper()


def _ends_early(line: PlacedLine, after: PlacedLine) -> bool:
    """Whether the next word would have gone on a line that ends in mid-sentence."""
    letters = len(line.text) + 1 + len(after.text.split()[0])
    return not line.ends_sentence and line.fullness * letters / len(line.text) < _EARLY
