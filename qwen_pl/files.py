"""Files and folders: written whole or not at all, told by content and size; and a full disk."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from qwen_pl.errors import InputError

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextlib.contextmanager
def whole_file(path: Path, *, flush: bool = True) -> Iterator[IO[bytes]]:
    """Opens a file beside ``path`` for bytes; it becomes ``path`` only when the block ends well.

    A crash at any moment leaves either the old file or the new one.

    Args:
        flush: Whether a power cut may do no harm either. That takes milliseconds a file; without
            it, whoever reads the file has to notice that it is not what was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = beside(path, "tmp")
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
    if replace:
        remove_unfinished_of(path)
    unfinished = beside(path, "tmp")
    unfinished.mkdir()
    try:
        yield unfinished
        for inner, _, names in os.walk(unfinished, topdown=False):
            for name in names:
                with Path(inner, name).open("rb+") as handle:
                    os.fsync(handle.fileno())
            flush_folder(Path(inner))
        if replace:
            take_place(unfinished, path)
        else:
            unfinished.rename(path)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    flush_folder(path.parent)


def take_place(new: Path, path: Path) -> None:
    """Puts a folder where something may be, which stays unless all goes well.

    No system does so in one go. Killed in the middle, it leaves what was there beside ``path``,
    where ``left_beside`` finds it until ``remove_unfinished`` puts it back.
    """
    if not path.exists():
        new.rename(path)
        return
    old = beside(path, "old")
    path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)


def left_beside(path: Path) -> Path | None:
    """What was at ``path`` before a writer was killed while it put something else there."""
    if path.exists():
        return None
    left = path.parent.glob(f"{glob.escape(path.name)}.old-*")
    return next((old for old in sorted(left) if _LEFT.fullmatch(old.name)), None)


def remove(path: Path) -> None:
    """Removes a file, or a folder with all that is in it, if there is one.

    Raises:
        InputError: If the system does not let us.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot remove {path} ({error.strerror}): remove it yourself") from None


def place_before(left: Path) -> Path | None:
    """The place of something that ``take_place`` has moved aside; None of anything else."""
    match = _LEFT.fullmatch(left.name)
    return left.with_name(match["name"]) if match and match["kind"] == "old" else None


def beside(path: Path, kind: str) -> Path:
    """A name in the same folder, and so on the same disk, that no other writer takes.

    It says which process writes, so that what a dead one has left is known from what another one
    is still writing.
    """
    return path.with_name(f"{path.name}.{kind}-{os.getpid()}-{_MACHINE}{secrets.token_hex(3)}")


_MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
_LEFT = re.compile(
    r"(?P<name>.+)\.(?P<kind>tmp|old)-(?P<process>\d+)-(?P<machine>[0-9a-f]{6})?[0-9a-f]{6}"
)


def remove_unfinished(folder: Path) -> None:
    """Removes what killed writers left in a folder at any depth, and puts back what they replaced.

    What a living process writes stays, and so does all whose name only looks like it.
    """
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _put_right(Path(here, name))]
        for name in files:
            _put_right(Path(here, name))


def remove_unfinished_of(path: Path) -> None:
    """The same for what writers of one file or folder left beside it."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*-*"):
        _put_right(left)


def _put_right(left: Path) -> bool:
    """Removes what a dead writer has left, or puts it back; whether it was such a thing."""
    match = _LEFT.fullmatch(left.name)
    with contextlib.suppress(OSError, InputError):
        if match is None or _may_live(left, int(match["process"]), match["machine"]):
            return False
        place = place_before(left)
        if place is None or place.exists():
            remove(left)
        else:
            left.rename(place)
    return match is not None


def _may_live(left: Path, process: int, machine: str | None) -> bool:
    """Whether the writer of an unfinished file or folder may still be at it."""
    times = [path.stat().st_mtime for path in (left, *left.rglob("*"))]
    idle = time.time() - max(times)
    if machine != _MACHINE or os.name == "nt":  # where nobody can be asked
        return idle < 3600
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # of another user
    return idle < 24 * 3600  # a number may be another process's by now


def write_text(path: Path, text: str, *, flush: bool = True) -> None:
    """Writes ``text`` as UTF-8 with plain newlines, on every system."""
    with whole_file(path, flush=flush) as file:
        file.write(text.encode())


def sha256(path: Path, on_bytes: Callable[[int], object] = lambda count: None) -> str:
    """Hexadecimal SHA-256 of a file's content, read in pieces, whose sizes ``on_bytes`` is told."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            on_bytes(len(piece))
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


def full_disk_in(error: BaseException) -> OSError | None:
    """The error of a disk, a quota or a file that is full, if that is behind ``error``.

    >>> try:
    ...     try:
    ...         raise OSError(errno.ENOSPC, "No space left on device")
    ...     finally:
    ...         raise RuntimeError("unexpected position")
    ... except RuntimeError as error:
    ...     full_disk_in(error)
    OSError(28, 'No space left on device')
    """
    found = (e for e in chain(error) if isinstance(e, OSError) and e.errno in _FULL)
    return next(found, None)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that it came from."""
    met: set[int] = set()
    while error is not None and id(error) not in met:
        met.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def free_space(folder: Path) -> str:
    """The space left on the disk of ``folder``, for people."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return in_bytes(shutil.disk_usage(there).free)


def size_of(path: Path) -> int:
    """Bytes in a file, or in all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def in_bytes(count: int) -> str:
    """A number of bytes for people.

    >>> in_bytes(930), in_bytes(4_197_120), in_bytes(1_192_099_840)
    ('930 bytes', '4.2 MB', '1.2 GB')
    """
    for power, unit in ((9, "GB"), (6, "MB"), (3, "kB")):
        if count >= 10**power:
            return f"{count / 10**power:,.1f} {unit}"
    return f"{count} bytes"
