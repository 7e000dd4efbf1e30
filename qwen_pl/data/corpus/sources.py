"""Finds the files that a corpus is made of, and tells them by the hash of their content."""

# Of what may not be looked at, os.path says that it is not there, where pathlib raises:
# ruff: noqa: PTH110, PTH112, PTH113

import glob
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

from qwen_pl.data.cache_dir import CACHE_TAG, CacheDir
from qwen_pl.data.texts.text_file import SUFFIXES as TEXT_SUFFIXES
from qwen_pl.errors import InputError
from qwen_pl.files import expanded, remove, sha256
from qwen_pl.seals import Damaged, read_sealed, tell_mended, write_sealed

SUFFIXES = (".pdf", *TEXT_SUFFIXES)
_KINDS = ", ".join(SUFFIXES[:-1]) + " or " + SUFFIXES[-1]

_MEMORY = "content hashes"

Source = str | os.PathLike[str]
OnProblem = Callable[[str], None]


class SourceFile(NamedTuple):
    """A file of one of the kinds that are read."""

    path: Path
    sha256: str
    """Of its content, in hexadecimal digits."""

    @property
    def suffix(self) -> str:
        return suffix_of(self.path)


@dataclass(frozen=True)
class SourceFiles:
    """What a source leads to."""

    files: Sequence[SourceFile]
    """In the order of the corpus; the same content may be there under several names."""
    problems: Sequence[str]
    """One line on each file or folder that may not be read."""

    @classmethod
    def of(cls, source: str | Sequence[str], cache: CacheDir) -> "SourceFiles":
        """Finds and hashes the files; what was hashed before is remembered in the cache.

        Raises:
            InputError: If there is none.
        """
        files: list[SourceFile] = []
        problems: list[str] = []
        cache.mark()  # which the search is to pass over
        hashes = ContentHashes(cache.content_hashes)
        for path in find_sources(source, on_problem=problems.append):
            try:
                files.append(SourceFile(path, hashes.of(path)))
            except OSError as error:  # it has gone since it was found
                problems.append(f"{path}: {error.strerror}")
        hashes.save()
        if not files:
            raise InputError(f"nothing to read: {problems[0]}")
        return cls(files, problems)

    def unique(self) -> list[SourceFile]:
        """For each content, the first file that has it."""
        firsts: dict[str, SourceFile] = {}
        for file in self.files:
            firsts.setdefault(file.sha256, file)
        return list(firsts.values())


def suffix_of(path: Path) -> str:
    """What kind of file it is, by its name in small letters; empty if of none that is read."""
    name = path.name.lower()
    return next((s for s in SUFFIXES if name.endswith(s) and len(name) > len(s)), "")


class ContentHashes:
    """SHA-256 of files, remembered in a JSON file until a file is touched.

    Size, time of change and, where the system keeps one, time of change of the file's entry decide:
    no program that writes to a file or swaps it for another leaves all three as they were.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, list] = {}
        self._is_changed = False
        if os.path.lexists(memory):
            try:
                self._known = read_sealed(memory, _MEMORY)["files"]
            except Damaged as damage:
                remove(memory)  # it may be a folder
                tell_mended([damage])

    def of(self, path: Path) -> str:
        name, status = str(path.absolute()), path.stat()
        state = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        *known_state, digest = self._known.get(name, [None])
        if known_state != state:
            digest = sha256(path)
            self._known[name] = [*state, digest]
            self._is_changed = True
        return digest

    def save(self) -> None:
        if self._is_changed:
            write_sealed(self._memory, {"files": self._known}, _MEMORY, flush=False)


def find_sources(
    source: Source | Sequence[Source], on_problem: OnProblem | None = None
) -> list[Path]:
    """Lists the files with text that ``source`` names: files, folders, glob patterns.

    Folders are searched to any depth, linked ones too, and so are folders that a pattern matches.
    Hidden files, our own reports and folders marked as a cache are passed over, ``chapter2`` comes
    before ``chapter10``, and a pattern's suffix stands for both cases. A file that is reached in
    several ways is taken once, by the name that came first.

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


