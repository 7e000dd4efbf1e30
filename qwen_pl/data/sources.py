"""Finds the files that a corpus is made of."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from qwen_pl.errors import InputError

SUFFIXES = (".pdf", ".txt", ".md")


def find_sources(source: str | Sequence[str]) -> list[Path]:
    """Lists the PDF, text and Markdown files that ``source`` names: files, folders, glob patterns.

    Folders are searched to any depth, hidden files are passed over, and ``chapter2`` comes before
    ``chapter10``. A file named twice is taken once.

    Raises:
        InputError: If a name leads to no file, or to one of another kind.
    """
    found: dict[Path, None] = {}
    for name in [source] if isinstance(source, str) else source:
        for path in _matches(name):
            found.setdefault(path)
    if not found:
        raise InputError("no source named: give a PDF, a folder or a pattern")
    return list(found)


def _matches(name: str) -> list[Path]:
    path = Path(name).expanduser()
    if path.is_dir():
        inside = [p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES]
        files = [p for p in inside if not any(q.startswith(".") for q in p.relative_to(path).parts)]
        if not files:
            raise InputError(f"no {_kinds()} file in {path}")
        return sorted(files, key=_natural_order)
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(f"cannot read {path}: a source is a {_kinds()} file")
        return [path]
    # Path.glob takes no absolute patterns.
    matches = [Path(p) for p in glob.glob(str(path), recursive=True)]  # noqa: PTH207
    files = [p for p in matches if p.is_file() and p.suffix.lower() in SUFFIXES]
    if not files:
        what = "nothing matches" if glob.has_magic(name) else "no such file or folder:"
        raise InputError(f"{what} {name}")
    return sorted(files, key=_natural_order)


def _natural_order(path: Path) -> list[tuple[int, str]]:
    pieces = re.split(r"(\d+)", str(path))
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in pieces if piece]


def _kinds() -> str:
    return ", ".join(SUFFIXES[:-1]) + " or " + SUFFIXES[-1]
