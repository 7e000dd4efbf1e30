"""Puts large initials before the words that they begin."""

import re

from qwen_pl.data.pdf import Line, Page

_OPENING_QUOTES = "“‘«„\"'"
_INITIAL = re.compile(rf"[{_OPENING_QUOTES}]?[^\W\d_]")
_LARGER = 1.5  # times the size of the lines beside it


def may_be_drop_cap(text: str) -> bool:
    """Whether a line is one letter, perhaps with an opening quotation mark."""
    return _INITIAL.fullmatch(text) is not None


def is_beside(line: Line, initial: Line) -> bool:
    """Whether a line stands to the right of a large initial, in its height."""
    is_right = line.x > initial.x - 1.0 and initial.size > line.size > 0
    return is_right and initial.y - 1.0 < line.y < initial.y + initial.size


def place_drop_caps(pages: list[Page]) -> list[Page]:
    """Moves each large initial before the first line beside it.

    In the file it often comes before a heading above it, or after its paragraph.
    """
    return [_place_initials(page) for page in pages]


def _place_initials(page: Page) -> Page:
    initials = [line for line in page if may_be_drop_cap(line.text)]
    for initial in initials:
        beside = [
            line
            for line in page
            if line is not initial
            and is_beside(line, initial)
            and initial.size > _LARGER * line.size
            and not may_be_drop_cap(line.text)
        ]
        if beside:
            page = [line for line in page if line is not initial]
            highest = max(beside, key=lambda line: line.y)
            page.insert(_index(page, highest), initial)
    return page


def _index(page: Page, wanted: Line) -> int:
    return next(index for index, line in enumerate(page) if line is wanted)