class _Search:
    """Looks for the files that one name leads to.

    ``glob`` goes round in circles of links, knows an accented letter in one of its two forms only,
    and says nothing of folders that may not be looked into.
    """

    def __init__(self, on_problem: OnProblem) -> None:
        self.on_problem = on_problem

    def files(self, name: str) -> list[Path]:
        if not name.strip():
            raise InputError("a source is empty: give a PDF, a folder or a pattern")
        path = expanded(name)
        if os.path.isdir(path):
            if files := self._readable(self._below(path)):
                return files
            raise InputError(f"no {_KINDS} file in {path}")
        if os.path.isfile(path):
            if not suffix_of(path):
                raise InputError(f"cannot read {path}: a source is a {_KINDS} file")
            return self._readable([path])
        matches = self._matches(Path(path.anchor), path.parts[bool(path.anchor) :])
        if files := self._readable(matches):
            return files
        raise InputError(_not_found(name, path))

    def _matches(self, folder: Path, pattern: Sequence[str]) -> Iterator[Path]:
        if not pattern:
            yield from self._below(folder) if os.path.isdir(folder) else [folder]
            return
        part, rest = pattern[0], pattern[1:]
        if part == "**":
            for inner, names in self._walk(folder):
                yield from self._matches(inner, rest) if rest else map(inner.joinpath, names)
        elif os.path.exists(folder / part):  # its name may look like a pattern
            yield from self._matches(folder / part, rest)
        else:
            for _, folders, names in islice(os.walk(folder, onerror=self._tell), 1):
                for name in sorted(folders if rest else folders + names):
                    if _fits(name, part):
                        yield from self._matches(folder / name, rest)

    def _below(self, folder: Path) -> Iterator[Path]:
        for inner, names in self._walk(folder):
            ours = {"report.html"} if "report.json" in names else set()
            yield from (inner / name for name in names if name not in ours)

    def _walk(self, top: Path) -> Iterator[tuple[Path, list[str]]]:
        """A folder and those in it to any depth but for caches, with their files not hidden."""
        seen: set[str] = set()  # each comes once, though links may form a circle
        tops = deque([top])  # links come last: a folder is rather known by its name than by a link
        while tops:
            for name, inner, files in os.walk(tops.popleft(), onerror=self._tell):
                folder, real = Path(name), os.path.realpath(name)
                inner[:] = _shown(inner)
                if real in seen or (CACHE_TAG in files and folder != top):
                    inner.clear()
                    continue
                seen.add(real)
                tops.extend(folder / link for link in inner if (folder / link).is_symlink())
                yield folder, _shown(files)

    def _tell(self, error: OSError) -> None:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            self.on_problem(f"cannot look into {error.filename}: {error.strerror}")

    def _readable(self, paths: Iterable[Path]) -> list[Path]:
        readable = []
        for path in paths:
            if suffix_of(path) and os.path.isfile(path):
                if os.access(path, os.R_OK):
                    readable.append(path)
                else:
                    self.on_problem(f"cannot read {path}: no permission to open it")
        return readable


def _not_found(name: str, path: Path) -> str:
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
    """Whether a file's name fits one part of a pattern."""
    if name.startswith(".") and not pattern.startswith("."):
        return False
    if suffix := suffix_of(Path(pattern)):
        pattern = pattern[: -len(suffix)] + suffix
        name = name[: -len(suffix)] + name[-len(suffix) :].lower()
    # An accented letter may be one character or two, which no one can see.
    return fnmatch(normalize("NFC", name), normalize("NFC", pattern))


def _shown(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("."))


def _real(path: Path, real_folder: Callable[[Path], str]) -> str:
    if path.is_symlink() or path.name in ("", ".."):
        return os.path.realpath(path)
    return os.path.join(real_folder(path.parent), path.name)  # noqa: PTH118


def _is_more_direct(path: Path, other: Path, real: str) -> bool:
    if path.is_symlink() != other.is_symlink():
        return other.is_symlink()
    return os.path.normpath(path.absolute()) == real


def _natural_order(path: Path) -> list[tuple[int, str]]:
    parted = re.split(r"(\d+)", str(path))
    return [(int(each), "") if each.isdecimal() else (-1, each) for each in parted if each]
