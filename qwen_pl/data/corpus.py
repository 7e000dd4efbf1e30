"""Turns source files into cleaned documents, each step kept under a fingerprint of what made it."""

import codecs
import dataclasses
import gzip
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from qwen_pl.data.clean import (
    CLEANING_VERSION,
    Cleaning,
    CleanText,
    clean_pages,
    clean_plain_text,
)
from qwen_pl.data.pdf import Line, PdfLimits, PdfText, read_pdf
from qwen_pl.data.pdf_readers import reader_version
from qwen_pl.data.sources import find_sources
from qwen_pl.data.tokens import PARAGRAPH_END, TextDocument
from qwen_pl.errors import InputError
from qwen_pl.files import sha256, whole_file, write_text

# These say something about the file itself; a timeout or a missing password may pass.
LASTING = ("ok", "partial", "empty", "corrupt")
GLUED = 0.15  # share of letters in overlong words; 0 on good pages, 0.02 to 0.56 seen on bad ones
OUTCOMES = {
    "empty": "no text in {path}: a scanned PDF needs OCR first",
    "encrypted": "{path} is encrypted: give its password in data.password",
    "corrupt": "{path} cannot be read as a PDF: {reason}",
    "timeout": "{path} took too long to read ({reason}): raise data.limits",
    "crashed": "the reader crashed on {path}: {reason}",
}


@dataclass(frozen=True)
class Reading:
    """How files are read; what is here decides the text that a file gives."""

    cleaning: Cleaning = dataclasses.field(default_factory=Cleaning)
    limits: PdfLimits = dataclasses.field(default_factory=PdfLimits)
    password: str = ""


@dataclass(frozen=True)
class ReadFile:
    """What one source file gave.

    Attributes:
        status: "ok", or how ``read_pdf`` fared.
        num_pages: Pages of the PDF; 1 for other files.
    """

    path: Path
    status: str
    reason: str
    num_pages: int
    clean: CleanText

    def problem(self) -> str:
        """One line that tells what is wrong and the way out; empty for a file that is whole."""
        if self.clean.paragraphs and self.status == "ok":
            if self.clean.glued_ratio > GLUED:
                return f"{self.path}: words seem glued together, the PDF may hide its spaces"
            return ""
        if self.clean.paragraphs:
            return f"{self.path}: {self.status}, {self.reason}"
        return OUTCOMES.get(self.status, OUTCOMES["empty"]).format(
            path=self.path, reason=self.reason
        )


def read_file(
    path: Path, reading: Reading, *, progress: bool = False, pages_file: Path | None = None
) -> ReadFile:
    """Reads and cleans one PDF, text or Markdown file; a bad PDF gives its status, not an error.

    Args:
        progress: Whether to show a bar of the pages on standard error.
        pages_file: Where a PDF's raw pages are kept, so that only cleaning is done again.
    """
    if path.suffix.lower() != ".pdf":
        return ReadFile(path, "ok", "", 1, clean_plain_text(_decoded(path), reading.cleaning))
    pdf = _kept_pages(path, pages_file) or _fresh_pages(path, reading, progress, pages_file)
    clean = clean_pages(pdf.pages, reading.cleaning)
    return ReadFile(path, pdf.status, pdf.reason, pdf.num_pages, clean)


@dataclass(frozen=True)
class Document:
    """A file of the corpus with its cleaned text on disk, and the page each paragraph starts on."""

    source: Path
    text_file: Path
    pages: Sequence[int]

    def text(self) -> TextDocument:
        """The paragraphs, read from the text file."""
        paragraphs = self.text_file.read_bytes().decode().removesuffix("\n").split(PARAGRAPH_END)
        return TextDocument(str(self.source), paragraphs, self.pages)


