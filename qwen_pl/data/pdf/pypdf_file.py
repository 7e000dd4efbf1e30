"""Opens a PDF with pypdf and takes the lines of its pages; imported by the child process only."""

import logging
import math
import sys
import warnings
from collections import Counter
from io import BytesIO
from typing import Any

import pypdf
from pypdf.errors import PyPdfError

from qwen_pl.data.page.line import Line, Sheet, is_large_initial
from qwen_pl.data.page.scripts import in_reading_order
from qwen_pl.data.pdf.open_file import (
    NOWHERE,
    NeedsPassword,
    OpenFile,
    Place,
    raise_number,
    upright,
    valid_unicode,
)
from qwen_pl.data.pdf.pypdf_mended import mend_pypdf

_MOST_FORMS = 1000  # of a page

warnings.simplefilter("ignore")
sys.setrecursionlimit(10_000)  # of what lies deeper pypdf says nothing; 1000 forms need 4000
pypdf.overwrite_configuration(
    disable_legacy_handling=True,
    jbig2dec_binary=None,
    # Forms in forms, each shown twice, are a thousand million after 30 levels. Those beyond the
    # limit are left out; the text of the page itself is not.
    xform_maximum_invocations_per_extraction=_MOST_FORMS,
)


class _LeftOut(logging.Handler):
    """Hears what pypdf leaves out of a page, which it says nowhere but in its log."""

    reason = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("Exceeded %(limit)d form XObject"):
            self.reason = f"has more than {_MOST_FORMS} forms, the rest is left out"
        elif record.msg.startswith("Impossible to decode XFormObject"):
            error = record.args["exception"] if isinstance(record.args, dict) else None
            if isinstance(error, PyPdfError | RecursionError):  # else there is no such form
                self.reason = self.reason or f"a form is left out: {error}"


_left_out = _LeftOut()
logging.getLogger(pypdf.__name__).setLevel(logging.CRITICAL + 1)  # what is not of pages
_log_of_pages = logging.getLogger(pypdf.PageObject.__module__)
_log_of_pages.setLevel(logging.WARNING)
_log_of_pages.addHandler(_left_out)
_log_of_pages.propagate = False
_CAVEAT = "" if mend_pypdf() else "this version of pypdf may lose spaces between words"


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
    return OpenFile(
        num_pages=len(reader.pages),
        producer=valid_unicode(_producer(reader)),
        sheet=lambda index: _read_page(reader.pages[index]),
        caveat=_CAVEAT,
    )


def _producer(reader: pypdf.PdfReader) -> str:
    try:
        metadata = reader.metadata
        return str(metadata.get("/Producer", "")) if metadata else ""
    except MemoryError:
        raise
    except Exception:
        return ""  # damaged metadata says nothing about the pages


def _read_page(page: Any) -> tuple[Sheet, str]:
    _left_out.reason = ""
    return Sheet(_page_lines(page)), _left_out.reason


def _page_lines(page: Any) -> list[Line]:
    """The lines of a pypdf page that have text."""
    lines: list[Line] = []
    pieces: list[Line] = []  # of the line that is being shown

    def end_line() -> None:
        if any(piece.text.strip() for piece in pieces):
            lines.append(_join(pieces))
        pieces.clear()

    def visit(text: str, cm: list[float], tm: list[float], font: Any, font_size: float) -> None:
        place = _place(cm, tm, font_size)
        if _begins_line(text, place, pieces):
            end_line()
        first, *others = text.split("\n")
        pieces.append(Line(first, *place))
        for other in others:
            end_line()
            pieces.append(Line(other, *place))

    text = valid_unicode(page.extract_text(visitor_text=visit))
    end_line()
    if _count_letters(text) != sum(_count_letters(line.text) for line in lines):
        # The visitor was not shown everything: better without places than without the text.
        return [Line(line, *NOWHERE) for line in text.split("\n") if line.strip()]
    return _forget_places_off(page, lines)


def _begins_line(text: str, place: Place, pieces: list[Line]) -> bool:
    """Whether a piece is a large initial to the left of the line that it is shown after.

    It has the baseline of a later line of its paragraph.
    """
    start = next((piece for piece in pieces if piece.text.strip()), None)
    x, _, size = place
    return start is not None and x < start.x and is_large_initial(text, size, start.size)


def _forget_places_off(page: Any, lines: list[Line]) -> list[Line]:
    """Takes the places from lines that seem to stand off the page, if they are the lesser part.

    pypdf gives the lines of a form XObject with places in the form rather than on the page.
    """
    try:
        left, bottom, right, top = map(float, page.mediabox)
    except (TypeError, ValueError, OverflowError):
        return lines
    if page.rotation % 180:
        return lines

    def is_on_page(line: Line) -> bool:
        return left <= line.x <= right and bottom <= line.y <= top

    if sum(map(is_on_page, lines)) < len(lines) / 2:
        return lines
    return [line if is_on_page(line) else Line(line.text, *NOWHERE) for line in lines]


def _count_letters(text: str) -> int:
    return sum(map(len, text.split()))


def _join(pieces: list[Line]) -> Line:
    """One line from its pieces: it starts at the first, and has the size that most letters have.

    Raised digits become superscripts, so that "x²" is not taken for "x2".
    """
    letters: Counter[float] = Counter()
    for piece in pieces:
        letters[piece.size] += len(piece.text.strip())
    size = letters.most_common(1)[0][0] or 1.0
    shown = [piece for piece in pieces if piece.text.strip()]
    y = next((piece.y for piece in shown if piece.size == size), pieces[0].y)
    runs = [raise_number(piece.text, piece.y - y, piece.size / size) for piece in pieces]
    return Line(valid_unicode(in_reading_order(runs)), shown[0].x, y, size)


def _place(cm: list[float], tm: list[float], font_size: float) -> Place:
    """Where text starts and how large it is, seen with the text upright."""
    right = (tm[0] * cm[0] + tm[1] * cm[2], tm[0] * cm[1] + tm[1] * cm[3])
    x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
    y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
    return upright(x, y, abs(font_size) * math.hypot(*right), right)
