"""Turns source files into a corpus: every file read once, copies and repeated text left out."""

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qwen_pl.data.cache_dir import CacheDir, CorpusEntry, TextEntry
from qwen_pl.data.corpus.document import Document, SealedText
from qwen_pl.data.corpus.duplicates import Duplicates, drop_repeated, find_copies
from qwen_pl.data.corpus.reading import FileText, ReadingSettings, read_files, read_record
from qwen_pl.data.corpus.sources import SourceFile, SourceFiles
from qwen_pl.data.report.file_report import FileReport
from qwen_pl.data.report.write import read_report, write_report
from qwen_pl.errors import InputError
from qwen_pl.files import fingerprint, remove, whole_folder
from qwen_pl.seals import Damaged, check_seals, read_sealed, tell_mended, write_sealed
from qwen_pl.terminal import tell

CORPUS_VERSION = 1  # raised whenever the same texts would make another corpus

_OUTCOMES = {
    "empty": "{path}: {reason}",
    "encrypted": "{path} is encrypted: give its password in data.password",
    "corrupt": "{path} cannot be read{kind}: {reason}",
    "garbage": "the fonts of {path} do not tell which letters they show: try data.reader auto",
    "timeout": "{path} took too long to read ({reason}): raise data.limits",
    "crashed": "the reader crashed on {path}: {reason}",
}


@dataclass(frozen=True)
class Corpus:
    """The documents of a corpus and how it came about."""

    folder: Path
    """Holds ``report.html`` and ``report.json``."""
    documents: Sequence[Document]
    """Those with text, less what the corpus has already."""
    reports: Sequence[FileReport] = field(repr=False, compare=False)
    """One for each source file, in order."""
    is_new: bool = field(compare=False)
    """Whether it was put together now rather than found."""

    @property
    def fingerprint(self) -> str:
        """Changes with the text of the corpus, but not with the names of its files."""
        return fingerprint(
            [[TextEntry(d.text.file).fingerprint, d.dropped, d.group] for d in self.documents]
        )

    @property
    def report_file(self) -> Path:
        """The report for people."""
        return CorpusEntry(self.folder).report_html


def read_corpus(
    source: str | Sequence[str],
    reading: ReadingSettings,
    cache_dir: Path,
    *,
    duplicates: Duplicates = Duplicates(),  # noqa: B008 (frozen)
    strict: bool = False,
    by_size: bool = False,
    num_proc: int = 1,
    progress: bool = False,
) -> Corpus:
    """Reads and cleans every source, or finds it in the cache; files without text are left out.

    Args:
        by_size: Whether texts in the cache are only looked at by their size, for who will not read
            them. All else of the corpus is looked through.
        strict: Whether a file that is not read as a whole is an error.
        num_proc: Processes that read files; the result does not depend on it.
        progress: Whether to show on standard error how far it is.

    Raises:
        InputError: If a source is missing, if none of them gave any text, or if one was not read
            as a whole and ``strict`` is set.
    """
    cache = CacheDir(cache_dir)
    sources = SourceFiles.of(source, cache)
    entry = corpus_entry(sources, reading, cache, duplicates)
    if (corpus := _kept_corpus(entry, cache, by_size=by_size)) is None:
        unique = sources.unique()
        texts = read_files(unique, reading, cache, num_proc=num_proc, progress=progress)
        by_content = {file.sha256: text for file, text in zip(unique, texts, strict=True)}
        corpus = _put_together(entry, _members(sources.files, by_content), duplicates)
    for line in sources.problems if progress else ():
        tell(f"left out: {line}", file=sys.stderr)  # past any progress bar
    return _checked(corpus, sources, strict)


def find_corpus(
    source: str | Sequence[str],
    reading: ReadingSettings,
    cache_dir: Path,
    *,
    duplicates: Duplicates,
    strict: bool,
) -> Corpus | None:
    """What ``read_corpus`` has put together earlier, or None if it would have something to do.

    Every file of it is looked through.
    """
    cache = CacheDir(cache_dir)
    sources = SourceFiles.of(source, cache)
    entry = corpus_entry(sources, reading, cache, duplicates)
    corpus = _kept_corpus(entry, cache, by_size=False)
    return None if corpus is None else _checked(corpus, sources, strict)


def corpus_entry(
    sources: SourceFiles, reading: ReadingSettings, cache: CacheDir, duplicates: Duplicates
) -> CorpusEntry:
    """Where a corpus made of these files, read in this way, is kept."""
    files = [[str(file.path), file.sha256] for file in sources.files]
    suffixes = sorted({file.suffix for file in sources.files})
    versions = [[suffix, reading.version(suffix)] for suffix in suffixes]
    rules = [reading.conditions, [*map(float, dataclasses.astuple(duplicates))]]
    return cache.corpus(fingerprint([files, versions, rules, CORPUS_VERSION]))


def _checked(corpus: Corpus, sources: SourceFiles, strict: bool) -> Corpus:
    bad = [report for report in corpus.reports if report.status not in ("ok", "duplicate")]
    problems = [*map(problem, bad), *sources.problems]
    if strict and problems:
        more = f" (and {len(problems) - 1} more files)" if len(problems) > 1 else ""
        raise InputError(f"strict: {problems[0]}{more}")
    return corpus


def problem(report: FileReport) -> str:
    """One line on what is wrong with a file and the way out; empty for one that is whole."""
    if report.characters:
        return f"{report.path}: {trouble}" if (trouble := report.trouble()) else ""
    status = "garbage" if report.garbage_pages else report.status
    outcome = _OUTCOMES.get(status, _OUTCOMES["empty"])
    kind = " as a PDF" if report.path.lower().endswith(".pdf") else ""
    return outcome.format(path=report.path, reason=report.reason, kind=kind)


