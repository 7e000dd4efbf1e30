"""Hashes of files, remembered for as long as a file's size and times stay the same."""

import contextlib
import json
from pathlib import Path

from qwen_pl.files import sha256, write_text


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
