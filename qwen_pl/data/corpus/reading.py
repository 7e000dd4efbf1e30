"""Reads and cleans source files into the cache: raw pages, text and a record of how it went."""

import contextlib
import dataclasses
import gzip
import os
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from qwen_pl.data.cache_dir import CacheDir, TextEntry
from qwen_pl.data.cleaning.block_policy import USUAL_BLOCKS, Blocks
from qwen_pl.data.cleaning.clean import CLEANING_VERSION
from qwen_pl.data.cleaning.clean_text import Cleaning, CleanText
from qwen_pl.data.corpus.cleaned import (
    Cleaned,
    cleaned_pdf,
    cleaned_text,
    end_cleaning,
    start_cleaning,
)
from qwen_pl.data.corpus.document import SealedText, written_document
from qwen_pl.data.corpus.duplicates import MINHASH_VERSION, shingles, signature
from qwen_pl.data.corpus.sources import SourceFile
from qwen_pl.data.page.line import sheet_of
from qwen_pl.data.pdf.child import ChildStopped
from qwen_pl.data.pdf.ocr.scans import SECONDS_A_PAGE
from qwen_pl.data.pdf.read import PdfLimits, PdfText, read_pdf
from qwen_pl.data.pdf.readers import installed_version, reader_version
from qwen_pl.data.processes import ProcessDied, map_in_processes
from qwen_pl.data.report.file_report import FileReport, describe_file
from qwen_pl.data.texts.text_encoding import CHUNK_CHARACTERS, TextEncoding, find_encoding
from qwen_pl.data.texts.text_file import LINE_SUFFIXES, ROW_SUFFIXES, TextJob
from qwen_pl.errors import InputError
from qwen_pl.files import fingerprint, full_disk_in, remove, whole_file
from qwen_pl.seals import (
    Damaged,
    check_seals,
    read_bytes,
    read_sealed,
    sealed_json,
    tell_mended,
    unsealed_json,
    write_sealed,
)
from qwen_pl.terminal import tell

# These say something about the file itself; the others depend on the limits and the password.
_LASTING = ("ok", "empty", "corrupt")
_COMPARED_CHARACTERS = 16 << 20  # of a document's beginning that is compared with others
_KEPT = ("num_paragraphs", "num_bytes", "signature")  # of a ``FileText``, in its record
_LONG_SECONDS = 10  # that the pictures of a file take: of less nothing is said
_RECORD_VERSION = 3  # raised whenever the cache holds other things under the same names


@dataclass(frozen=True)
class ReadingSettings:
    """How files are read; what is here decides the text that a file gives."""

    cleaning: Cleaning = dataclasses.field(default_factory=Cleaning)
    limits: PdfLimits = dataclasses.field(default_factory=PdfLimits)
    password: str = ""
    reader: str = "auto"
    ocr: str = "auto"
    blocks: Blocks = USUAL_BLOCKS
    text_column: str = "text"

    def version(self, suffix: str) -> str:
        """Changes whenever a file with this suffix could give other text, limits left aside."""
        reader = reader_version(self.reader, self.ocr) if suffix == ".pdf" else suffix
        if suffix in ROW_SUFFIXES:
            reader += f" {self.text_column} {installed_version('pyarrow')}"
        ways = [dataclasses.asdict(way) for way in (self.cleaning, self.blocks)]
        return fingerprint([reader, CLEANING_VERSION, *ways, MINHASH_VERSION, _RECORD_VERSION])

    @property
    def conditions(self) -> str:
        """Changes with what may let a file be read that could not be."""
        return fingerprint([[*map(float, dataclasses.astuple(self.limits))], self.password])


@dataclass(frozen=True)
class FileText:
    """What one file gave, as the cache has it."""

    text: SealedText | None
    """It may be empty, and is None where reading ended badly."""
    report: FileReport
    num_paragraphs: int = 0
    num_bytes: int = 0
    signature: list[int] = dataclasses.field(default_factory=list)
    """MinHash of the text, see ``duplicates``."""


