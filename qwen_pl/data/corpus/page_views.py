"""Shows what the layout stage sees on a page: its picture, with each block drawn in a colour."""

import base64
import binascii
import dataclasses
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from qwen_pl.data.corpus.reading import ReadingSettings
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.page.line import Box
from qwen_pl.data.pdf.child import Child, ChildStopped
from qwen_pl.data.pdf.messages import box_of, note
from qwen_pl.data.pdf.read import PdfText
from qwen_pl.data.pdf.readers import installed_version
from qwen_pl.data.report.write import template
from qwen_pl.errors import InputError
from qwen_pl.files import write_text

_MOST_PAGES = 50
_START_SECONDS = 60.0
_PNG = b"\x89PNG\r\n\x1a\n"
COLOURS = {
    Role.HEADING: "#c2185b",
    Role.PROSE: "#1e88e5",
    Role.ITEM: "#00897b",
    Role.CODE: "#6d4c41",
    Role.TABLE: "#f57c00",
    Role.CAPTION: "#8e24aa",
    Role.FIGURE: "#fbc02d",
    Role.FOOTNOTE: "#3949ab",
    Role.FORMULA: "#43a047",
    Role.BIBLIOGRAPHY: "#5e35b1",
    Role.CONTENTS: "#90a4ae",
    Role.RUNNING_HEAD: "#e53935",
    Role.MARGIN: "#757575",
    Role.FORM: "#00acc1",
}


class RowBox(NamedTuple):
    """A row of print on a page, in points from its left upper corner."""

    role: Role
    block: int
    left: float
    top: float
    width: float
    height: float
    text: str


class PageView(NamedTuple):
    """A page as it looks, and its rows in the order in which they are read."""

    number: int
    """Counted from 1."""
    width: float
    height: float
    """In points."""
    picture: str
    """A PNG file in base64."""
    rows: list[RowBox]


def page_numbers(text: str) -> list[int]:
    """Pages as somebody asks for them, counted from 1.

    >>> page_numbers("3-5,9")
    [3, 4, 5, 9]
    """
    pages: list[int] = []
    for part in text.split(","):
        if not (match := re.fullmatch(r"\s*(\d{1,7})(?:\s*-\s*(\d{1,7}))?\s*", part)):
            raise InputError(f"--debug-pages is {text!r}: give pages as in 3-5 or 1,7,20-22")
        first = int(match[1])
        last = int(match[2] or first)
        if not 1 <= first <= last:
            raise InputError(f"--debug-pages: {part.strip()} is no range: pages are counted from 1")
        pages += range(first, min(last, first + _MOST_PAGES) + 1)
        if len(pages) > _MOST_PAGES:
            raise InputError(f"--debug-pages {text} is more than {_MOST_PAGES} pages: give fewer")
    return pages


def check_can_render() -> None:
    """Raises an ``InputError`` if what renders pages is not installed."""
    if not installed_version("pdfium"):
        raise InputError("--debug-pages needs a package more: pip install pypdfium2")


def page_views(pdf: PdfText, pages: Sequence[int], settings: ReadingSettings) -> list[PageView]:
    """Pictures of those pages that the file has, with what was found on them.

    The file is rendered by a child process within the limits of ``settings``.

    Raises:
        ChildStopped: If it meets one, or if the file is not to be rendered.
    """
    pages = [number for number in pages if number <= len(pdf.sheets)]
    if not pages:
        return []
    limits = settings.limits
    job = {
        "path": str(pdf.path.resolve()),
        "password": settings.password,
        "pages": pages,
        "num_pages": len(pdf.sheets),
        "cleaning": dataclasses.asdict(settings.cleaning),
        "memory_mb": limits.memory_mb,
    }
    deadline = time.monotonic() + limits.file_seconds
    seconds = limits.page_seconds * (1 + len(pdf.sheets))  # all of them are laid out for the first
    with Child("qwen_pl.data.corpus.page_views_worker", limits.memory_mb, "rendering") as child:
        child.send(job)
        for sheet in pdf.sheets:
            child.send({"sheet": sheet})
        try:
            child.next_message(_START_SECONDS, deadline)
            return [_view(child.next_message(seconds, deadline)) for _ in pages]
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise ChildStopped(
                "crashed", "the rendering process sent what makes no sense"
            ) from None


def _view(message: dict[str, Any]) -> PageView:
    if message["type"] != "view" or type(message["page"]) is not int:
        raise ValueError
    page = box_of(*message["box"])
    if not base64.b64decode(message["picture"], validate=True).startswith(_PNG):
        raise ValueError
    left, lower, right, upper = page
    rows = [_row(page, *row) for row in message["rows"]]
    return PageView(message["page"], right - left, upper - lower, message["picture"], rows)


def _row(page: Box, role: str, block: int, *numbers: Any) -> RowBox:
    *place, text = numbers
    left, lower, right, upper = box_of(*place)
    if type(text) is not str or type(block) is not int:
        raise ValueError
    corner, size = (left - page[0], page[3] - upper), (right - left, upper - lower)
    return RowBox(Role(role), block, *corner, *size, note(text))


def write_views(file: Path, views: Sequence[tuple[str, Sequence[PageView]]]) -> None:
    """Writes a page of HTML with the views of each file, by its name."""
    page = template("page_views.html.j2").render(files=views, colours=COLOURS)
    write_text(file, page)
