"""Puts large initials before the words that they begin."""

import re
from collections.abc import Sequence
from typing import TypeVar

from qwen_pl.data.layout.row import Placed
from qwen_pl.data.page.line import is_large_initial

Printed = TypeVar("Printed", bound=Placed)

_INITIAL_QUOTES = "“‘«„\"'"
_INITIAL = re.compile(rf"[{_INITIAL_QUOTES}]?[^\W\d_]|[{_INITIAL_QUOTES}]")
_MOST_INITIALS = 50  # of a page; where more letters are large, they begin no paragraphs


def may_be_initial(text: str) -> bool:
    """Whether a line is one letter, or an opening quotation mark, or both."""
    return _INITIAL.fullmatch(text) is not None


def stands_beside(line: Placed, initial: Placed) -> bool:
    """Whether a line stands to the right of what may be a large initial, in its height."""
    return may_be_initial(initial.text) and _is_beside(line, initial)


def _is_beside(line: Placed, initial: Placed) -> bool:
    is_right = line.x > initial.x - 1.0 and initial.size > line.size > 0
    # The font may not have the size that would fill the lines: then it stands lower.
    is_close = 0.3 * initial.size < line.x - initial.x < 1.2 * initial.size
    reach = 1.3 if is_close else 1.0
    return is_right and initial.y - 1.0 < line.y < initial.y + reach * initial.size


def place_drop_caps(page: Sequence[Printed]) -> Sequence[Printed]:
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
