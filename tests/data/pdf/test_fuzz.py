"""Damaged at random, a PDF still comes to a known end; `benchmarks.fuzz` reads many more."""

import random
import time
from pathlib import Path
from typing import get_args

import pytest
from pdf_writer import write_pdf

from benchmarks.fuzz import longest_seconds, mutated
from qwen_pl.data.pdf.read import PdfLimits, Status, read_pdf
from qwen_pl.data.pdf.readers import installed_version

LIMITS = PdfLimits(page_seconds=2, file_seconds=4, memory_mb=256, text_mb=1)


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    path = tmp_path / "whole.pdf"
    write_pdf(path, [[f"line {row} of page {page}" for row in range(5)] for page in range(3)])
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(24))
def test_a_damaged_file_comes_to_a_known_end(content: bytes, tmp_path: Path, seed: int) -> None:
    path = tmp_path / "damaged.pdf"
    path.write_bytes(mutated(content, random.Random(seed)))
    reader = "pdfium" if seed % 2 and installed_version("pdfium") else "pypdf"
    started = time.monotonic()
    pdf = read_pdf(path, reader=reader, limits=LIMITS)
    assert pdf.status in get_args(Status)
    assert bool(pdf.reason) == (pdf.status != "ok")
    assert time.monotonic() - started < longest_seconds(LIMITS, reader)