def read_files(
    files: Sequence[SourceFile],
    settings: ReadingSettings,
    cache: CacheDir,
    *,
    num_proc: int,
    progress: bool,
) -> Iterator[FileText]:
    """Every file from the cache or from the disk, in order; what one of them does stops no other.

    The result does not depend on the number of processes.
    """
    kept = _kept_texts([_text_of(file, settings, cache) for file in files], settings)
    missing = [file for file, text in zip(files, kept, strict=True) if text is None]
    one = len(files) == 1  # then its pages are shown
    read = partial(_read_safely, settings=settings, cache=cache, progress=progress and one)
    results = map_in_processes(read, missing, min(num_proc, len(missing)))
    hide = None if progress and not one else True
    with contextlib.ExitStack() as at_end:
        bar = at_end.enter_context(
            tqdm(desc="reading", total=len(files), unit=" files", disable=hide)
        )
        at_end.callback(end_cleaning)
        for file, text in zip(files, kept, strict=True):
            result = next(results)[1] if text is None else _renamed(text, file)
            if isinstance(result, ProcessDied):
                result = _crashed(file, settings, str(result))
            bar.update()
            yield result
        next(results, None)  # so that its processes end in order, and not by being ended


def _read_safely(
    file: SourceFile, settings: ReadingSettings, cache: CacheDir, progress: bool
) -> FileText:
    try:
        return read_file(file, settings, cache, progress=progress)
    except InputError:  # of the cache, not of the file
        raise
    except Exception as error:  # whatever one file does, the others are to be read
        if _hinders_all(error, file, cache):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return _crashed(file, settings, reason)


def _hinders_all(error: Exception, file: SourceFile, cache: CacheDir) -> bool:
    """Whether it is the cache that cannot be written, which is no fault of the file."""
    if full_disk_in(error) is not None:
        return True
    place = Path(getattr(error, "filename", None) or file.path)
    return place != file.path and place.is_relative_to(cache.path)


def _crashed(file: SourceFile, settings: ReadingSettings, reason: str) -> FileText:
    """Stands for a file that ended the process which read it; nothing of it is kept."""
    pdf = PdfText(file.path, status="crashed", reason=reason, reader=settings.reader)
    return FileText(None, describe_file(*file, pdf, CleanText()))


def read_file(
    file: SourceFile, settings: ReadingSettings, cache: CacheDir, *, progress: bool = False
) -> FileText:
    """Reads and cleans a file, or finds it in the cache; a bad PDF gives a status, no error."""
    entry = _text_of(file, settings, cache)
    (kept,) = _kept_texts([entry], settings)
    if kept is not None:
        return _renamed(kept, file)
    started = time.monotonic()
    if file.suffix == ".pdf":
        made = _read_pdf_file(file, settings, cache, entry, progress)
    else:
        made = _read_text_file(file, settings, entry)
    made.report.seconds += time.monotonic() - started
    assert made.text is not None, "what cannot be read gives no text"
    record = {
        "conditions": settings.conditions,
        "report": made.report.to_json(),
        **{name: getattr(made, name) for name in _KEPT},
        "seals": made.text[1:],
    }
    # Written last: where there is a record, everything else is there too.
    write_sealed(entry.record, record, _name(entry), flush=False)
    return made


def _renamed(text: FileText, file: SourceFile) -> FileText:
    """A kept text as that of this file: the same content may have had another name."""
    text.report.path = str(file.path)
    return text


def read_record(entry: TextEntry) -> dict[str, Any]:
    """How reading a file went; raises ``Damaged`` if it is not what was written."""
    return read_sealed(entry.record, _name(entry))


