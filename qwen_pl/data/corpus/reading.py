"""Reads and cleans one source file into the cache: raw pages, text and a record of how it went."""

import dataclasses
import gzip
import io
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from qwen_pl.data.cleaning.clean import CLEANING_VERSION, clean_pages, clean_plain_text
from qwen_pl.data.cleaning.clean_text import Cleaning, CleanText
from qwen_pl.data.corpus.document import is_whole, written_document
from qwen_pl.data.corpus.duplicates import MINHASH_VERSION, shingles, signature
from qwen_pl.data.corpus.text_encoding import TextEncoding, find_encoding
from qwen_pl.data.page.line import Line
from qwen_pl.data.pdf.read import PdfLimits, PdfText, read_pdf
from qwen_pl.data.pdf.readers import reader_version
from qwen_pl.data.report.file_report import FileReport, describe_file
from qwen_pl.files import fingerprint, whole_file, write_text

# These say something about the file itself; the others depend on the limits and the password.
_LASTING = ("ok", "empty", "corrupt")
_PIECE_BYTES = 2 << 20  # of a text file that is cleaned at once
_COMPARED_BYTES = 16 << 20  # of a document's beginning that is compared with others
_RECORD_VERSION = 2  # raised whenever the cache holds other things under the same names


@dataclass(frozen=True)
class Reading:
    """How files are read; what is here decides the text that a file gives."""

    cleaning: Cleaning = dataclasses.field(default_factory=Cleaning)
    limits: PdfLimits = dataclasses.field(default_factory=PdfLimits)
    password: str = ""
    reader: str = "pypdf"

    def version(self, path: Path) -> str:
        """Changes whenever a file could give other text, its limits and password left aside."""
        reader = reader_version(self.reader) if _is_pdf(path) else path.suffix.lower()
        cleaning = dataclasses.asdict(self.cleaning)
        made_of = [reader, CLEANING_VERSION, cleaning, MINHASH_VERSION, _RECORD_VERSION]
        return fingerprint(made_of)

    @property
    def conditions(self) -> str:
        """Changes with what may let a file be read that could not be."""
        return fingerprint([[*map(float, dataclasses.astuple(self.limits))], self.password])


@dataclass(frozen=True)
class ReadFile:
    """What one file gave, as the cache has it.

    Attributes:
        text_file: The cleaned text; it may be empty, and is None where reading ended badly.
        signature: MinHash of the text, see ``duplicates``.
    """

    text_file: Path | None
    report: FileReport
    num_paragraphs: int
    num_bytes: int
    signature: list[int]


def read_file(
    path: Path, content: str, reading: Reading, cache_dir: Path, *, progress: bool = False
) -> ReadFile:
    """Reads and cleans a file, or finds it in the cache; a bad PDF gives its status, not an error.

    Args:
        path: A PDF, text or Markdown file.
        content: SHA-256 of the file.
        cache_dir: Where everything is kept.
        progress: Whether to show a bar of the pages on standard error.
    """
    text_file = text_file_of(path, content, reading, cache_dir)
    kept = _kept_record(text_file, reading)
    if kept is not None:
        kept.report.path = str(path)  # the same content may have had another name
        return kept
    started = time.monotonic()
    pdf, encoding = None, None
    if _is_pdf(path):
        name = f"{content[:16]}-{reader_version(reading.reader)}.json.gz"
        pages_file = cache_dir / "pages" / name
        pdf = _kept_pages(pages_file, reading) or _fresh_pages(path, reading, progress, pages_file)
        pieces = iter([clean_pages(pdf.pages, reading.cleaning)])
    else:
        with path.open("rb") as file:
            encoding = find_encoding(file)
        pieces = _clean_pieces(path, encoding, reading.cleaning)
    read = _write(text_file, path, content, pdf, pieces)
    if encoding is not None and encoding.reason:
        if encoding.status != "ok":
            read.report.status = encoding.status
        read.report.reason = encoding.reason
    read.report.seconds = time.monotonic() - started
    if pdf is not None and pdf.seconds > read.report.seconds:
        read.report.seconds += pdf.seconds  # the pages were read earlier
    _keep_record(read, reading)
    return read


def text_file_of(path: Path, content: str, reading: Reading, cache_dir: Path) -> Path:
    """Where the cleaned text of a file lies."""
    name = fingerprint([content, reading.version(path)])
    # A file's name may have 255 bytes, and may be no text at all.
    stem = path.stem.encode("utf-8", "replace")[:120].decode("utf-8", "ignore")
    return cache_dir / "text" / f"{stem}-{name}.txt"


