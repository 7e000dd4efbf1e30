"""``extract``: turns PDFs into clean text."""

import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING

from qwen_pl.commands.options import VerbParser, add_corpus_options, corpus_of, reading_of
from qwen_pl.errors import InputError
from qwen_pl.files import check_place, whole_file
from qwen_pl.terminal import tell

if TYPE_CHECKING:
    from qwen_pl.data.corpus.document import Document

SINGLE = (".txt", ".md")
_LISTED = 20
_VIEWS = "pages.html"
_LINK_TO_VIEWS = f'<p><a href="{_VIEWS}">Pages and their blocks</a></p>\n'.encode()


def _parser() -> VerbParser:
    parser = VerbParser("extract", "Turn PDFs, EPUBs, HTML and other files into clean text.")
    add_corpus_options(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="NAME.txt for one file with everything, or a folder for one file per source, with "
        "a report beside the text; without it the text goes to the screen",
    )
    parser.add_argument(
        "--format",
        choices=("text", "markdown"),
        default="text",
        help="markdown marks headings, lists, code and tables",
    )
    parser.add_argument(
        "--debug-pages",
        metavar="PAGES",
        help="show what is seen on pages such as 3-5 of each PDF, beside the report",
    )
    return parser


def main(args: list[str]) -> None:
    """Writes the text of all sources to one file, to a folder, or to standard output.

    Raises:
        InputError: If a source is missing, none has text, or a source would be written over.
    """
    options = _parser().parse_args(args)

    from qwen_pl.data.cache_dir import CorpusEntry
    from qwen_pl.data.corpus.corpus import problem
    from qwen_pl.data.corpus.duplicates import Duplicates
    from qwen_pl.data.corpus.sources import find_sources
    from qwen_pl.data.report.file_report import status_table

    pages = _pages_to_show(options.debug_pages, options.out)
    sources = find_sources(options.source)
    targets = dict(
        zip(map(str, sources), _targets(sources, options.out, options.format), strict=True)
    )
    corpus = corpus_of(options, Duplicates(documents=False, paragraphs=False))
    for target, group in groupby(corpus.documents, key=lambda d: targets[d.source]):
        if target is None:
            _join(group, options.format, sys.stdout.buffer)
            sys.stdout.flush()
        else:
            with whole_file(target) as file:
                _join(group, options.format, file)
            tell(target)
    if options.out is not None:
        folder = options.out if options.out.is_dir() else options.out.parent
        entry = CorpusEntry(corpus.folder)
        for report in (entry.report_json, entry.report_html):
            content = report.read_bytes()
            if pages and report == entry.report_html:
                content = content.replace(b"<h1>", _LINK_TO_VIEWS + b"<h1>", 1)
            with whole_file(folder / report.name) as file:
                file.write(content)
        if pages:
            _show_pages(corpus.documents, pages, options, folder / _VIEWS)
        tell(folder / corpus.report_file.name)
    elif problems := [line for line in map(problem, corpus.reports) if line]:
        tell(*problems[:_LISTED], file=sys.stderr)
    tell(*status_table(corpus.reports), file=sys.stderr)


def _pages_to_show(pages: str | None, out: Path | None) -> list[int]:
    """The pages that ``--debug-pages`` names, once they can be shown."""
    if pages is None:
        return []
    from qwen_pl.data.corpus.page_views import check_can_render, page_numbers

    numbers = page_numbers(pages)
    if out is None:
        raise InputError("--debug-pages needs --out: the pictures are written beside the report")
    check_can_render()
    return numbers


def _show_pages(
    documents: Iterable["Document"], pages: Sequence[int], options: Namespace, out: Path
) -> None:
    """Writes the pictures of some pages of each PDF, and tells why there are none of one."""
    from qwen_pl.data.cache_dir import CacheDir
    from qwen_pl.data.corpus.page_views import page_views, write_views
    from qwen_pl.data.corpus.reading import read_pages
    from qwen_pl.data.corpus.sources import SourceFile
    from qwen_pl.data.pdf.child import ChildStopped

    settings, views = reading_of(options), []
    for document in documents:
        if not document.source.lower().endswith(".pdf"):
            continue
        file = SourceFile(Path(document.source), document.sha256)
        pdf, _ = read_pages(file, settings, CacheDir(options.cache_dir))
        try:
            shown = page_views(pdf, pages, settings)
        except ChildStopped as stopped:
            tell(f"{document.source}: no page is shown: {stopped}", file=sys.stderr)
            continue
        if not shown:
            tell(f"{document.source} has {len(pdf.sheets):,} pages", file=sys.stderr)
        views.append((document.source, shown))
    write_views(out, views)
    tell(out)


def _join(documents: Iterable["Document"], form: str, out: IO[bytes]) -> None:
    """Copies texts one after another, with a blank line between two."""
    from qwen_pl.data.corpus.document_markdown import markdown

    for number, document in enumerate(documents):
        out.write(b"\n" if number else b"")
        if form == "text" or document.source.lower().endswith(".md"):  # which is Markdown
            document.text.copy_to(out)
            continue
        for part in markdown(document.text.read_paragraphs()):
            out.write(part.encode())
        out.write(b"\n")


def _targets(sources: Sequence[Path], out: Path | None, form: str) -> Sequence[Path | None]:
    """The file that each source is written to; None stands for standard output."""
    if out is None:
        return [None] * len(sources)
    if out.suffix.lower() in SINGLE and not out.is_dir():
        targets = [out] * len(sources)
    else:
        if out.is_file():
            raise InputError(f"{out} is a file: give NAME.txt or a folder")
        targets, suffix = [], ".md" if form == "markdown" else ".txt"
        for source in sources:
            names = [source.stem, *(f"{source.stem}-{n}" for n in range(2, len(sources) + 2))]
            free = (out / f"{name}{suffix}" for name in names)
            targets.append(next(path for path in free if path not in targets))
    check_place(out)
    written_over = {path.resolve() for path in targets} & {path.resolve() for path in sources}
    if written_over:
        raise InputError(f"--out would write over the source {written_over.pop()}")
    return targets
