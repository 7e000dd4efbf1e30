"""Finds the files that a corpus is made of."""

import glob
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from unicodedata import normalize

from qwen_pl.errors import InputError
from qwen_pl.files import write_text

SUFFIXES = (".pdf", ".txt", ".md")
CACHE_TAG = "CACHEDIR.TAG"
CACHE_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"

Source = str | os.PathLike[str]
OnProblem = Callable[[str], None]


def find_sources(
    source: Source | Sequence[Source], on_problem: OnProblem | None = None
) -> list[Path]:
    """Lists the PDF, text and Markdown files that ``source`` names: files, folders, glob patterns.

    Folders are searched to any depth, linked ones too, and so are folders that a pattern matches.
    Hidden files and folders marked as a cache are passed over, ``chapter2`` comes before
    ``chapter10``, and a pattern's suffix stands for both cases. A file that is reached in several
    ways is taken once, by the name that came first.

    Args:
        source: One name or several; ``~`` stands for the home folder and ``**`` for any depth.
        on_problem: Called with one line on each file or folder that may not be read, which is then
            passed over; without it that is an error.

    Raises:
        InputError: If a name leads to no file, to one of another kind, or to what may not be read.
    """
    names = [source] if isinstance(source, (str, os.PathLike)) else source
    found: dict[str, Path] = {}
    problems: list[str] = []

    def tell(problem: str) -> None:
        if on_problem is None:
            raise InputError(problem)
        if problem not in problems:
            problems.append(problem)
            on_problem(problem)

    real_folder = lru_cache(maxsize=None)(os.path.realpath)
    for name in names:
        own: dict[str, Path] = {}
        for path in _Search(tell).files(os.fspath(name)):
            real = _real(path, real_folder)
            # Of several names for one file, the one with the fewest links stands for it.
            if real not in own or _is_more_direct(path, own[real], real):
                own[real] = path
        for real, path in sorted(own.items(), key=lambda item: _natural_order(item[1])):
            found.setdefault(real, path)
    if not found:
        nothing = "no source named: give a PDF, a folder or a pattern"
        raise InputError(problems[0] if problems else nothing)
    return list(found.values())


def mark_as_cache(folder: Path) -> None:
    """Makes a folder and marks it, so that a search in a folder around it passes it over.

    Otherwise the texts that were made of a corpus would belong to it the next time. Programs for
    backups know the mark as well.

    Source: Cache Directory Tagging Specification, https://bford.info/cachedir/
    """
    if not (folder / CACHE_TAG).is_file():
        write_text(folder / CACHE_TAG, f"{CACHE_SIGNATURE}\n# Made by qwen_pl; may be deleted.\n")