def _write(
    text_file: Path,
    path: Path,
    content: str,
    pdf: PdfText | None,
    pieces: Iterable[CleanText],
) -> ReadFile:
    """Writes cleaned text piece by piece and takes its measures."""
    report, sampled, compared = None, [], 0
    with written_document(text_file) as writer:
        for piece in pieces:
            writer.write(piece.paragraphs)
            if compared < _COMPARED_BYTES:
                sampled.append(shingles(paragraph.text for paragraph in piece.paragraphs))
                compared += sum(len(paragraph.text) for paragraph in piece.paragraphs)
            described = describe_file(path, content, pdf, piece, seconds=0.0)
            report = described if report is None else _sum(report, described)
    return ReadFile(
        text_file,
        report,
        len(writer.index),
        int(writer.index["num_bytes"].sum()),
        signature(np.unique(np.concatenate(sampled))),
    )


def _is_pdf(path: Path) -> bool:
    return path.suffix.lower() == ".pdf"


def _keep_record(read: ReadFile, reading: Reading) -> None:
    """Written last: where there is a record, everything else is there too."""
    record = {
        "conditions": reading.conditions,
        "report": read.report.to_json(),
        "num_paragraphs": read.num_paragraphs,
        "num_bytes": read.num_bytes,
        "signature": read.signature,
        "text_bytes": read.text_file.stat().st_size,
    }
    write_text(read.text_file.with_suffix(".json"), json.dumps(record), flush=False)


def _kept_record(text_file: Path, reading: Reading) -> ReadFile | None:
    try:
        record = json.loads(text_file.with_suffix(".json").read_bytes())
    except (OSError, ValueError):  # none, or one that a power cut has damaged
        return None
    sizes = record["num_paragraphs"], record["num_bytes"]
    if not is_whole(text_file, record["text_bytes"], record["num_paragraphs"]):
        return None
    report = FileReport.from_json(record["report"])
    if report.status not in _LASTING and record["conditions"] != reading.conditions:
        return None
    return ReadFile(text_file, report, *sizes, record["signature"])


def _fresh_pages(path: Path, reading: Reading, progress: bool, pages_file: Path) -> PdfText:
    with tqdm(desc=path.name, unit=" pages", disable=None if progress else True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        pdf = read_pdf(
            path,
            password=reading.password,
            limits=reading.limits,
            reader=reading.reader,
            on_page=show,
        )
    kept = dataclasses.asdict(pdf) | {"path": str(path), "conditions": reading.conditions}
    with whole_file(pages_file, flush=False) as file:
        file.write(gzip.compress(json.dumps(kept).encode(), 6))
    return pdf


def _kept_pages(pages_file: Path, reading: Reading) -> PdfText | None:
    try:
        kept = json.loads(gzip.decompress(pages_file.read_bytes()))
    except (OSError, EOFError, ValueError):  # none, or one that a power cut has damaged
        return None
    conditions = kept.pop("conditions")
    if kept["status"] not in _LASTING and conditions != reading.conditions:
        return None
    kept["pages"] = [[Line(*line) for line in page] for page in kept["pages"]]
    return PdfText(**(kept | {"path": Path(kept["path"])}))


def _clean_pieces(path: Path, encoding: TextEncoding, cleaning: Cleaning) -> Iterator[CleanText]:
    """Cleans a text file piece by piece, each ended by a blank line, whatever the file's size."""
    page = 1
    for piece in _text_pieces(path, encoding):
        clean = clean_plain_text(piece, cleaning)
        clean.paragraphs = [p._replace(page=p.page + page - 1) for p in clean.paragraphs]
        page += piece.count("\f")
        yield clean


def _text_pieces(path: Path, encoding: TextEncoding) -> Iterator[str]:
    if not encoding.name:
        yield ""
        return
    with path.open("rb") as file:
        decoded = io.TextIOWrapper(file, encoding.name, encoding.errors, newline=None)
        rest = ""
        while read := decoded.read(_PIECE_BYTES):
            rest += read
            if len(rest) >= _PIECE_BYTES:
                cut = _place_to_cut(rest)
                yield rest[:cut]
                rest = rest[cut:]
        yield rest


def _place_to_cut(text: str) -> int:
    """Behind the last blank line, or the last line, or the last word if there is but one line."""
    for separator in ("\n\n", "\n", " "):
        if (found := text.rfind(separator)) > 0:
            return found + len(separator)
    return len(text)


def _sum(report: FileReport, more: FileReport) -> FileReport:
    """The report of a file from those of its first pieces and the next one."""
    letters, added = report.characters, more.characters
    for name in ("glued_ratio", "garbage_ratio", "lost_ratio"):
        mean = getattr(report, name) * letters + getattr(more, name) * added
        setattr(report, name, mean / max(1, letters + added))
    for name in ("characters", "words", "words_dehyphenated"):
        setattr(report, name, getattr(report, name) + getattr(more, name))
    report.pages = max(report.pages, more.pages)
    if report.status == "empty":
        report.status, report.reason = more.status, more.reason
        report.empty_pages = more.empty_pages
    return report
