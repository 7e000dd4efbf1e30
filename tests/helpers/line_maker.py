"""Lines with places, as the PDF reader gives them, for tests of what comes after it."""

import random
from collections.abc import Iterable

from qwen_pl.data.page.line import Line, Page


def set_lines(
    texts: Iterable[str],
    *,
    x: float = 72,
    top: float = 700,
    size: float = 10,
    leading: float = 12,
) -> Page:
    """Lines below each other, in points; leading spaces set a line in by 5 points each.

    An empty text leaves a line free.
    """
    return [
        Line(text.strip(), x + 5 * (len(text) - len(text.lstrip())), top - row * leading, size)
        for row, text in enumerate(texts)
        if text
    ]


def made_up_lines(number: int, page: int) -> list[str]:
    """Lines of text without sense or numbers, others for every page; all are nearly as long."""
    source = random.Random(page)
    letters = "abcdefghijklmnopqrstuvwxyz" + 5 * " "
    return ["x".join(source.choices(letters, k=60)).replace("x x", " ") for _ in range(number)]