@dataclass
class _Member:
    """A source file on its way into the corpus."""

    place: int  # among the source files
    file: SourceFile
    text: FileText  # of its content, which other members may have too
    report: FileReport

    def document(self) -> Document:
        text, (path, sha256) = self.text, self.file
        assert text.text is not None, "there is no text to make a document of"
        return Document(str(path), sha256, text.text, text.num_paragraphs, text.num_bytes)

    def tell_copy_of(self, original: "_Member", how: str) -> None:
        path = str(original.file.path)
        self.report.status, self.report.reason = "duplicate", f"{how} {path}"
        self.report.duplicate_of = path


def _members(files: Sequence[SourceFile], texts: Mapping[str, FileText]) -> list[_Member]:
    """The files with their texts, which are given by content; only the first of each has it."""
    members: list[_Member] = []
    firsts: dict[str, _Member] = {}
    for place, file in enumerate(files):
        text = texts[file.sha256]
        member = _Member(place, file, text, text.report)
        members.append(member)
        first = firsts.setdefault(file.sha256, member)
        if first is not member:
            member.report = dataclasses.replace(
                text.report, path=str(file.path), excerpts=[], running_heads=[]
            )
            if text.report.characters and text.report.status == "ok":
                member.tell_copy_of(first, "the same file as")
            elif text.report.characters:  # what is not whole stays that under any name
                member.report.reason += f" (the same file as {first.file.path})"
                member.report.duplicate_of = str(first.file.path)
    return members


def _put_together(entry: CorpusEntry, members: Sequence[_Member], duplicates: Duplicates) -> Corpus:
    """Makes the documents of the files that have text; keeps the report, and the corpus too."""
    reports = [member.report for member in members]
    with_text = [member for member in members if member.text.num_bytes]
    if not with_text:
        more = f"no text in any of {len(reports)} files, the first: " if len(reports) > 1 else ""
        raise InputError(more + problem(reports[0]))
    kept = _without_copies(with_text, duplicates)
    documents = [document for _, document in kept]
    if duplicates.paragraphs:
        documents = drop_repeated(documents)
    for (member, _), document in zip(kept, documents, strict=True):
        member.report.repeated_paragraphs = sum(end - first for first, end in document.dropped)
    documents = [document for document in documents if document.num_bytes]
    remove(entry.folder)  # one of which something is damaged
    with whole_folder(entry.folder) as folder:
        unfinished = CorpusEntry(folder, entry.name)
        write_report(unfinished, reports)
        if all(member.text.text is not None for member in members):  # else one is tried again
            made = [dataclasses.asdict(d) | {"text": _by_name(d.text)} for d in documents]
            write_sealed(unfinished.documents, {"documents": made}, f"corpus {entry.name}")
    return Corpus(entry.folder, documents, reports, is_new=True)


def _without_copies(
    members: Sequence[_Member], duplicates: Duplicates
) -> list[tuple[_Member, Document]]:
    """The documents in order, less copies; where these are kept, they are put in groups.

    The reports say which members are copies and are left out.
    """
    # A copy of a file that could not be read to its end must not displace a whole one.
    members = sorted(members, key=lambda member: (member.text.report.status != "ok", member.place))
    documents = [member.document() for member in members]
    originals = _originals(members, documents, duplicates.similarity)
    kept = []
    for number, (member, document) in enumerate(zip(members, documents, strict=True)):
        original = originals.get(number, number)
        if original != number and duplicates.documents:
            is_same_file = member.file.sha256 == members[original].file.sha256
            if member.report.status != "duplicate" and not is_same_file:
                member.tell_copy_of(members[original], "nearly the same text as")
            continue
        if member.report.status == "duplicate":  # kept all the same, as the user asks
            member.report.status = "ok"
        kept.append((member, dataclasses.replace(document, group=original)))
    return sorted(kept, key=lambda pair: pair[0].place)


def _originals(
    members: Sequence[_Member], documents: Sequence[Document], similarity: float
) -> dict[int, int]:
    """For each copy the document that it is one of, both by their numbers."""
    firsts: dict[str, int] = {}
    for number, document in enumerate(documents):
        firsts.setdefault(document.sha256, number)
    numbers = list(firsts.values())
    near = find_copies([(documents[n], members[n].text.signature) for n in numbers], similarity)
    originals = {numbers[copy]: numbers[original] for copy, original in near.items()}
    for number, document in enumerate(documents):
        if (first := firsts[document.sha256]) != number:
            originals[number] = originals.get(first, first)
    return originals


def _by_name(text: SealedText) -> list[Any]:
    return [text.file.name, text.seal, text.index_seal]


def _kept_corpus(entry: CorpusEntry, cache: CacheDir, *, by_size: bool) -> Corpus | None:
    if not os.path.lexists(entry.documents):
        return None
    try:
        made = read_sealed(entry.documents, f"corpus {entry.name}")["documents"]
        reports = read_report(entry)
    except Damaged as damage:
        tell_mended([damage])
        return None
    documents = [_kept_document(values, cache) for values in made]
    seals = {path: seal for document in documents for path, seal in document.text.seals.items()}
    try:
        check_seals(seals, by_size=by_size)
        for document in () if by_size else documents:
            read_record(TextEntry(document.text.file))
    except Damaged:
        return None  # of which is told where it is mended
    return Corpus(entry.folder, documents, reports, is_new=False)


def _kept_document(values: dict[str, Any], cache: CacheDir) -> Document:
    dropped = tuple((first, end) for first, end in values["dropped"])
    name, *seals = values["text"]
    text = SealedText.of(cache.text_named(name).text, seals)
    return Document(**(values | {"dropped": dropped, "text": text}))
