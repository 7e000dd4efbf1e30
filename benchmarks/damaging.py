"""What may happen to a file: the damages of `benchmarks.damage` and of the tests."""

import contextlib
import ctypes
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path


def flipped(content: bytes, place: int, bit: int) -> bytes:
    """The same, but for one bit of the byte at that place."""
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def _flipped(path: Path, source: random.Random) -> None:
    content = path.read_bytes() or b"\0"
    path.write_bytes(flipped(content, source.randrange(len(content)), source.randrange(8)))


def _halved(path: Path, source: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _zeros(path: Path, source: random.Random) -> None:
    """As after a power cut, where the name of a file is on the disk and its content is not."""
    path.write_bytes(bytes(path.stat().st_size))


def _emptied(path: Path, source: random.Random) -> None:
    path.write_bytes(b"")


def _deleted(path: Path, source: random.Random) -> None:
    path.unlink()


def _folder(path: Path, source: random.Random) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("in it")


def _pipe(path: Path, source: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _unreadable(path: Path, source: random.Random) -> None:
    path.chmod(0)


def _exchanged(path: Path, source: random.Random) -> None:
    """Another file of its kind is in its place, or one that an earlier version wrote."""
    others = sorted(p for p in path.parent.parent.rglob(f"*{path.suffix}") if p.is_file())
    other = next((p for p in others if p.read_bytes() != path.read_bytes()), None)
    path.write_bytes(b'{"an": "earlier version"}' if other is None else other.read_bytes())


Damage = Callable[[Path, random.Random], None]
DAMAGES: dict[str, Damage] = {
    "bit flipped": _flipped,
    "halved": _halved,
    "zeros": _zeros,
    "emptied": _emptied,
    "deleted": _deleted,
    "a folder": _folder,
    "a pipe": _pipe,
    "unreadable": _unreadable,
    "exchanged": _exchanged,
}


@contextlib.contextmanager
def hindered() -> Iterator[None]:
    """Keeps this thread from what root alone may: to open files that nobody may open.

    An ordinary user is hindered by himself, and on other systems than Linux root is by nothing.
    """
    if os.geteuid() != 0 or sys.platform != "linux":
        yield
        return
    libc, words = ctypes.CDLL(None), ctypes.c_uint32
    version_3, rights = (words * 2)(0x20080522, 0), (words * 6)()
    libc.capget(version_3, rights)
    _, permitted, _, _, more_permitted, _ = rights
    libc.capset(version_3, (words * 6)(0, permitted, 0, 0, more_permitted, 0))
    try:
        yield
    finally:
        libc.capset(version_3, rights)
