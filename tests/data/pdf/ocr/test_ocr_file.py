"""Scans come out as text, and what reading them costs or fails at is said."""

import re
from pathlib import Path
from typing import Any

import pytest
from pdf_writer import write_pdf

import qwen_pl.data.pdf.read as reading
from qwen_pl.data.page.line import Line, Sheet
from qwen_pl.data.pdf.read import PdfLimits, PdfText, read_pdf
from qwen_pl.data.pdf.readers import OCR_INSTALL, check_ocr, has_ocr, reader_version
from qwen_pl.errors import InputError

TEXT = [
    "It was a dark and stormy night; the rain fell in",
    "torrents, except at occasional intervals, when it",
    "was checked by a violent gust of wind.",
]
FULL = Sheet([Line("some text", 72, 700, 10)])
EMPTY = Sheet([])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_pdf(tmp_path / "some.pdf", [["a"]])
    return tmp_path / "some.pdf"


@pytest.mark.skipif(not has_ocr(), reason=f"needs {OCR_INSTALL}")
def test_a_scan_that_is_skewed_or_lies_on_its_side_is_read(tmp_path: Path, path: Path) -> None:
    from benchmarks.ocr import skewed, write_scan

    def spoilt(picture: Any, random: Any) -> Any:
        """The last page lies on its side, those before are skewed."""
        return skewed(picture, random) if next(pages) < 2 else picture.T[::-1]

    pages = iter(range(3))
    write_pdf(tmp_path / "printed.pdf", [[*TEXT * 4], [], [*TEXT * 4]])
    write_scan(path, tmp_path / "printed.pdf", range(3), spoilt, 150)
    pdf = read_pdf(path, ocr="auto")
    assert (pdf.status, pdf.reason) == ("ok", "2 of 3 pages read by OCR")
    assert pdf.ocr_pages == [1, 3]
    assert "rapidocr" in pdf.reader
    assert [[line.text for line in page] for page in pdf.pages] == [TEXT * 4, [], TEXT * 4]
    first, second, *_ = pdf.pages[0]
    assert (first.x, first.size) == (pytest.approx(72, abs=7), pytest.approx(12, abs=1))
    assert first.y - second.y == pytest.approx(14, abs=0.5)


def given(monkeypatch: pytest.MonkeyPatch, text: PdfText, seen: PdfText) -> list[Any]:
    """Has the reader and OCR give these; returns what OCR is asked for."""
    asked: list[Any] = []

    def read(path: Path, reader: str, password: str, limits: PdfLimits, *rest: Any) -> PdfText:
        if reader != "ocr":
            return text
        asked.append((rest[-1], limits.page_seconds, limits.file_seconds))
        return seen

    monkeypatch.setattr(reading, "_read", read)
    monkeypatch.setattr(reading, "has_ocr", lambda: True)
    return asked


def result(status: Any, *sheets: Sheet, reason: str = "") -> PdfText:
    return PdfText(Path("x"), [*sheets], status, reason, len(sheets), reader="some 1")


@pytest.mark.parametrize(
    ("text", "seen", "status", "reason"),
    [
        (result("empty", EMPTY), result("ok", FULL), "ok", "1 of 1 pages read by OCR"),
        (result("ok", FULL, EMPTY), result("ok", FULL), "ok", "1 of 2 pages read by OCR"),
        (result("ok", FULL, EMPTY), result("empty", EMPTY), "ok", ""),
        (
            result("empty", EMPTY),
            result("empty", EMPTY),
            "empty",
            "no text on any page, and OCR reads none in their pictures",
        ),
        (
            result("ok", FULL, EMPTY, EMPTY),
            result("partial", FULL, EMPTY, reason="page 3: took more than 60 s"),
            "partial",
            "1 of 3 pages read by OCR; OCR: page 3: took more than 60 s",
        ),
        (
            result("empty", EMPTY),
            result("crashed", reason="needed more than 9 MB of memory"),
            "crashed",
            "no text on any page; OCR: needed more than 9 MB of memory",
        ),
        (
            result("partial", FULL, EMPTY, reason="page 2: lost"),
            result("ok", FULL),
            "partial",
            "page 2: lost; 1 of 2 pages read by OCR",
        ),
    ],
    ids=["scan", "mixed", "blank page", "photos", "page lost", "crash", "lost text"],
)
def test_what_ocr_reads_is_put_in_its_place_and_said(
    monkeypatch: pytest.MonkeyPatch,
    path: Path,
    text: PdfText,
    seen: PdfText,
    status: str,
    reason: str,
) -> None:
    had = [*text.sheets]
    asked = given(monkeypatch, text, seen)
    limits = PdfLimits(ocr_page_seconds=7, ocr_file_seconds=70)
    pdf = read_pdf(path, ocr="auto", limits=limits)
    assert (pdf.status, pdf.reason) == (status, reason)
    wanted = [index for index, sheet in enumerate(had) if not sheet.lines]
    assert asked == [(wanted, 7, 70)]
    assert all(now is sheet for now, sheet in zip(pdf.sheets, had, strict=True) if sheet.lines)
    assert pdf.ocr_pages == [i + 1 for i in wanted if pdf.sheets[i].lines]


@pytest.mark.parametrize("status", ["timeout", "crashed", "corrupt", "encrypted"])
def test_a_file_that_has_cost_enough_is_not_read_by_ocr(
    monkeypatch: pytest.MonkeyPatch, path: Path, status: str
) -> None:
    asked = given(monkeypatch, result(status, EMPTY), result("ok", FULL))
    assert read_pdf(path, ocr="auto").status == status
    assert asked == []


def test_without_its_packages_a_scan_is_named_with_what_installs_them(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    given(monkeypatch, result("empty", EMPTY, reason="needs OCR first"), result("ok", FULL))
    monkeypatch.setattr(reading, "has_ocr", lambda: False)
    assert read_pdf(path, ocr="auto").reason == f"needs OCR first: {OCR_INSTALL}"
    monkeypatch.setattr("qwen_pl.data.pdf.readers.has_ocr", lambda: False)
    given(monkeypatch, result("ok", FULL, EMPTY), result("ok", FULL))
    monkeypatch.setattr(reading, "has_ocr", lambda: False)
    assert read_pdf(path, ocr="auto").reason == f"1 of 2 pages need OCR: {OCR_INSTALL}"
    with pytest.raises(InputError, match=re.escape(OCR_INSTALL)):
        read_pdf(path, ocr="always")


def test_how_long_it_will_take_is_told_beforehand(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    given(monkeypatch, result("ok", FULL, EMPTY, EMPTY), result("ok", FULL, FULL))
    told: list[int] = []
    read_pdf(path, ocr="auto", on_ocr=told.append)
    assert told == [2]


def test_an_unknown_choice_is_answered_with_those_there_are() -> None:
    with pytest.raises(InputError, match="'often' is not one of auto, never, always"):
        check_ocr("often")


def test_pages_are_read_again_once_ocr_could_read_more(monkeypatch: pytest.MonkeyPatch) -> None:
    without = reader_version("pypdf", "never")
    versions = {"rapidocr": "3.10.0"}
    monkeypatch.setattr(
        "qwen_pl.data.pdf.readers.installed_version", lambda name: versions.get(name, "1")
    )
    first = [reader_version("pypdf", ocr) for ocr in ("auto", "always")]
    versions["rapidocr"] = "3.10.1"
    second = [reader_version("pypdf", ocr) for ocr in ("auto", "always")]
    versions["rapidocr"] = ""
    assert reader_version("pypdf", "auto") == reader_version("pypdf", "never")
    assert len({without, *first, *second}) == 5
