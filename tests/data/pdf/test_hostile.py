"""Small PDFs that ask for much come to a known end, soon, and nothing that follows stumbles."""

import dataclasses
import json
import time
from pathlib import Path
from typing import get_args

import pytest

from benchmarks.fuzz import longest_seconds
from benchmarks.hostile_pdfs import HOSTILE, nested_forms
from qwen_pl.data.cleaning.clean import clean_pages
from qwen_pl.data.pdf.read import PdfLimits, PdfText, Status, read_pdf
from qwen_pl.data.pdf.readers import installed_version
from qwen_pl.data.report.file_report import describe_file

LIMITS = PdfLimits(page_seconds=0.8, file_seconds=4, memory_mb=256, text_mb=4)
READERS = [name for name in ("pypdf", "pdfium") if installed_version(name)]


def timed(path: Path, reader: str, limits: PdfLimits = LIMITS) -> tuple[PdfText, float]:
    started = time.monotonic()
    pdf = read_pdf(path, reader=reader, limits=limits)
    return pdf, time.monotonic() - started


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_comes_to_a_known_end(tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.pdf"
    path.write_bytes(HOSTILE[name]())
    # The benchmark has both readers read each file.
    reader = READERS[list(HOSTILE).index(name) % len(READERS)]
    pdf, seconds = timed(path, reader)
    assert seconds < longest_seconds(LIMITS, reader)
    assert pdf.status in get_args(Status)
    assert pdf.reason.isprintable()
    assert pdf.reason or pdf.status == "ok"
    json.dumps(dataclasses.asdict(pdf), default=str, allow_nan=False)


@pytest.mark.parametrize("reader", ["pypdf", "auto"])
def test_a_file_of_pages_that_hang_costs_the_time_of_two(tmp_path: Path, reader: str) -> None:
    path = tmp_path / "hangs.pdf"
    path.write_bytes(HOSTILE["many_slow_pages"]())
    limits = PdfLimits(page_seconds=2, file_seconds=60)
    pdf, seconds = timed(path, reader, limits)
    assert pdf.status == "timeout"
    assert seconds < 2 * limits.page_seconds + 4  # and what eight processes take to start


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (nested_forms(levels=8), "ok", ""),
        (nested_forms(levels=11), "partial", "page 1: has more than 1000 forms, the rest is left"),
        (
            nested_forms(pages=3, levels=11),
            "partial",
            "page 1: has more than 1000 forms, the rest is left out; 3 pages lost or cut in all",
        ),
        (HOSTILE["much_packed_form"](), "partial", "page 1: a form is left out: Maximum filter"),
        (HOSTILE["form_in_itself"](), "ok", ""),
    ],
    ids=["few", "many", "many on each page", "packed", "in itself"],
)
def test_a_page_of_which_forms_are_left_out_is_named_and_its_own_text_stays(
    tmp_path: Path, content: bytes, status: str, reason: str
) -> None:
    path = tmp_path / "forms.pdf"
    path.write_bytes(content)
    pdf = read_pdf(path, limits=PdfLimits(page_seconds=20))
    assert (pdf.status, pdf.reason[: len(reason)]) == (status, reason)
    assert pdf.reason or not reason
    assert all(page[0].text == "all well" for page in pdf.pages)


def test_a_form_deep_in_others_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep.pdf"
    path.write_bytes(nested_forms(levels=900, times=1))
    pdf = read_pdf(path)
    assert (pdf.status, [line.text for line in pdf.pages[0]]) == ("ok", ["all well"] * 2)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["surrogates", "control_characters"])
def test_characters_that_no_file_can_hold_make_none_damaged(
    tmp_path: Path, name: str, reader: str
) -> None:
    path = tmp_path / "odd.pdf"
    path.write_bytes(HOSTILE[name]())
    pdf = read_pdf(path, reader=reader)
    assert (pdf.status, pdf.reason, len(pdf.pages)) == ("ok", "", 1)
    assert pdf.producer.isprintable()
    clean = clean_pages(pdf.pages)
    assert clean.paragraphs
    for paragraph in clean.paragraphs:
        paragraph.text.encode()
        assert paragraph.text.replace("\n", " ").isprintable()
    json.dumps(describe_file(path, "0" * 64, pdf, clean).to_json(), ensure_ascii=False).encode()