def read_corpus(
    source: str | Sequence[str], reading: Reading, cache_dir: Path, *, progress: bool = False
) -> list[Document]:
    """Reads and cleans every source, or finds it in the cache; files without text are left out.

    Args:
        progress: Whether to tell on standard error what was read and what was left out.

    Raises:
        InputError: If a source is missing, or if none of them gave any text.
    """
    documents: list[Document] = []
    problems: list[str] = []
    for path in find_sources(source):
        document, problem = _document(path, reading, cache_dir, progress)
        if problem:
            problems.append(problem)
        if problem and progress:
            _tell(problem if document else f"left out: {problem}")
        if document:
            documents.append(document)
    if len(problems) == 1 and not documents:
        raise InputError(problems[0])
    if not documents:
        raise InputError(f"no text in any of {len(problems)} files, the first: {problems[0]}")
    return documents


def _document(
    path: Path, reading: Reading, cache_dir: Path, progress: bool
) -> tuple[Document | None, str]:
    """One file as a document, or None where it has no text; and its problem, if any."""
    content = sha256(path)
    reader = reader_version("pypdf") if path.suffix.lower() == ".pdf" else path.suffix.lower()
    made_of = [content, reader, CLEANING_VERSION, dataclasses.asdict(reading.cleaning)]
    text_file = cache_dir / "text" / f"{path.stem}-{fingerprint(made_of)}.txt"
    record_file = text_file.with_suffix(".json")
    if record_file.is_file():
        record = json.loads(record_file.read_bytes())
        # The problem names the file by the name it has now.
        problem = record["problem"].replace(record["path"], str(path))
        return (Document(path, text_file, record["pages"]) if record["pages"] else None), problem

    pages_file = cache_dir / "pages" / f"{content[:16]}-{reader_version('pypdf')}.json.gz"
    file = read_file(path, reading, progress=progress, pages_file=pages_file)
    pages = [paragraph.page for paragraph in file.clean.paragraphs]
    record = {"path": str(path), "problem": file.problem(), "pages": pages}
    write_text(text_file, joined(file.clean))
    if file.status in LASTING:
        write_text(record_file, json.dumps(record, ensure_ascii=False))
    if progress and pages:
        letters = sum(len(paragraph.text) for paragraph in file.clean.paragraphs)
        _tell(f"{path}: {file.num_pages:,} pages, {letters:,} characters -> {text_file}")
    return (Document(path, text_file, pages) if pages else None), file.problem()


def _fresh_pages(path: Path, reading: Reading, progress: bool, pages_file: Path | None) -> PdfText:
    with tqdm(desc=path.name, unit=" pages", disable=None if progress else True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        pdf = read_pdf(path, password=reading.password, limits=reading.limits, on_page=show)
    if pages_file and pdf.status in LASTING:
        with whole_file(pages_file) as file:
            file.write(gzip.compress(json.dumps(dataclasses.asdict(pdf), default=str).encode(), 6))
    return pdf


def _kept_pages(path: Path, pages_file: Path | None) -> PdfText | None:
    if pages_file is None or not pages_file.is_file():
        return None
    kept = json.loads(gzip.decompress(pages_file.read_bytes()))
    kept["pages"] = [[Line(*line) for line in page] for page in kept["pages"]]
    return PdfText(**(kept | {"path": path}))


def _decoded(path: Path) -> str:
    """The text of a file in UTF-8 or UTF-16 with its mark, or else in Windows-1252."""
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _tell(line: str) -> None:
    """Prints on standard error, past any progress bar."""
    tqdm.write(line, file=sys.stderr)


def joined(clean: CleanText) -> str:
    """The cleaned text as it stands in a text file: a blank line between paragraphs."""
    return PARAGRAPH_END.join(paragraph.text for paragraph in clean.paragraphs) + "\n"


def fingerprint(made_of: object) -> str:
    """Twelve hexadecimal digits that change with anything in ``made_of``, a JSON value.

    >>> fingerprint(["a", 1]) == fingerprint(["a", 1]) != fingerprint(["a", 2])
    True
    """
    text = json.dumps(made_of, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
