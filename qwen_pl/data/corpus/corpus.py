"""Turns source files into a corpus: every file read once, copies and repeated text left out."""

import dataclasses
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tqdm import tqdm

from qwen_pl.data.cleaning.clean_text import CleanText
from qwen_pl.data.corpus.content_hashes import ContentHashes
from qwen_pl.data.corpus.document import Document, Range
from qwen_pl.data.corpus.duplicates import Duplicates, drop_repeated, find_copies
from qwen_pl.data.corpus.reading import ReadFile, Reading, read_file, text_file_of
from qwen_pl.data.corpus.sources import find_sources, mark_as_cache
from qwen_pl.data.pdf.read import PdfText
from qwen_pl.data.processes import ProcessDied, map_in_processes
from qwen_pl.data.report.file_report import FileReport, describe_file
from qwen_pl.data.report.write import write_report
from qwen_pl.errors import InputError
from qwen_pl.files import fingerprint, whole_folder

CORPUS_VERSION = 1  # raised whenever the same texts would make another corpus

GOOD = ("ok", "duplicate")
_OUTCOMES = {
    "empty": "no text in {path}: a scanned PDF needs OCR first",
    "encrypted": "{path} is encrypted: give its password in data.password",
    "corrupt": "{path} cannot be read{kind}: {reason}",
    "garbage": "the fonts of {path} do not tell which letters they show: try data.reader auto",
    "timeout": "{path} took too long to read ({reason}): raise data.limits",
    "crashed": "the reader crashed on {path}: {reason}",
}


@dataclass(frozen=True)
class Corpus:
    """The documents of a corpus and how it came about.

    Attributes:
        folder: Holds ``report.html`` and ``report.json``.
        documents: Those with text, less what the corpus has already.
        reports: One for each source file, in order.
        is_new: Whether it was put together now rather than found.
    """

    folder: Path
    documents: Sequence[Document]
    reports: Sequence[FileReport] = field(repr=False, compare=False)
    is_new: bool = field(compare=False)

    @property
    def fingerprint(self) -> str:
        """Changes with the text of the corpus, but not with the names of its files."""
        texts = [document.text_file.stem.rpartition("-")[2] for document in self.documents]
        return fingerprint(
            [[text, d.dropped, d.group] for text, d in zip(texts, self.documents, strict=True)]
        )


def read_corpus(
    source: str | Sequence[str],
    reading: Reading,
    cache_dir: Path,
    *,
    duplicates: Duplicates = Duplicates(),  # noqa: B008 (frozen)
    strict: bool = False,
    num_proc: int = 1,
    progress: bool = False,
) -> Corpus:
    """Reads and cleans every source, or finds it in the cache; files without text are left out.

    Args:
        duplicates: What to do with text that is there more than once.
        strict: Whether a file that is not read as a whole is an error.
        num_proc: Processes that read files; the result does not depend on it.
        progress: Whether to show on standard error how far it is.

    Raises:
        InputError: If a source is missing, if none of them gave any text, or if one was not read
            as a whole and ``strict`` is set.
    """
    inputs = Inputs.of(source, reading, cache_dir, duplicates)
    corpus = _kept_corpus(inputs.folder, cache_dir)
    if corpus is None:
        jobs = Jobs(reading, cache_dir, num_proc, progress)
        corpus = _put_together(inputs, jobs, duplicates)
    for line in inputs.problems if progress else ():
        tell(f"left out: {line}")
    return _checked(corpus, inputs, strict)


def find_corpus(
    source: str | Sequence[str],
    reading: Reading,
    cache_dir: Path,
    *,
    duplicates: Duplicates,
    strict: bool,
) -> Corpus | None:
    """What ``read_corpus`` has put together earlier, or None if it would have something to do.

    Raises:
        InputError: As ``read_corpus`` does.
    """
    inputs = Inputs.of(source, reading, cache_dir, duplicates)
    corpus = _kept_corpus(inputs.folder, cache_dir)
    return None if corpus is None else _checked(corpus, inputs, strict)


def _checked(corpus: Corpus, inputs: "Inputs", strict: bool) -> Corpus:
    problems = [problem(report) for report in corpus.reports if report.status not in GOOD]
    problems += inputs.problems
    if strict and problems:
        more = f" (and {len(problems) - 1} more files)" if len(problems) > 1 else ""
        raise InputError(f"strict: {problems[0]}{more}")
    return corpus


