"""Finds which paragraphs are items of lists, and how deep their lists are nested."""

import re
from collections.abc import Sequence

from qwen_pl.data.layout.measures import SAME_PLACE, PlacedLine
from qwen_pl.data.layout.roles import Role

_SIGN = re.compile(r"[•‣◦▪▫■□●○∙⁃➢►✓]")
_DIALOGUE = re.compile(r"—|―")  # begins a speech, in many languages

_Lines = Sequence[PlacedLine]


def item_levels(paragraphs: Sequence[_Lines]) -> list[int]:
    """For each paragraph of lines, how many lists it is an item of; 0 if it is none.

    A sign of lists tells an item. A number, a letter or a dash tells one only where its other lines
    are set in behind it, or where a paragraph beside it begins so in the same place, since a
    sentence may begin with them too.
    """
    levels = []
    places: list[float] = []  # of the lists that are open, the innermost last
    for number, lines in enumerate(paragraphs):
        before = paragraphs[number - 1] if number else ()
        after = paragraphs[number + 1] if number + 1 < len(paragraphs) else ()
        if not _is_item(lines, before, after):
            places = []
            levels.append(0)
            continue
        place = lines[0].offset
        while places and places[-1] > place + SAME_PLACE:
            places.pop()
        if not places or place > places[-1] + SAME_PLACE:
            places.append(place)
        levels.append(len(places))
    return levels


def _is_item(lines: _Lines, before: _Lines, after: _Lines) -> bool:
    first = lines[0]
    if first.line.role is not Role.PROSE or not first.is_item or _DIALOGUE.match(first.text):
        return False
    if _SIGN.match(first.text):
        return True
    if len(lines) > 1 and all(line.offset > first.offset + SAME_PLACE for line in lines[1:]):
        return True
    return any(
        other[0].is_item and abs(other[0].offset - first.offset) < SAME_PLACE
        for other in (before, after)
        if other
    )