def with_excerpts(
    reports: Iterable[FileReport], settings: ReadingSettings, cache: CacheDir
) -> list[FileReport]:
    """Kept reports with the pages that they show, which the records of the texts have."""
    shown: dict[str, FileReport] = {}
    made = []
    for report in reports:
        file = SourceFile(Path(report.path), report.sha256)
        with contextlib.suppress(Damaged):  # then it is shown without
            if shown.setdefault(file.sha256, report) is report:  # a copy shows nothing of its own
                record = read_record(_text_of(file, settings, cache))
                excerpts = FileReport.from_json(record["report"]).excerpts
                report = dataclasses.replace(report, excerpts=excerpts)
        made.append(report)
    return made


def _name(entry: TextEntry) -> str:
    return f"text {_RECORD_VERSION} {entry.text.name}"


def _text_of(file: SourceFile, settings: ReadingSettings, cache: CacheDir) -> TextEntry:
    made_of = [file.sha256, settings.version(file.suffix)]
    return cache.text(file.path.stem, fingerprint(made_of))


def _read_pdf_file(
    file: SourceFile, settings: ReadingSettings, cache: CacheDir, entry: TextEntry, progress: bool
) -> FileText:
    start_cleaning(settings.limits)
    pdf, were_kept = read_pages(file, settings, cache, progress=progress)
    pieces = cleaned_pdf(file, pdf, settings.cleaning, settings.blocks, settings.limits)
    # What is described without the child is a file of which no page was cleaned.
    made = _write(entry, file, dataclasses.replace(pdf, sheets=[]), pieces)
    made.report.seconds = pdf.seconds if were_kept else 0.0  # which reading took at its time
    return made


def _read_text_file(file: SourceFile, settings: ReadingSettings, entry: TextEntry) -> FileText:
    encoding = TextEncoding("utf-8")  # the others say themselves in which encoding they are
    if file.suffix in LINE_SUFFIXES:
        with file.path.open("rb") as opened:
            encoding = find_encoding(opened)
    job = TextJob(
        str(file.path.resolve()),
        file.suffix,
        encoding,
        CHUNK_CHARACTERS,
        settings.text_column,
        settings.limits.text_mb * 1_000_000,
    )
    pieces = cleaned_text(file, job, settings.cleaning, settings.blocks, settings.limits)
    made = _write(entry, file, None, pieces)
    if made.report.status in ("ok", "empty"):  # else a limit was met
        made.report.status = made.report.status if encoding.status == "ok" else encoding.status
        made.report.reason = encoding.reason or made.report.reason
    return made


def _write(
    entry: TextEntry, file: SourceFile, pdf: PdfText | None, pieces: Iterable[Cleaned]
) -> FileText:
    """Writes what comes until the end, or until a limit is met, which then is the file's status."""
    reports, sampled, compared = [], [np.zeros(0, np.uint64)], 0
    stopped: ChildStopped | None = None
    with written_document(entry.text) as writer:
        try:
            for piece in pieces:
                writer.write(piece.paragraphs)
                if compared < _COMPARED_CHARACTERS:
                    sampled.append(shingles(paragraph.text for paragraph in piece.paragraphs))
                    compared += sum(len(paragraph.text) for paragraph in piece.paragraphs)
                reports.append(piece.report)
        except ChildStopped as why:
            stopped = why
    report = reduce(_sum, reports) if reports else describe_file(*file, pdf, CleanText())
    if stopped is not None:
        report.status = stopped.status
        report.reason = "; ".join(filter(None, [pdf.reason if pdf else "", stopped.reason]))
    minhash = signature(np.unique(np.concatenate(sampled)))
    return FileText(writer.text, report, writer.num_paragraphs, writer.num_bytes, minhash)


def _sum(report: FileReport, more: FileReport) -> FileReport:
    letters, added = report.characters, more.characters
    for name in ("glued_ratio", "garbage_ratio", "lost_ratio"):
        mean = getattr(report, name) * letters + getattr(more, name) * added
        setattr(report, name, mean / max(1, letters + added))
    for name in ("characters", "words", "words_dehyphenated"):
        setattr(report, name, getattr(report, name) + getattr(more, name))
    report.blocks_left_out = sorted({*report.blocks_left_out, *more.blocks_left_out})
    report.blocks = dict(Counter(report.blocks) + Counter(more.blocks))
    report.pages = max(report.pages, more.pages)
    if report.status == "empty" or more.status not in ("ok", "empty"):
        report.status, report.reason = more.status, more.reason
        report.empty_pages = more.empty_pages
    return report


