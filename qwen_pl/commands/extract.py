"""``extract``: turns PDFs into clean text."""

import sys
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from qwen_pl.commands.arguments import VerbParser
from qwen_pl.errors import InputError

SINGLE = (".txt", ".md")


def main(args: list[str]) -> None:
    """Writes the text of all sources to one file, to a folder, or to standard output.

    Raises:
        InputError: If a source is missing, none has text, or a source would be written over.
    """
    parser = VerbParser("extract", "Turn PDFs, text and Markdown files into clean text.")
    parser.add_argument(
        "source", nargs="+", metavar="SRC", help="a file, a folder or a pattern in quotes"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="NAME.txt for one file with everything, or a folder for one file per source; "
        "without it the text goes to the screen",
    )
    parser.add_argument("--password", default="", help="for encrypted PDFs")
    options = parser.parse_args(args)

    from qwen_pl.data.corpus import Reading, joined, read_file
    from qwen_pl.data.sources import find_sources
    from qwen_pl.files import write_text

    sources = find_sources(options.source)
    targets = _targets(sources, options.out)
    reading = Reading(password=options.password)
    found_text = False
    for target, group in groupby(zip(targets, sources, strict=True), key=itemgetter(0)):
        texts = []
        for _, source in group:
            file = read_file(source, reading, progress=True)
            if file.problem():
                if len(sources) == 1 and not file.clean.paragraphs:
                    raise InputError(file.problem())
                print(file.problem(), file=sys.stderr)
            if file.clean.paragraphs:
                texts.append(joined(file.clean))
                letters = sum(len(paragraph.text) for paragraph in file.clean.paragraphs)
                print(
                    f"{source}: {file.num_pages:,} pages, {letters:,} characters", file=sys.stderr
                )
        if not texts:
            continue
        found_text = True
        if target is None:
            sys.stdout.write("\n".join(texts))
        else:
            write_text(target, "\n".join(texts))
            print(target)
    if not found_text:
        raise InputError(f"no text in any of {len(sources)} files")


def _targets(sources: list[Path], out: Path | None) -> list[Path | None]:
    """The file that each source is written to; None stands for standard output."""
    if out is None:
        return [None] * len(sources)
    if out.suffix.lower() in SINGLE and not out.is_dir():
        targets = [out] * len(sources)
    else:
        if out.is_file():
            raise InputError(f"{out} is a file: give NAME.txt or a folder")
        targets = []
        for source in sources:
            names = [source.stem, *(f"{source.stem}-{n}" for n in range(2, len(sources) + 2))]
            free = (out / f"{name}.txt" for name in names)
            targets.append(next(path for path in free if path not in targets))
    written_over = {path.resolve() for path in targets} & {path.resolve() for path in sources}
    if written_over:
        raise InputError(f"--out would write over the source {written_over.pop()}")
    return targets