def problem(report: FileReport) -> str:
    """One line on what is wrong with a file and the way out; empty for one that is whole."""
    if report.characters:
        trouble = report.trouble()
        return f"{report.path}: {trouble}" if trouble else ""
    status = "garbage" if report.garbage_pages else report.status
    outcome = _OUTCOMES.get(status, _OUTCOMES["empty"])
    kind = " as a PDF" if report.path.lower().endswith(".pdf") else ""
    return outcome.format(path=report.path, reason=report.reason, kind=kind)


@dataclass(frozen=True)
class Inputs:
    """The files that a corpus is made of.

    Attributes:
        contents: SHA-256 of each.
        problems: One line on each that may not be read.
        folder: Where a corpus made of them, read in the same way, is kept.
    """

    paths: Sequence[Path]
    contents: Sequence[str]
    problems: Sequence[str]
    folder: Path

    @classmethod
    def of(
        cls, source: str | Sequence[str], reading: Reading, cache_dir: Path, duplicates: Duplicates
    ) -> "Inputs":
        problems: list[str] = []
        paths, contents = [], []
        mark_as_cache(cache_dir)
        hashes = ContentHashes(cache_dir / "files.json")
        for path in find_sources(source, on_problem=problems.append):
            try:
                contents.append(hashes.of(path))
                paths.append(path)
            except OSError as error:  # it has gone since it was found
                problems.append(f"{path}: {error.strerror}")
        hashes.save()
        if not paths:
            raise InputError(f"nothing to read: {problems[0]}")
        files = [[str(path), content] for path, content in zip(paths, contents, strict=True)]
        suffixes = sorted({path.suffix.lower() for path in paths})
        versions = [[suffix, reading.version(Path(f"x{suffix}"))] for suffix in suffixes]
        rules = [reading.conditions, [*map(float, dataclasses.astuple(duplicates))]]
        folder = cache_dir / "corpus" / fingerprint([files, versions, rules, CORPUS_VERSION])
        return cls(paths, contents, problems, folder)

    @property
    def firsts(self) -> dict[str, int]:
        """For each content, the number of the first file that has it."""
        return {content: i for i, content in reversed(list(enumerate(self.contents)))}


@dataclass(frozen=True)
class Jobs:
    """How the files of a corpus are read."""

    reading: Reading
    cache_dir: Path
    num_proc: int
    progress: bool


def _put_together(inputs: Inputs, jobs: Jobs, duplicates: Duplicates) -> Corpus:
    paths, contents, folder = inputs.paths, inputs.contents, inputs.folder
    firsts = inputs.firsts
    unique = sorted(firsts.values())
    results = read_all([(paths[i], contents[i]) for i in unique], jobs)
    files = dict(zip(unique, results, strict=True))
    reads = [files[firsts[content]] for content in contents]
    reports = []
    for i, path in enumerate(paths):
        first = firsts[contents[i]]
        report = reads[i].report
        if i != first:
            report = dataclasses.replace(report, path=str(path), excerpts=[], running_heads=[])
            if report.characters:
                reason = f"the same file as {paths[first]}"
                report.status, report.reason = "duplicate", reason
                report.duplicate_of = str(paths[first])
        reports.append(report)

    with_text = [i for i, read in enumerate(reads) if read.num_bytes]
    if not with_text:
        raise InputError(_nothing(reports))
    # A copy of a file that could not be read to its end must not displace a whole one.
    with_text.sort(key=lambda i: (reads[i].report.status != "ok", i))
    documents = [_document(paths[i], contents[i], reads[i]) for i in with_text]
    signatures = [reads[i].signature for i in with_text]
    documents = _without_copies(documents, signatures, [reports[i] for i in with_text], duplicates)
    order = {str(path): i for i, path in enumerate(paths)}
    documents.sort(key=lambda document: order[document.source])
    if duplicates.paragraphs:
        documents = drop_repeated(documents)
    for document in documents:
        report = reports[order[document.source]]
        report.repeated_paragraphs = sum(end - first for first, end in document.dropped)
    documents = [document for document in documents if document.num_bytes]
    are_lasting = all(read.text_file is not None for read in reads)
    _keep_corpus(folder, documents, reports, are_lasting)
    return Corpus(folder, documents, reports, is_new=True)