def _kept_texts(entries: Sequence[TextEntry], settings: ReadingSettings) -> list[FileText | None]:
    """The texts in the cache; None for each that is not there, is damaged or is to be retried."""
    kept, damages = [], []
    for entry in entries:
        try:
            kept.append(_kept_text(entry, settings))
        except Damaged as damage:
            kept.append(None)
            damages.append(damage)
            for file in (entry.record, entry.text, entry.index):
                remove(file)  # it may be a folder
    tell_mended(damages)
    return kept


def _kept_text(entry: TextEntry, settings: ReadingSettings) -> FileText | None:
    if not os.path.lexists(entry.record):
        return None
    record = read_record(entry)
    text = SealedText.of(entry.text, record["seals"])
    check_seals(text.seals)
    report = FileReport.from_json(record["report"])
    if report.status not in _LASTING and record["conditions"] != settings.conditions:
        return None
    return FileText(text, report, **{name: record[name] for name in _KEPT})


def _fresh_pages(
    pages_file: Path, path: Path, settings: ReadingSettings, progress: bool
) -> PdfText:
    with tqdm(desc=path.name, unit=" pages", disable=None if progress else True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        pdf = read_pdf(
            path,
            password=settings.password,
            limits=settings.limits,
            reader=settings.reader,
            ocr=settings.ocr,
            on_page=show,
            on_ocr=partial(_tell_of_ocr, path),
        )
    kept = dataclasses.asdict(pdf) | {"path": str(path), "conditions": settings.conditions}
    with whole_file(pages_file, flush=False) as file:
        file.write(gzip.compress(sealed_json(kept, f"pages {pages_file.name}"), 6))
    return pdf


def _tell_of_ocr(path: Path, num_pages: int) -> None:
    """Says beforehand how long the pictures of a file will take, if that is long."""
    seconds = SECONDS_A_PAGE * num_pages
    if seconds >= _LONG_SECONDS:
        length = f"{seconds} s" if seconds < 180 else f"{seconds // 60} minutes"
        tell(
            f"{path}: {num_pages:,} pages without legible text are read by OCR, which takes some "
            f"{SECONDS_A_PAGE} s each, {length} in all (ocr: never leaves them out)",
            file=sys.stderr,
        )


def read_pages(
    file: SourceFile, settings: ReadingSettings, cache: CacheDir, *, progress: bool = False
) -> tuple[PdfText, bool]:
    """The pages of a PDF as a reader has given them, and whether they were in the cache."""
    pages_file = cache.pages(file.sha256, reader_version(settings.reader, settings.ocr))
    kept = _kept_pages(pages_file, settings)
    return kept or _fresh_pages(pages_file, file.path, settings, progress), kept is not None


def _kept_pages(pages_file: Path, settings: ReadingSettings) -> PdfText | None:
    if not os.path.lexists(pages_file):
        return None
    try:
        kept = _read_pages(pages_file)
    except Damaged as damage:
        remove(pages_file)
        tell_mended([damage])
        return None
    if kept.pop("conditions") != settings.conditions and kept["status"] not in _LASTING:
        return None
    kept["sheets"] = list(map(sheet_of, kept["sheets"]))
    return PdfText(**(kept | {"path": Path(kept["path"])}))


def _read_pages(file: Path) -> dict[str, Any]:
    try:
        content = gzip.decompress(read_bytes(file))
    except (OSError, EOFError, zlib.error):
        raise Damaged(file, "is not what was written to it") from None
    return unsealed_json(content, f"pages {file.name}", file)
