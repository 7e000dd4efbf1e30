"""Writes files and folders whole or not at all."""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def whole_file(path: Path, *, flush: bool = True) -> Iterator[IO[bytes]]:
    """Opens a file beside ``path`` for bytes; it becomes ``path`` only when the block ends well.

    A crash at any moment leaves either the old file or the new one.

    Args:
        flush: Whether a power cut may do no harm either. That takes milliseconds a file; without
            it, whoever reads the file has to notice that it is not what was written.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "deep" / "file.txt"
    >>> with whole_file(target) as file:
    ...     _ = file.write(b"all of it")
    >>> target.read_bytes()
    b'all of it'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.tmp-{os.getpid()}-{secrets.token_hex(3)}")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            if flush:
                os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if flush:
        flush_folder(path.parent)


@contextlib.contextmanager
def whole_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Gives an empty folder to fill; it becomes ``path`` only when the block ends well.

    Args:
        replace: Whether a folder ``path`` may be there, which is removed once the new one is in
            its place. Without it ``path`` must not exist yet, since no system renames over a
            folder that holds something.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.tmp-{os.getpid()}-{secrets.token_hex(3)}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        yield unfinished
        for file in unfinished.iterdir():
            with file.open("rb+") as handle:
                os.fsync(handle.fileno())
        if replace and path.exists():
            take_place(unfinished, path)
        else:
            unfinished.rename(path)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    flush_folder(path.parent)


def take_place(new: Path, path: Path) -> None:
    """Puts a folder where another is, which stays unless all goes well."""
    old = path.with_name(f"{path.name}.old-{os.getpid()}-{secrets.token_hex(3)}")
    path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def remove_unfinished(folder: Path, *, seconds: float = 3600) -> None:
    """Removes what writers that were killed left anywhere in a folder, if it is older than that."""
    newest = time.time() - seconds
    for path in folder.glob("*/*.tmp-*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < newest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_text(path: Path, text: str, *, flush: bool = True) -> None:
    """Writes ``text`` as UTF-8 with plain newlines, on every system."""
    with whole_file(path, flush=flush) as file:
        file.write(text.encode())


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content, read in pieces."""
    digest = hashlib.sha256()  # hashlib.file_digest would do, but needs Python 3.11
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def flush_folder(folder: Path) -> None:
    """Makes a rename survive a power cut, where folders can be flushed (not on Windows)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def fingerprint(made_of: object) -> str:
    """Twelve hexadecimal digits that change with anything in ``made_of``, a JSON value.

    >>> fingerprint(["a", 1]) == fingerprint(["a", 1]) != fingerprint(["a", 2])
    True
    """
    text = json.dumps(made_of, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
