"""Opens a PDF with pypdf and takes what its pages show; imported by the child process only."""

import logging
import sys
import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pypdf
import pypdf.filters
from pypdf.generic import DictionaryObject

from qwen_pl.data.page.line import Box, Sheet
from qwen_pl.data.pdf.entries import entry, numbers
from qwen_pl.data.pdf.open_file import Frame, NeedsPassword, OpenFile, valid_unicode
from qwen_pl.data.pdf.pypdf.fonts import KnownFonts
from qwen_pl.data.pdf.pypdf.forms import form_lines
from qwen_pl.data.pdf.pypdf.layers import Layers
from qwen_pl.data.pdf.pypdf.page import PageContent
from qwen_pl.data.pdf.pypdf.pieces import Run, lines_of, on_page

_USUAL_BOX = (0.0, 0.0, 612.0, 792.0)
_CELL = 6.0  # points, in which it is seen whether text stands on other text

warnings.simplefilter("ignore")
sys.setrecursionlimit(10_000)  # 1000 forms in one another need 4000
pypdf.overwrite_configuration(disable_legacy_handling=True, jbig2dec_binary=None)


class _Unpacking(logging.Handler):
    """Hears that a stream is damaged, which pypdf says nowhere but in its log."""

    reason = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("Error "):  # as zlib says it
            self.reason = self.reason or f"a part of the content is damaged: {record.msg}"


_unpacking = _Unpacking()
logging.getLogger(pypdf.__name__).setLevel(logging.CRITICAL + 1)  # what is not of streams
_log_of_streams = logging.getLogger(pypdf.filters.__name__)
_log_of_streams.setLevel(logging.WARNING)
_log_of_streams.addHandler(_unpacking)
_log_of_streams.propagate = False


def open_file(source: str | bytes, password: str) -> OpenFile:
    """Opens a file by its path, or from its content.

    Raises:
        NeedsPassword: If the password does not open it.
        Exception: If it is damaged; ``ValueError``, ``RecursionError`` and others come through.
    """
    content = BytesIO(source) if isinstance(source, bytes) else source
    reader = pypdf.PdfReader(content, strict=False)
    if reader.is_encrypted and not reader.decrypt(password):
        raise NeedsPassword
    pages = _Pages(reader)
    return OpenFile(
        num_pages=len(reader.pages),
        producer=valid_unicode(_producer(reader)),
        sheet=pages.sheet,
        hides_layers=pages.layers.hide_any,
    )


def _producer(reader: pypdf.PdfReader) -> str:
    try:
        metadata = reader.metadata
        return str(metadata.get("/Producer", "")) if metadata else ""
    except MemoryError:
        raise
    except Exception:
        return ""  # damaged metadata says nothing about the pages


class _Pages:
    """The pages of an open file."""

    def __init__(self, reader: pypdf.PdfReader) -> None:
        self._reader = reader
        self._fonts = KnownFonts()
        catalog = entry(reader.trailer, "/Root")
        self.layers = Layers(catalog)
        self._form = entry(catalog, "/AcroForm")

    def sheet(self, index: int) -> tuple[Sheet, str]:
        """A page, and what is left out of it."""
        page = self._reader.pages[index]
        frame = _frame(page)
        content = PageContent(frame, self._fonts, self.layers)
        _unpacking.reason = ""
        content.follow(entry(page, "/Contents"), _inherited(page, "/Resources"))
        damage = content.left_out or _unpacking.reason
        pictures = content.drawn.pictures()
        lines = on_page(lines_of(_seen(content, pictures)), frame.shown)
        lines += form_lines(page, self._form, frame, self._fonts, self.layers)
        return Sheet(lines, frame.shown, content.drawn.rulings(pictures), pictures), damage


def _seen(content: PageContent, pictures: tuple[Box, ...]) -> list[Run]:
    """The runs of a page with those of its text that is not painted but lies on a picture.

    Such is the text of a scan. Where other text lies over it, or no picture on a page with other
    text, it is there for another reason.
    """
    if not content.hidden:
        return content.runs
    if not any(run.text.strip() for run in content.runs):
        return [hidden.run for hidden in content.hidden]
    taken = {cell for run in content.runs for cell in _cells(run)}
    runs, at = [], 0
    for index, run in content.hidden:
        runs += content.runs[at:index]
        at = index
        x, y = (run.x + run.end) / 2, run.y + run.size / 4
        on_picture = run.turn or any(p[0] <= x <= p[2] and p[1] <= y <= p[3] for p in pictures)
        if on_picture and taken.isdisjoint(_cells(run)):
            runs.append(run)
    return runs + content.runs[at:]


def _cells(run: Run) -> Iterator[tuple[int, int, int]]:
    """The cells of a grid that the middle of a run goes through."""
    row = round((run.y + run.size / 4) / _CELL)
    for column in range(int(run.x / _CELL), int(min(run.end, run.x + 10_000) / _CELL) + 1):
        yield run.turn, row, column


def _frame(page: Any) -> Frame:
    """The page as it is shown; one of a usual size if it has none that can be meant."""
    box = numbers(_inherited(page, "/MediaBox"), 4)
    box = _sorted(box) if box else _USUAL_BOX
    if box[2] - box[0] < 1 or box[3] - box[1] < 1:
        box = _USUAL_BOX
    crop = numbers(_inherited(page, "/CropBox"), 4)
    if crop:
        left, lower, right, upper = _sorted(crop)
        within = max(left, box[0]), max(lower, box[1]), min(right, box[2]), min(upper, box[3])
        if within[2] - within[0] >= 1 and within[3] - within[1] >= 1:
            box = within
    rotation = _inherited(page, "/Rotate")
    quarters = int(rotation) // 90 % 4 if isinstance(rotation, int | float) else 0
    return Frame(quarters, box)


def _sorted(box: tuple[float, ...]) -> Box:
    return min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])


def _inherited(page: Any, key: str) -> Any:
    """An entry of a page, or of the nearest node above it that has one."""
    seen: set[int] = set()
    while isinstance(page, DictionaryObject) and id(page) not in seen:
        seen.add(id(page))
        value = entry(page, key)
        if value is not None:
            return value
        page = entry(page, "/Parent")
    return None