class _Search:
    """Looks for the files that one name leads to."""

    def __init__(self, on_problem: OnProblem) -> None:
        self.on_problem = on_problem

    def files(self, name: str) -> list[Path]:
        """All files, in any order."""
        if not name.strip():
            raise InputError("a source is empty: give a PDF, a folder or a pattern")
        path = Path(os.path.expanduser(name))  # noqa: PTH111 (Path's own fails without a home)
        if _is_folder(path):
            files = list(self._readable(self._below(path)))
            if not files:
                raise InputError(f"no {_kinds()} file in {path}")
            return files
        if _is_file(path):
            if path.suffix.lower() not in SUFFIXES:
                raise InputError(f"cannot read {path}: a source is a {_kinds()} file")
            return list(self._readable([path]))
        files = list(
            self._readable(self._matches(Path(path.anchor), path.parts[bool(path.anchor) :]))
        )
        if not files:
            raise InputError(_not_found(name, path))
        return files

    def _matches(self, folder: Path, pattern: Sequence[str]) -> Iterator[Path]:
        """The files below ``folder`` that the parts of a pattern lead to."""
        if not pattern:
            yield from self._below(folder) if _is_folder(folder) else [folder]
            return
        part, rest = pattern[0], pattern[1:]
        if part == "..":
            yield from self._matches(folder / part, rest)
        elif part == "**":
            for inner in self._folders(folder):
                yield from self._matches(inner, rest) if rest else self._files(inner)
        elif _exists(folder / part):  # its name may look like a pattern
            yield from self._matches(folder / part, rest)
        else:
            for entry in self._entries(folder):
                if _fits(entry.name, part) and (not rest or _is_folder(entry)):
                    yield from self._matches(entry, rest)

    def _below(self, folder: Path) -> Iterator[Path]:
        for inner in self._folders(folder):
            yield from self._files(inner)

    def _files(self, folder: Path) -> Iterator[Path]:
        """The files right in a folder that may be sources."""
        for entry in self._entries(folder):
            if not entry.name.startswith(".") and not _is_folder(entry):
                yield entry

    def _folders(self, top: Path) -> Iterator[Path]:
        """A folder and those in it to any depth, each once though links may form a circle."""
        seen: set[str] = set()
        ahead, linked = [top], deque[Path]()  # a folder is rather known by its name than by a link
        while ahead or linked:
            folder = ahead.pop() if ahead else linked.popleft()
            if (real := os.path.realpath(folder)) in seen:
                continue
            seen.add(real)
            if folder != top and _is_file(folder / CACHE_TAG):
                continue
            yield folder
            for entry in self._entries(folder):
                if not entry.name.startswith(".") and _is_folder(entry):
                    (linked if entry.is_symlink() else ahead).append(entry)

    def _entries(self, folder: Path) -> list[Path]:
        try:
            return sorted(folder.iterdir(), key=attrgetter("name"))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.on_problem(f"cannot look into {folder}: {error.strerror}")
            return []

    def _readable(self, paths: Iterator[Path] | Sequence[Path]) -> Iterator[Path]:
        for path in paths:
            if path.suffix.lower() in SUFFIXES and _is_file(path):
                if os.access(path, os.R_OK):
                    yield path
                else:
                    self.on_problem(f"cannot read {path}: no permission to open it")


def _not_found(name: str, path: Path) -> str:
    """Why a name leads to nothing."""
    if re.match("[a-z]+://", name):
        return f"{name} is an address: download the file and name it by its path"
    if glob.has_magic(name):
        return f"nothing matches {name}"
    try:
        is_there = path.exists()
    except PermissionError as error:
        return f"cannot read {path}: {error.strerror}"
    except (OSError, ValueError):  # too long, for one
        is_there = False
    if is_there:
        return f"cannot read {path}: it is neither a file nor a folder"
    hint = "; several are given as a list: [a.pdf, b.pdf]" if "," in name else ""
    return f"no such file or folder: {name}{hint}"


def _fits(name: str, pattern: str) -> bool:
    """Whether a file's name fits one part of a pattern.

    An accented letter may be one character or two, which no one can see.
    """
    if name.startswith(".") and not pattern.startswith("."):
        return False
    stem, dot, suffix = pattern.rpartition(".")
    if (dot + suffix).lower() in SUFFIXES:
        name_stem, name_dot, name_suffix = name.rpartition(".")
        name = name_stem + name_dot + name_suffix.lower()
        pattern = stem + dot + suffix.lower()
    return fnmatch(normalize("NFC", name), normalize("NFC", pattern))


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 (Path's own raises what may not be looked at)


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110


def _real(path: Path, real_folder: Callable[[Path], str]) -> str:
    """Where a file is, all links followed."""
    if path.is_symlink() or path.name in ("", ".."):
        return os.path.realpath(path)
    return os.path.join(real_folder(path.parent), path.name)  # noqa: PTH118


def _is_more_direct(path: Path, other: Path, real: str) -> bool:
    if path.is_symlink() != other.is_symlink():
        return other.is_symlink()
    return os.path.normpath(path.absolute()) == real


def _natural_order(path: Path) -> list[tuple[int, str]]:
    pieces = re.split(r"(\d+)", str(path))
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces if piece]


def _kinds() -> str:
    return ", ".join(SUFFIXES[:-1]) + " or " + SUFFIXES[-1]
