"""Choosing what reads a PDF: names, versions, and the better of two readings."""

from dataclasses import replace
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
UNTOLD = GOOD.replace("i", "\ufffd")


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


def given(monkeypatch: pytest.MonkeyPatch, **texts: PdfText) -> list[tuple[str, list[int] | None]]:
    """Lets each reader come to a result known beforehand; gives what is asked of them."""
    asked: list[tuple[str, list[int] | None]] = []

    def read(path: Path, reader: str, *rest: object) -> PdfText:
        wanted = rest[3] if len(rest) > 3 else None
        asked.append((reader, wanted))
        pdf = replace(texts[reader])
        pdf.sheets = [pdf.sheets[index] for index in wanted] if wanted else [*pdf.sheets]
        return pdf

    monkeypatch.setattr(pdf_module, "installed_version", lambda name: "1")
    monkeypatch.setattr(pdf_module, "_read", read)
    return asked


def reading(status: str, *pages: str, **facts: object) -> PdfText:
    sheets = [Sheet([Line(page, 0, 0, 0)] if page else []) for page in pages]
    return PdfText(Path("some.pdf"), sheets, status, **{"num_pages": len(pages), **facts})


def texts(pdf: PdfText) -> list[str]:
    return ["".join(line.text for line in page) for page in pdf.pages]


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


def test_auto_leaves_good_pages_to_pdfium(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    asked = given(monkeypatch, pdfium=reading("ok", *[GOOD] * 9), pypdf=reading("ok", *[GOOD] * 9))
    pdf = read_pdf(path, reader="auto")
    assert (asked, pdf.compared) == ([("pdfium", None)], "")


@pytest.mark.parametrize(
    ("bad", "status", "lost"),
    [
        (GLUED, "ok", []),
        ("", "ok", []),
        (GOOD.replace("i", "\ufffd"), "ok", []),
        ("", "partial", [5]),
    ],
    ids=["glued", "empty", "untold", "lost"],
)
def test_auto_reads_a_doubtful_page_with_pypdf(
    monkeypatch: pytest.MonkeyPatch, path: Path, bad: str, status: str, lost: list[int]
) -> None:
    pages = [GOOD, GOOD, GOOD, GOOD, bad, GOOD]
    asked = given(
        monkeypatch,
        pdfium=reading(
            status, *pages, reader="pdfium 1", reason="page 5" * len(lost), lost_pages=lost
        ),
        pypdf=reading("ok", *["OTHER"] * 4, GOOD, "OTHER"),
    )
    pdf = read_pdf(path, reader="auto")
    assert asked == [("pdfium", None), ("pypdf", [4])]
    assert texts(pdf) == [GOOD] * 6
    assert (pdf.status, pdf.reason, pdf.reader) == ("ok", "", "pdfium 1 and pypdf 1")
    assert pdf.compared.startswith("page 5 was read by pypdf too")
    assert pdf.compared.endswith("page 5 is as pypdf reads it")


def test_auto_keeps_what_pypdf_reads_no_better(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    pages = [GLUED, *[GOOD] * 5]
    given(monkeypatch, pdfium=reading("ok", *pages), pypdf=reading("ok", *pages))
    pdf = read_pdf(path, reader="auto")
    assert (texts(pdf), pdf.compared) == (pages, "")


def test_auto_compares_a_sample_and_all_where_that_differs(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    half = GOOD[: len(GOOD) // 2]
    asked = given(
        monkeypatch, pdfium=reading("ok", *[half] * 45), pypdf=reading("ok", *[GOOD] * 45)
    )
    pdf = read_pdf(path, reader="auto")
    sample = [11, 33]
    rest = sorted({*range(45)} - {*sample})
    assert asked == [("pdfium", None), ("pypdf", sample), ("pypdf", rest)]
    assert texts(pdf) == [GOOD] * 45
    assert "55.0% of the words differ" in pdf.compared


@pytest.mark.parametrize("status", ["corrupt", "timeout", "crashed"])
def test_auto_reads_a_file_anew_that_pdfium_does_not_end(
    monkeypatch: pytest.MonkeyPatch, path: Path, status: str
) -> None:
    given(
        monkeypatch,
        pdfium=reading(status, GOOD, num_pages=2),
        pypdf=reading("ok", GOOD, "more", reader="pypdf 1"),
    )
    pdf = read_pdf(path, reader="auto")
    assert (texts(pdf), pdf.reader) == ([GOOD, "more"], "pypdf 1")


def test_auto_keeps_pdfium_s_part_where_pypdf_reads_less(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    given(
        monkeypatch,
        pdfium=reading("timeout", GOOD, num_pages=2),
        pypdf=reading("crashed", "It is", num_pages=2),
    )
    assert texts(read_pdf(path, reader="auto")) == [GOOD]


def test_auto_says_that_pdfium_could_be_tried(no_pdfium: None, path: Path) -> None:
    path.write_bytes(b"%PDF-1.7 nothing")
    pdf = read_pdf(path, reader="auto")
    assert pdf.status == "corrupt"
    assert pdf.reason.endswith("pdfium could be tried too: pip install pypdfium2")


def test_auto_is_pypdf_alone_where_pdfium_is_not_there(no_pdfium: None, path: Path) -> None:
    pdf = read_pdf(path, reader="auto")
    assert (pdf.status, pdf.reader, texts(pdf)) == ("ok", "pypdf 7.1.0", ["text"])
