"""What is saved of PDFs that have lost their table of objects or their list of pages."""

import random
import zlib
from pathlib import Path

import pytest
from pdf_writer import write_pdf

from qwen_pl.data.pdf.read import PdfText, read_pdf
from qwen_pl.data.pdf.repair import repaired


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.pdf"
    write_pdf(path, [[f"page {number}"] for number in range(1, 31)])
    return path


def texts(pdf: PdfText) -> list[list[str]]:
    return [[line.text for line in page] for page in pdf.pages]


def test_a_truncated_file_gives_the_pages_before_its_end(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"(page 20)")])
    pdf = read_pdf(path)
    assert texts(pdf)[:19] == [[f"page {number}"] for number in range(1, 20)]
    assert (pdf.status, pdf.num_pages) == ("partial", 20)
    assert pdf.reason.startswith("damaged: ")


def test_pages_packed_in_object_streams_are_found(path: Path) -> None:
    path.write_bytes(file_with_a_packed_page())
    assert texts(read_pdf(path)) == [["page 1"]]


def test_an_object_stream_is_read_up_to_its_first_error(path: Path) -> None:
    noise = random.Random(1).randbytes(4000).hex().encode()
    content = bytearray(file_with_a_packed_page(more=b" (" + noise + b")"))
    middle = content.index(b"endstream") - 1000
    content[middle : middle + 100] = bytes(100)
    path.write_bytes(content)
    assert texts(read_pdf(path)) == [["page 1"]]


def test_a_page_that_was_written_anew_is_found_once(path: Path) -> None:
    content = path.read_bytes()
    start, end = content.index(b"4 0 obj"), content.index(b"5 0 obj")
    path.write_bytes(content[: content.index(b"(page 3)")] + content[start:end])
    assert read_pdf(path).num_pages == 3


def test_a_file_without_pages_or_with_encrypted_ones_is_not_repaired(path: Path) -> None:
    assert repaired(b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj") is None
    assert repaired(path.read_bytes() + b"trailer << /Encrypt 9 0 R >>") is None


def file_with_a_packed_page(more: bytes = b"") -> bytes:
    """A file without a table of objects, whose one page lies in an object stream."""
    page = b"<< /Type /Page /MediaBox [0 0 99 99] /Contents 5 0 R /Resources 6 0 R >>"
    fonts = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    index = b"4 0 6 %d " % (len(page) + 1)
    data = zlib.compress(index + page + b" " + fonts + more)
    shown = b"BT /F1 9 Tf 9 9 Td (page 1) Tj ET"
    return (
        b"%%PDF-1.7\n3 0 obj\n<< /Type /ObjStm /N 2 /First %d /Filter /FlateDecode /Length %d >>\n"
        b"stream\n%b\nendstream\nendobj\n5 0 obj\n<< /Length %d >>\nstream\n%b\nendstream\nendobj\n"
    ) % (len(index), len(data), data, len(shown), shown)