def _without_copies(
    documents: list[Document],
    signatures: Sequence[list[int]],
    reports: Sequence[FileReport],
    duplicates: Duplicates,
) -> list[Document]:
    """Leaves out copies and says so in their reports, or else puts them in groups."""
    copies: dict[int, int] = {}
    seen: dict[str, int] = {}
    for number, document in enumerate(documents):
        copies |= {number: seen[document.sha256]} if document.sha256 in seen else {}
        seen.setdefault(document.sha256, number)
    others = [number for number in range(len(documents)) if number not in copies]
    near = find_copies(
        [documents[n] for n in others], [signatures[n] for n in others], duplicates.similarity
    )
    copies |= {others[copy]: others[original] for copy, original in near.items()}
    kept = []
    for number, document in enumerate(documents):
        original = copies.get(number, number)
        original = copies.get(original, original)
        report = reports[number]
        if original != number and duplicates.documents:
            if report.status != "duplicate":
                report.status = "duplicate"
                report.reason = f"nearly the same text as {documents[original].source}"
                report.duplicate_of = documents[original].source
            continue
        if report.status == "duplicate":  # kept all the same, as the user asks
            report.status = "ok"
        kept.append(dataclasses.replace(document, group=original))
    return kept


def _document(path: Path, content: str, read: ReadFile) -> Document:
    return Document(str(path), content, read.text_file, read.num_paragraphs, read.num_bytes)


def read_all(files: Sequence[tuple[Path, str]], jobs: Jobs) -> Iterator[ReadFile]:
    """Every file from the cache or from the disk, in order."""
    is_kept = [
        text_file_of(path, content, jobs.reading, jobs.cache_dir).with_suffix(".json").is_file()
        for path, content in files
    ]
    num_proc = min(jobs.num_proc, is_kept.count(False))
    one = len(files) == 1
    bar = partial(tqdm, unit=" files", disable=None if jobs.progress and not one else True)
    read = partial(_read, jobs=dataclasses.replace(jobs, progress=jobs.progress and one))
    with bar(desc="reading", total=len(files)) as shown:
        for (path, content), result in map_in_processes(read, files, num_proc):
            if isinstance(result, ProcessDied):
                result = _died(path, content, jobs, str(result))
            shown.update()
            yield result


def _read(file: tuple[Path, str], jobs: Jobs) -> ReadFile:
    path, content = file
    try:
        return read_file(path, content, jobs.reading, jobs.cache_dir, progress=jobs.progress)
    except Exception as error:  # whatever one file does, the others are to be read
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return _died(path, content, jobs, reason)


def _died(path: Path, content: str, jobs: Jobs, reason: str) -> ReadFile:
    """Stands for a file that ended the process which read it; nothing of it is kept."""
    pdf = PdfText(path, status="crashed", reason=reason, reader=jobs.reading.reader)
    report = describe_file(path, content, pdf, CleanText(), seconds=0.0)
    return ReadFile(None, report, 0, 0, [])


def _nothing(reports: Sequence[FileReport]) -> str:
    """Why there is no corpus."""
    if len(reports) == 1:
        return problem(reports[0])
    return f"no text in any of {len(reports)} files, the first: {problem(reports[0])}"


def _keep_corpus(
    folder: Path,
    documents: Iterable[Document],
    reports: Sequence[FileReport],
    are_lasting: bool,
) -> None:
    """Keeps the report, and the corpus too unless a file may be read the next time."""
    made = [
        dataclasses.asdict(document) | {"text_file": document.text_file.name}
        for document in documents
    ]
    shutil.rmtree(folder, ignore_errors=True)  # one whose texts are gone
    with whole_folder(folder) as unfinished:
        write_report(unfinished, reports)
        if are_lasting:
            text = json.dumps({"documents": made})
            (unfinished / "corpus.json").write_text(text, encoding="utf-8")


def _kept_corpus(folder: Path, cache_dir: Path) -> Corpus | None:
    if not (folder / "corpus.json").is_file():
        return None
    made = json.loads((folder / "corpus.json").read_bytes())["documents"]
    documents = [_kept_document(values, cache_dir) for values in made]
    if not all(document.text_file.is_file() for document in documents):
        return None
    reports = json.loads((folder / "report.json").read_bytes())["files"]
    return Corpus(folder, documents, [FileReport.from_json(r) for r in reports], is_new=False)


def _kept_document(values: dict, cache_dir: Path) -> Document:
    dropped: tuple[Range, ...] = tuple((first, end) for first, end in values["dropped"])
    text_file = cache_dir / "text" / values["text_file"]
    return Document(**(values | {"dropped": dropped, "text_file": text_file}))


def tell(line: str) -> None:
    """Prints on standard error, past any progress bar."""
    tqdm.write(line, file=sys.stderr)
