"""Choosing what reads a PDF: names, versions, and the better of two readings."""

from pathlib import Path

import pypdf
import pytest
from pdf_writer import write_pdf

from qwen_pl.data.corpus.reading import ReadingSettings
from qwen_pl.data.page.line import Line, Sheet
from qwen_pl.data.pdf import read as pdf_module
from qwen_pl.data.pdf import readers as pdf_readers
from qwen_pl.data.pdf.read import PdfText, read_pdf
from qwen_pl.data.pdf.readers import check_reader, reader_version
from qwen_pl.errors import InputError

GOOD = "It is a truth universally acknowledged that a single man wants a wife. " * 5
GLUED = GOOD.replace(" ", "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.pdf"
    write_pdf(path, [["text"]])
    return path


@pytest.fixture
def no_pdfium(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"pypdf": "7.1.0", "pdfium": "", "fonttools": "4.55.0"}
    monkeypatch.setattr(pdf_readers, "installed_version", versions.__getitem__)
    monkeypatch.setattr(pdf_module, "installed_version", versions.__getitem__)


def given(monkeypatch: pytest.MonkeyPatch, **texts: PdfText) -> None:
    """Lets each reader come to a result known beforehand."""
    monkeypatch.setattr(pdf_module, "installed_version", lambda name: "1")
    monkeypatch.setattr(pdf_module, "_read", lambda path, reader, *rest: texts[reader])


def reading(status: str, *pages: str) -> PdfText:
    sheets = [Sheet([Line(page, 0, 0, 0)] if page else []) for page in pages]
    return PdfText(Path("some.pdf"), sheets, status, num_pages=len(pages))


def test_an_unknown_reader_is_answered_with_those_there_are() -> None:
    with pytest.raises(InputError, match="'acrobat' is not one of pypdf, pdfium, auto"):
        check_reader("acrobat")


def test_a_reader_that_is_not_installed_is_asked_for_before_any_file(no_pdfium: None) -> None:
    with pytest.raises(InputError, match="pip install pypdfium2"):
        read_pdf(Path("missing.pdf"), reader="pdfium")


def test_the_version_names_all_that_may_read(no_pdfium: None) -> None:
    assert "7.1.0" in reader_version("pypdf")
    assert reader_version("auto") != reader_version("pypdf")


@pytest.mark.parametrize(
    ("package", "reader", "ocr"),
    [
        ("pdfium", "auto", "never"),
        ("fonttools", "pypdf", "never"),
        ("fonttools", "pdfium", "never"),
        ("rapidocr", "pdfium", "auto"),
    ],
)
def test_nothing_kept_is_taken_once_another_package_reads(
    monkeypatch: pytest.MonkeyPatch, package: str, reader: str, ocr: str
) -> None:
    settings = ReadingSettings(reader=reader, ocr=ocr)
    versions = {}
    for name, installed in (("with", "2"), ("other", "3"), ("without", "")):
        monkeypatch.setattr(
            pdf_readers,
            "installed_version",
            lambda asked, installed=installed: installed if asked == package else "1",
        )
        versions[name] = (reader_version(reader, ocr), settings.version(".pdf"))
    pages, texts = zip(*versions.values(), strict=True)
    assert len(set(pages)) == len(set(texts)) == 3


def test_what_read_a_file_is_named_with_its_version(path: Path) -> None:
    assert read_pdf(path).reader == f"pypdf {pypdf.__version__}"


def test_auto_leaves_a_good_file_to_pypdf(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    good = reading("ok", GOOD)
    given(monkeypatch, pypdf=good, pdfium=reading("ok", GOOD, GOOD))
    assert read_pdf(path, reader="auto") is good


@pytest.mark.parametrize(
    "bad",
    [
        reading("ok", GLUED),
        reading("partial", GOOD, ""),
        reading("empty", "", ""),
        reading("corrupt"),
        reading("timeout", GOOD),
        reading("crashed"),
    ],
    ids=lambda pdf: pdf.status,
)
def test_auto_turns_to_pdfium_where_it_reads_more(
    monkeypatch: pytest.MonkeyPatch, path: Path, bad: PdfText
) -> None:
    better = reading("ok", GOOD, "more")
    given(monkeypatch, pypdf=bad, pdfium=better)
    assert read_pdf(path, reader="auto") is better


def test_auto_stays_with_pypdf_where_pdfium_reads_less(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    partial = reading("partial", GOOD, "")
    given(monkeypatch, pypdf=partial, pdfium=reading("crashed", "It is"))
    assert read_pdf(path, reader="auto") is partial


def test_auto_says_that_pdfium_could_be_tried(no_pdfium: None, path: Path) -> None:
    path.write_bytes(b"%PDF-1.7 nothing")
    pdf = read_pdf(path, reader="auto")
    assert pdf.status == "corrupt"
    assert pdf.reason.endswith("pdfium could be tried too: pip install pypdfium2")
