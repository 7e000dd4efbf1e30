"""The argument parser of the verbs, and the options that several of them have."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from qwen_pl.errors import InputError

if TYPE_CHECKING:
    from qwen_pl.data.corpus.corpus import Corpus
    from qwen_pl.data.corpus.duplicates import Duplicates


class VerbParser(argparse.ArgumentParser):
    """Named after its verb; complains in one line and reads no abbreviations."""

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(
            prog=f"python -m qwen_pl {verb}",
            description=description,
            formatter_class=_Defaults,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} ({self.prog} --help shows what is taken)")


def add_corpus_options(parser: argparse.ArgumentParser) -> None:
    """The options of verbs that read a corpus without a config."""
    parser.add_argument(
        "source", nargs="+", metavar="SRC", help="a file, a folder or a pattern in quotes"
    )
    parser.add_argument("--reader", default="pypdf", help="pypdf, pdfium or auto")
    parser.add_argument("--password", default="", help="for encrypted PDFs")
    parser.add_argument("--strict", action="store_true", help="stop at a file that is not whole")
    parser.add_argument("--num_proc", type=int, help="processes; by default one for each core")
    parser.add_argument("--cache_dir", type=Path, default=Path("data/cache"), help="kept texts")


def corpus_of(options: argparse.Namespace, duplicates: "Duplicates") -> "Corpus":
    """The corpus that ``add_corpus_options`` describe, read or found in the cache.

    Raises:
        InputError: If it cannot be read.
    """
    from qwen_pl.data.corpus.corpus import read_corpus
    from qwen_pl.data.corpus.reading import ReadingSettings
    from qwen_pl.data.pdf.readers import check_reader
    from qwen_pl.data.processes import available_cores

    check_reader(options.reader)
    num_proc = available_cores() if options.num_proc is None else options.num_proc
    if num_proc < 1:
        raise InputError(f"--num_proc is {num_proc}: it has to be at least 1")
    return read_corpus(
        options.source,
        ReadingSettings(password=options.password, reader=options.reader),
        options.cache_dir,
        duplicates=duplicates,
        strict=options.strict,
        num_proc=num_proc,
        progress=True,
    )


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Says what a default is where there is one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, ""):
            return action.help
        return super()._get_help_string(action)


def unescaped(text: str) -> str:
    r"""A new line where a shell passes on a backslash and an n, and so for tabs.

    >>> unescaped(r"one\ntwo")
    'one\ntwo'
    """
    return text.replace(r"\n", "\n").replace(r"\t", "\t")
