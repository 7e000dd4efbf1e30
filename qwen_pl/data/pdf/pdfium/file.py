"""Opens a PDF with pdfium and takes what its pages show; imported by the child process only."""

import ctypes
import mmap
import re
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from qwen_pl.data.page.line import Sheet
from qwen_pl.data.pdf.open_file import FORM_FONT, Frame, NeedsPassword, OpenFile
from qwen_pl.data.pdf.pdfium.characters import Characters
from qwen_pl.data.pdf.pdfium.fonts import told_text
from qwen_pl.data.pdf.pdfium.lines import lines_of_page
from qwen_pl.data.pdf.pdfium.objects import Looked

_PACKED_OBJECTS = re.compile(rb"/Type\s*/ObjStm")
_LONGEST_DICTIONARY = 1_000  # bytes, of a stream of packed objects
_MOST_UNPACKED = 32 << 20  # bytes
_MOST_NOTES = 1_000  # of a page


def open_file(source: str | bytes, password: str) -> OpenFile:
    """Opens a file by its path, or from its content.

    Raises:
        NeedsPassword: If the password does not open it.
        Exception: If it is damaged.
    """
    document = open_document(source, password)
    pages = _Pages(document, source, password)
    return OpenFile(num_pages=len(document), producer=producer(document), sheet=pages.sheet)


def open_document(source: str | bytes, password: str) -> pypdfium2.PdfDocument:
    """What ``open_file`` opens, as pdfium has it."""
    try:
        return pypdfium2.PdfDocument(source, password=password)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise NeedsPassword from None
        raise


def producer(document: pypdfium2.PdfDocument) -> str:
    """As the file says; pypdfium2 itself refuses a text with half a surrogate pair."""
    size = pdfium.FPDF_GetMetaText(document, b"Producer", None, 0)
    buffer = ctypes.create_string_buffer(size)
    pdfium.FPDF_GetMetaText(document, b"Producer", buffer, size)
    return buffer.raw[: max(0, size - 2)].decode("utf-16-le", "replace")  # it ends with a zero


class _Pages:
    """The pages of an open file; pypdf reads those parts that pdfium does not tell of."""

    def __init__(self, document: pypdfium2.PdfDocument, source: str | bytes, password: str) -> None:
        self._document, self._source, self._password = document, source, password

    def sheet(self, index: int) -> tuple[Sheet, str]:
        """What is on a page, and what is left out; a ``ValueError`` if pdfium cannot load it."""
        page = pdfium.FPDF_LoadPage(self._document, index)
        if not page:
            raise ValueError("pdfium cannot load it")
        frame = _frame(page)
        # It has other rules for the order of lines on a page that is turned.
        pdfium.FPDFPage_SetRotation(page, 0)
        text_page = pdfium.FPDFText_LoadPage(page)
        try:
            if not text_page:
                raise ValueError("pdfium cannot load its text")
            looked = Looked(page, frame)
            if self._may_hide_layers and looked.has_layers and self._by_pypdf.hides_layers:
                return self._by_pypdf.sheet(index)
            characters = Characters(text_page, frame)
            characters.text = told_text(characters.address, characters.text)
            lines = lines_of_page(characters, looked)
            if _has_written_notes(page):
                others = self._by_pypdf.sheet(index)[0].lines
                lines += [line for line in others if line.font == FORM_FONT]
            return Sheet(lines, frame.shown, tuple(looked.rulings), tuple(looked.pictures)), ""
        finally:
            pdfium.FPDFPage_SetRotation(page, frame.quarters)
            pdfium.FPDFText_ClosePage(text_page)
            pdfium.FPDF_ClosePage(page)

    @cached_property
    def _by_pypdf(self) -> OpenFile:
        from qwen_pl.data.pdf.pypdf import file as pypdf_file  # which few files need

        return pypdf_file.open_file(self._source, self._password)

    @cached_property
    def _may_hide_layers(self) -> bool:
        """Whether the file has layers, as its catalog says, which may be in a packed stream."""
        if isinstance(self._source, bytes):
            return has_layers(self._source)
        with (
            Path(self._source).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return has_layers(content)


def has_layers(content: bytes | mmap.mmap) -> bool:
    """Whether a file has layers; true also where that costs too much to find out.

    pdfium tells of no catalog, and pypdf takes a quarter of a second to begin.
    """
    if content.find(b"/OCProperties") >= 0 or content.find(b"/Encrypt") >= 0:
        return True
    left = _MOST_UNPACKED
    for match in _PACKED_OBJECTS.finditer(content):
        start = content.find(b"stream", match.end(), match.end() + _LONGEST_DICTIONARY)
        if start < 0 or b"/DecodeParms" in content[match.start() - 200 : start]:
            return True
        start += 8 if content[start + 6 : start + 8] == b"\r\n" else 7
        unpacker = zlib.decompressobj()
        try:
            objects = unpacker.decompress(content[start : start + left], left)
        except zlib.error:
            return True
        left -= len(objects)
        if b"/OCProperties" in objects or left <= 0:
            return True
    return False


def _has_written_notes(page: Any) -> bool:
    """Whether a page has fields of a form, or notes that are written on it."""
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), _MOST_NOTES)):
        note = pdfium.FPDFPage_GetAnnot(page, index)
        if not note:
            continue
        kind = pdfium.FPDFAnnot_GetSubtype(note)
        pdfium.FPDFPage_CloseAnnot(note)
        if kind in (pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_FREETEXT):
            return True
    return False


def _frame(page: Any) -> Frame:
    """How a page is shown."""
    box = pdfium.FS_RECTF()
    pdfium.FPDF_GetPageBoundingBox(page, box)
    return Frame(pdfium.FPDFPage_GetRotation(page) % 4, (box.left, box.bottom, box.right, box.top))
