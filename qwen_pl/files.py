"""Files and folders: written whole or not at all, told by content and size; and what hinders."""

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
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from qwen_pl.errors import InputError

_FULL = {
    getattr(errno, "EDQUOT", errno.ENOSPC): "the quota is used up",  # not on Windows
    errno.EFBIG: "no file may be as large",
    errno.ENOSPC: "no space is left",
}
_FULL_IN_RUST = re.compile(rf"\(os error ({'|'.join(map(str, sorted(_FULL)))})\)")
_HINDRANCES = {
    errno.EACCES: "may not be used: no permission",
    errno.EEXIST: "is there and is no folder",
    errno.EISDIR: "is a folder",
    errno.ELOOP: "leads round a circle of links",
    errno.ENAMETOOLONG: "has too long a name",
    errno.ENOENT: "is not there",
    errno.ENOTDIR: "lies in a file, not in a folder",
    errno.EPERM: "may not be used: no permission",
    errno.EROFS: "cannot be written: its disk may only be read",
}
"""What people read in the place of the system's words, behind the name of a file or folder."""


@contextlib.contextmanager
def whole_file(path: Path, *, flush: bool = True) -> Iterator[IO[bytes]]:
    """Opens a file beside ``path`` for bytes; it becomes ``path`` only when the block ends well.

    A crash at any moment leaves either the old file or the new one. Of a link it is the file that
    it leads to.

    Args:
        flush: Whether a power cut may do no harm either. That takes milliseconds a file; without
            it, whoever reads the file has to notice that it is not what was written.

    Raises:
        InputError: If a folder, a device or a pipe is there.
        OSError: With the name of ``path`` in it, also where the system names none.
    """
    path = _file_behind(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = beside(path, "tmp")
    try:
        with _named(unfinished, path):
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


def _file_behind(path: Path) -> Path:
    """The file that is to be written, which need not be there; refuses what is no file."""
    if path.is_symlink():
        path = Path(os.path.realpath(path))
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    refuse_endless(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file")
    return path


def refuse_endless(path: Path) -> None:
    """Refuses a pipe or a device: its reading may never end, and it is not to be replaced.

    Raises:
        InputError: If it is one.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # whoever opens it says more
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InputError(f"{path} is a pipe or a device: give a file")


@contextlib.contextmanager
def _named(unfinished: Path, path: Path) -> Iterator[None]:
    """Lets an error name what was to be written, not what it is called until it is finished."""
    try:
        yield
    except Exception as error:
        full = full_disk_in(error)
        found = full or error
        if isinstance(found, OSError):
            is_ours = str(found.filename).startswith(str(unfinished))
            if is_ours or (found is full and found.filename is None):
                found.filename, found.filename2 = str(path), None
        if full is None or full in chain(error):
            raise
        raise full from error


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
    try:
        with _named(unfinished, path):
            unfinished.mkdir()
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
    with contextlib.suppress(InputError):  # else remove_unfinished does
        remove(old)


def left_beside(path: Path) -> Path | None:
    """What was at ``path`` before a writer was killed while it put something else there."""
    if path.exists():
        return None
    left = sorted(path.parent.glob(f"{glob.escape(path.name)}.old-*"))
    return next((old for old in left if place_before(old) == path), None)


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
    added = f".{kind}-{os.getpid()}-{_MACHINE}{secrets.token_hex(3)}"
    # A file's name may have 255 bytes.
    return path.with_name(os.fsdecode(os.fsencode(path.name)[: 255 - len(added)]) + added)


_MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
_LEFT = re.compile(
    r"(?P<name>.+)\.(?P<kind>tmp|old)-(?P<process>\d+)-(?P<machine>[0-9a-f]{6})?[0-9a-f]{6}"
)


def set_aside(path: Path) -> Path:
    """Moves away what cannot be used and may still be of use to a person; gives its new place."""
    names = (f"{path.name}.damaged{n or ''}" for n in range(10**6))
    place = next(p for p in map(path.with_name, names) if not p.exists())
    path.rename(place)
    return place


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
        status = Path(f"/proc/{process}/stat")
        if status.is_file() and status.read_bytes().rpartition(b")")[2].split()[0] == b"Z":
            return False  # dead, and whoever started it has not looked yet
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
    for e in chain(error):
        if isinstance(e, OSError) and e.errno in _FULL:
            return e
        if found := _FULL_IN_RUST.search(str(e)):  # tokenizers and safetensors have no better
            return OSError(int(found[1]), os.strerror(int(found[1])))
    return None


def hindrance_in(error: BaseException) -> str | None:
    """What keeps a file or folder from being read or written; None if no such thing is behind it.

    >>> hindrance_in(FileExistsError(errno.EEXIST, "File exists", "notes"))
    'notes is there and is no folder'
    """
    if (full := full_disk_in(error)) is not None:
        path = Path(full.filename or ".").absolute()
        disk = next(place for place in path.parents if os.path.ismount(place))
        return (
            f"{path} cannot be written, {_FULL[full.errno or 0]}: {free_space(path.parent)} are "
            f"free on the disk at {disk}; make room, and the same command goes on"
        )
    if isinstance(error, OSError) and isinstance(error.filename, str):
        words = _HINDRANCES.get(error.errno or 0, f"cannot be used: {error.strerror}")
        return f"{error.filename or repr('')} {words}"
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop from "):
        return f"{str(error).removeprefix('Symlink loop from ')} {_HINDRANCES[errno.ELOOP]}"
    return None


def expanded(name: str | Path) -> Path:
    """A path with ``~`` as the home folder, and as it is where there is no such home."""
    return Path(os.path.expanduser(name))  # noqa: PTH111 (Path's own fails without a home)


def lies_in_a_file(path: Path) -> bool:
    """Whether a file, or a link to nothing, is where the folder of ``path`` would be."""
    return os.path.lexists(path.parent) and not path.parent.is_dir()


def check_place(path: Path) -> None:
    """Looks whether something can be written at ``path``, before the work that is to be kept there.

    Raises:
        InputError: If a pipe or a device is there, a part of the path is a link to nothing, or the
            name is not UTF-8, which not all that write can take.
        OSError: If a part of it is no folder, may not be used, or has too long a name.
    """
    refuse_endless(path)
    if any("\udc80" <= character <= "\udcff" for character in str(path)):
        raise InputError(f"{path} is not UTF-8: give another name")
    for there in (path, *path.absolute().parents):
        try:
            there.stat()
        except FileNotFoundError:
            if there.is_symlink() and there != path:
                raise InputError(f"{there} is a link to nothing") from None
            continue
        if not os.access(there, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))
        return


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
