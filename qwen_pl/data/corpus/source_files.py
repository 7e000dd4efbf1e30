"""The files that a corpus is made of, each with the hash of its content."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from qwen_pl.data.cache_dir import CacheDir
from qwen_pl.data.corpus.sources import find_sources
from qwen_pl.errors import InputError
from qwen_pl.files import sha256, write_text


class SourceFile(NamedTuple):
    """A PDF, text or Markdown file."""

    path: Path
    sha256: str
    """Of its content, in hexadecimal digits."""


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


class ContentHashes:
    """SHA-256 of files; what was hashed once is hashed again only if the file was touched.

    Size, time of change and, where the system keeps one, time of change of the file's entry decide:
    no program that writes to a file or swaps it for another leaves all three as they were.

    Args:
        memory: A JSON file to remember in; it may be missing.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, list] = {}
        self._is_changed = False
        with contextlib.suppress(OSError, ValueError):  # none, or one that a power cut has damaged
            self._known = json.loads(memory.read_bytes())

    def of(self, path: Path) -> str:
        """Hexadecimal SHA-256 of a file's content."""
        name, status = str(path.absolute()), path.stat()
        state = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        *known_state, digest = self._known.get(name, [None])
        if known_state != state:
            digest = sha256(path)
            self._known[name] = [*state, digest]
            self._is_changed = True
        return digest

    def save(self) -> None:
        """Remembers what was hashed."""
        if self._is_changed:
            write_text(self._memory, json.dumps(self._known), flush=False)
