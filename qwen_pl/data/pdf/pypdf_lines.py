"""Puts the pieces of text that pypdf finds on a page together to lines with a place."""

import math
from collections import Counter
from typing import Any

from qwen_pl.data.page.right_to_left import in_reading_order
from qwen_pl.data.pdf.places import (
    NOWHERE,
    Placed,
    is_initial,
    raise_number,
    upright,
    valid_unicode,
)


def page_lines(page: Any) -> list[Placed]:
    """The lines of a pypdf page that have text, as ``(text, x, y, size)`` in points."""
    lines: list[Placed] = []
    pieces: list[Placed] = []

    def end_line() -> None:
        if any(text.strip() for text, *_ in pieces):
            lines.append(_join(pieces))
        pieces.clear()

    def visit(text: str, cm: list[float], tm: list[float], font: Any, font_size: float) -> None:
        place = _place(cm, tm, font_size)
        if _is_initial(text, place, pieces):
            end_line()
        first, *others = text.split("\n")
        pieces.append((first, *place))
        for other in others:
            end_line()
            pieces.append((other, *place))

    text = valid_unicode(page.extract_text(visitor_text=visit))
    end_line()
    if _count_letters(text) != sum(_count_letters(line_text) for line_text, *_ in lines):
        # The visitor was not shown everything: better without places than without the text.
        return [(line, *NOWHERE) for line in text.split("\n") if line.strip()]
    return _forget_places_off(page, lines)


def _is_initial(text: str, place: tuple[float, float, float], pieces: list[Placed]) -> bool:
    """Whether a piece is a large initial to the left of the line that it is shown after."""
    start = next((piece for piece in pieces if piece[0].strip()), None)
    x, _, size = place
    return start is not None and is_initial(text, x, size, start[1], start[3])


def _forget_places_off(page: Any, lines: list[Placed]) -> list[Placed]:
    """Takes the places from lines that seem to stand off the page, if they are the lesser part.

    pypdf gives the lines of a form XObject with places in the form rather than on the page.
    """
    try:
        left, bottom, right, top = map(float, page.mediabox)
    except (TypeError, ValueError, OverflowError):
        return lines
    if page.rotation % 180:
        return lines
    on_page = [left <= x <= right and bottom <= y <= top for _, x, y, _ in lines]
    if sum(on_page) < len(lines) / 2:
        return lines
    return [
        line if is_on_page else (line[0], *NOWHERE)
        for line, is_on_page in zip(lines, on_page, strict=True)
    ]


def _count_letters(text: str) -> int:
    return sum(map(len, text.split()))


def _join(pieces: list[Placed]) -> Placed:
    """One line from its pieces: it starts at the first, and has the size that most letters have.

    Raised digits become superscripts, so that "x²" is not taken for "x2".
    """
    letters: Counter[float] = Counter()
    for text, _, _, size in pieces:
        letters[size] += len(text.strip())
    size = letters.most_common(1)[0][0] or 1.0
    x = next(x for text, x, _, _ in pieces if text.strip())
    y = next((y for text, _, y, own in pieces if text.strip() and own == size), pieces[0][2])
    runs = [raise_number(text, own_y - y, own / size) for text, _, own_y, own in pieces]
    return valid_unicode(in_reading_order(runs)), x, y, size


def _place(cm: list[float], tm: list[float], font_size: float) -> tuple[float, float, float]:
    """Where text starts and how large it is, seen with the text upright: ``(x, y, size)``."""
    right = (tm[0] * cm[0] + tm[1] * cm[2], tm[0] * cm[1] + tm[1] * cm[3])
    x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
    y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
    return upright(x, y, abs(font_size) * math.hypot(*right), right)
