"""Which pages of a PDF are read as pictures, and how what was read there takes its place."""

import re
from collections.abc import Sequence

from qwen_pl.data.page.legibility import unreadable_shares
from qwen_pl.data.page.line import Sheet

SECONDS_A_PAGE = 4
"""Of one core, for a page of some 350 words; a blank one takes none."""

_UNREADABLE = 0.2  # share of the characters of a page that no font explains rightly
_STAMP = 200  # characters of a page that may be no more than a stamp
_WHOLE = 0.9  # of the page, that its picture covers
# Of 216 curled quotes on noisy pages the network saw 5 as what they are; of as many straight ones
# it saw none as curled.
_CURLED_SHARE = 0.02  # of a file's opening quotes, where one alone is seen as curled
_LEAST_CURLED_SHARE = 0.005  # where two or more are
_CURLED_OPENING = re.compile(r"(?:(?<=\s)|^)“(?=\w)", re.MULTILINE)
_STRAIGHT_OPENING = re.compile(r"(?:(?<=\s)|^)\"(?=\w)", re.MULTILINE)
_BEGINS = re.compile(r"(?:(?<=[\s(\[—–-])|^)([\"'])(?=[\w“‘\"'])", re.MULTILINE)
_OPENING, _CLOSING = {'"': "“", "'": "‘"}, {'"': "”", "'": "’"}


def pages_to_read(sheets: Sequence[Sheet], ocr: str) -> list[int]:
    """The indices of pages that are read as pictures: with ``auto`` those without legible text."""
    if ocr == "always":
        return [*range(len(sheets))]
    if ocr == "never":
        return []
    shares = unreadable_shares([sheet.lines for sheet in sheets])
    return [
        index
        for index, (sheet, share) in enumerate(zip(sheets, shares, strict=True))
        if share > _UNREADABLE or not _has_text(sheet) or _is_stamped(sheet)
    ]


def _has_text(sheet: Sheet) -> bool:
    return any(line.text.strip() for line in sheet.lines)


def _is_stamped(sheet: Sheet) -> bool:
    """Whether a page is a picture with a line or two put upon it, such as where it comes from."""
    if sum(len(line.text) for line in sheet.lines) > _STAMP:
        return False
    left, lower, right, upper = sheet.box
    area = (right - left) * (upper - lower)
    return any(
        (right - left) * (upper - lower) > _WHOLE * area > 0
        for left, lower, right, upper in sheet.pictures
    )


def with_true_quotes(sheets: Sequence[Sheet]) -> list[Sheet]:
    """Pages whose straight quotes are curled, if the file is seen to have curled ones.

    >>> from qwen_pl.data.page.line import Line
    >>> [sheet] = with_true_quotes([Sheet([Line("“Ma'am,' 'he said", 0, 0, 9)])])
    >>> sheet.lines[0].text
    '“Ma’am,’ ‘he said'
    """
    text = "\n".join(line.text for sheet in sheets for line in sheet.lines)
    curled, straight = len(_CURLED_OPENING.findall(text)), len(_STRAIGHT_OPENING.findall(text))
    share = _CURLED_SHARE if curled < 2 else _LEAST_CURLED_SHARE
    if not curled or curled < share * (curled + straight):
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
