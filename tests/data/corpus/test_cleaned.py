"""A file that cleaning cannot be done with is a status, and the next file is cleaned."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from qwen_pl.data.cache_dir import CacheDir
from qwen_pl.data.cleaning.block_policy import USUAL_BLOCKS
from qwen_pl.data.cleaning.clean_text import EVERY_STEP, CleanText
from qwen_pl.data.corpus import cleaned, reading
from qwen_pl.data.corpus.reading import FileText, ReadingSettings, read_file
from qwen_pl.data.corpus.sources import SourceFile
from qwen_pl.data.page.line import Line, Sheet
from qwen_pl.data.pdf.child import ChildStopped
from qwen_pl.data.pdf.read import PdfLimits, PdfText
from qwen_pl.data.report.file_report import describe_file
from qwen_pl.data.texts.text_encoding import CHUNK_CHARACTERS, TextEncoding
from qwen_pl.data.texts.text_file import TextJob
from qwen_pl.files import sha256

MANY = "some words of a long paragraph\n" * 40_000  # a second and 100 MB of work
UTF8 = TextEncoding("utf-8")


@pytest.fixture(autouse=True)
def no_child_stays() -> Iterator[None]:
    yield
    cleaned.end_cleaning()


def text_file(folder: Path, text: str, name: str = "made.txt") -> SourceFile:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return SourceFile(path, sha256(path))


def read(file: SourceFile, **limits: float) -> FileText:
    settings = ReadingSettings(limits=PdfLimits(**limits))
    return read_file(file, settings, CacheDir(file.path.parent / "cache"))


def clean(file: SourceFile, **limits: float) -> list[cleaned.Cleaned]:
    job = TextJob(str(file.path), file.suffix, UTF8, CHUNK_CHARACTERS, "text", 1 << 20)
    return list(cleaned.cleaned_text(file, job, EVERY_STEP, USUAL_BLOCKS, PdfLimits(**limits)))


LIMITS = {
    "page_seconds": (0.001, "timeout", "cleaning: took more than 0.0"),
    "file_seconds": (0.01, "timeout", "cleaning: took more than file_seconds"),
    "memory_mb": (36, "crashed", "cleaning: needed more than 36 MB of memory"),
    "text_mb": (1, "timeout", "cleaning: gave more than 1 MB of text"),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_text_file_that_meets_a_limit_has_that_for_its_status(tmp_path: Path, limit: str) -> None:
    value, status, reason = LIMITS[limit]
    long = text_file(tmp_path, MANY)
    met = read(long, **{limit: value})
    assert (met.report.status, met.num_paragraphs) == (status, 0)
    assert met.report.reason.startswith(reason)
    assert read(text_file(tmp_path, "A short one.", "next.txt")).num_bytes == 12


def test_a_file_that_met_a_limit_is_tried_again_under_another(tmp_path: Path) -> None:
    long = text_file(tmp_path, MANY)
    assert [read(long, text_mb=mb).report.status for mb in (1, 1, 2)] == [
        "timeout",
        "timeout",
        "ok",
    ]


def test_a_pdf_that_meets_a_limit_in_cleaning_has_that_for_its_status(tmp_path: Path) -> None:
    pages = [[Line(f"{i} some words", 72, 700 - i, 10) for i in range(9000)]] * 4
    file, pdf = (
        text_file(tmp_path, ""),
        PdfText(tmp_path / "x.pdf", list(map(Sheet, pages)), num_pages=4),
    )
    with pytest.raises(ChildStopped, match=r"cleaning: took more than 0\.0") as stopped:
        list(
            cleaned.cleaned_pdf(file, pdf, EVERY_STEP, USUAL_BLOCKS, PdfLimits(page_seconds=0.001))
        )
    assert stopped.value.status == "timeout"


def test_pieces_before_the_one_that_meets_a_limit_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHUNK_CHARACTERS", 1000)
    report = read(text_file(tmp_path, "Short.\n\n" * 100 + "x" * 5000), text_mb=0.001).report
    assert (report.status, report.characters) == ("timeout", 600)


def test_one_process_cleans_many_files_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    def children() -> set[int]:
        return {
            child.pid
            for child in psutil.Process().children()
            if "cleaning_worker" in str(child.cmdline())
        }

    before = children()
    clean(text_file(tmp_path, "One."))
    [first] = children() - before
    clean(text_file(tmp_path, "Two."))
    assert children() - before == {first}
    psutil.Process(first).kill()
    with pytest.raises(ChildStopped, match="cleaning: the cleaning process was ended by SIGKILL"):
        clean(text_file(tmp_path, "Three."))
    assert clean(text_file(tmp_path, "Four."))[0].paragraphs[0].text == "Four."


@pytest.mark.parametrize("text", ["字", "\U0001f600", "a"])
def test_a_paragraph_of_any_length_comes_whole(tmp_path: Path, text: str) -> None:
    [piece] = clean(text_file(tmp_path, text * 700_000))
    assert [len(paragraph.text) for paragraph in piece.paragraphs] == [700_000]


REPORT = describe_file(Path("x"), "", None, CleanText()).to_json()
NONSENSE: dict[str, list[dict[str, Any]]] = {
    "no paragraphs": [{"type": "paragraphs"}],
    "paragraphs that are none": [{"type": "paragraphs", "paragraphs": 7}],
    "a paragraph without a page": [{"type": "paragraphs", "paragraphs": [["x"]]}],
    "a text that is none": [
        {"type": "paragraphs", "paragraphs": [[None, 1, 2, "prose", 0, False]]}
    ],
    "a page that is none": [
        {"type": "paragraphs", "paragraphs": [["x", "1", 2, "prose", 0, False]]}
    ],
    "the rest of nothing": [{"type": "paragraphs", "paragraphs": [["x", 1, 2, "prose", 0, True]]}],
    "no newlines": [{"type": "paragraphs", "paragraphs": [["x", 1, 0, "prose", 0, False]]}],
    "no role": [{"type": "paragraphs", "paragraphs": [["x", 1, 2, "hero", 0, False]]}],
    "no level": [{"type": "paragraphs", "paragraphs": [["x", 1, 2, "item", 256, False]]}],
    "no report": [{"type": "cleaned"}],
    "a report that is none": [{"type": "cleaned", "report": []}],
    "a report without a field": [{"type": "cleaned", "report": {"status": "ok"}}],
    "a report with a field of another type": [
        {"type": "cleaned", "report": REPORT | {"running_heads": "x"}}
    ],
    "no end": [{"type": "done"}],
    "another kind": [{"type": "page", "lines": []}],
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_what_makes_no_sense_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    class Liar:
        def __init__(self, *arguments: object) -> None:
            self.messages = iter([{"type": "ready"}, *NONSENSE[kind]])

        def send(self, job: object) -> None:
            pass

        def next_message(self, seconds: float, deadline: float) -> dict[str, Any]:
            assert seconds <= math.inf
            return next(self.messages)

        def close(self) -> None:
            pass

    monkeypatch.setattr(cleaned, "Child", Liar)
    with pytest.raises(ChildStopped, match="sent what makes no sense"):
        clean(text_file(tmp_path, "Some text."))
