"""Which pages of a PDF are read as pictures, and how what was read there takes its place."""

import re
from collections.abc import Sequence

from qwen_pl.data.page.legibility import unreadable_shares
from qwen_pl.data.page.line import Page, Sheet

SECONDS_A_PAGE = 3
"""Of one core of a machine of 2020, for a page of 400 words; less where there is less text."""

_UNREADABLE = 0.2  # share of the characters of a page that no font explains rightly
_LEAST_CURLED = 0.05  # share of a file's opening quotes that are seen as curled ones
# Networks see few of the curled quotes as what they are, but no straight one as curled.
_CURLED_OPENING = re.compile(r"(?:(?<=\s)|^)“(?=\w)", re.MULTILINE)
_STRAIGHT_OPENING = re.compile(r"(?:(?<=\s)|^)\"(?=\w)", re.MULTILINE)
_BEGINS = re.compile(r"(?:(?<=[\s(\[—–-])|^)([\"'])(?=[\w“‘\"'])", re.MULTILINE)
_OPENING, _CLOSING = {'"': "“", "'": "‘"}, {'"': "”", "'": "’"}


def pages_to_read(pages: Sequence[Page], ocr: str) -> list[int]:
    """The indices of pages that are read as pictures: with ``auto`` those without legible text."""
    if ocr == "always":
        return [*range(len(pages))]
    if ocr == "never":
        return []
    return [
        index
        for index, (page, share) in enumerate(zip(pages, unreadable_shares(pages), strict=True))
        if share > _UNREADABLE or not any(line.text.strip() for line in page)
    ]


def with_true_quotes(sheets: Sequence[Sheet]) -> list[Sheet]:
    """Pages whose straight quotes are curled, if the file is seen to have curled ones.

    >>> from qwen_pl.data.page.line import Line
    >>> [sheet] = with_true_quotes([Sheet([Line("“Ma'am,' 'he said", 0, 0, 9)])])
    >>> sheet.lines[0].text
    '“Ma’am,’ ‘he said'
    """
    text = "\n".join(line.text for sheet in sheets for line in sheet.lines)
    curled, straight = len(_CURLED_OPENING.findall(text)), len(_STRAIGHT_OPENING.findall(text))
    if not curled or curled < _LEAST_CURLED * (curled + straight):
        return [*sheets]
    return [
        sheet._replace(lines=[line._replace(text=_curled(line.text)) for line in sheet.lines])
        for sheet in sheets
    ]


def _curled(text: str) -> str:
    text = _BEGINS.sub(lambda found: _OPENING[found[1]], text)
    for straight, closing in _CLOSING.items():
        text = text.replace(straight, closing)
    return text
