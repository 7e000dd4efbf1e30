"""Files that are read again later, and what vouches for them: what is not as written is refused."""

import hashlib
import json
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from qwen_pl.errors import InputError, is_first_on_machine
from qwen_pl.files import sha256, whole_file
from qwen_pl.terminal import tell

SEAL = "seal.json"
"""In a folder: the seals of the other files in it, itself sealed and written last."""

_HEAD = '{"sha256": "%s",\n'  # so that a sealed JSON file is JSON to everyone
_HEAD_SIZE = len(_HEAD % ("0" * 64))
_MUCH = 256 << 20  # bytes, from which a person is shown how far checking them is
_LISTED = 5
_SETTLED = 100_000_000  # ns since the last change, from which another change would show
_digests: dict[tuple[int, ...], str] = {}  # of files that this process has looked through


class Damaged(InputError):
    """A file is not what was written; who can make it anew catches this, else it is refused.

    Args:
        path: The file.
        why: "is gone", "is not what was written to it", ...
        way_out: What a person is to do.
    """

    def __init__(self, path: Path, why: str, way_out: str = "") -> None:
        super().__init__(path, why, way_out)  # which is also how it comes from another process
        self.path, self.why, self.way_out = path, why, way_out

    def __str__(self) -> str:
        return f"{self.path} {self.why}" + (f": {self.way_out}" if self.way_out else "")


def tell_mended(damages: Sequence[Damaged]) -> None:
    """Says of files that each is made anew, on standard error."""
    if not damages:
        return
    lines = [f"{damage}; it is made anew" for damage in damages[:_LISTED]]
    if (more := len(damages) - _LISTED) > 0:
        lines.append(f"and {more:,} more files like that")
    tell(*lines, file=sys.stderr)


class Seal(NamedTuple):
    """What a file's content is known by."""

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "Seal":
        return cls(path.stat().st_size, sha256(path))

    def check(self, path: Path, *, by_size: bool = False) -> None:
        """Raises ``Damaged`` if a file is not the one that was sealed.

        Args:
            by_size: Whether its size alone is looked at. Else its bytes are too, once in a process
                as long as nothing touches the file.
        """
        check_seals({path: self}, by_size=by_size)


def check_seals(seals: Mapping[Path, Seal], *, by_size: bool = False) -> None:
    """Checks files as ``Seal.check`` does, all sizes first; of much, it is shown how far it is."""
    states = {path: _state(path, seal) for path, seal in seals.items()}
    if by_size:
        return
    unknown = [path for path, state in states.items() if state not in _digests]
    total = sum(seals[path].size for path in unknown)
    is_shown = total >= _MUCH and sys.stderr.isatty() and is_first_on_machine()
    from tqdm import tqdm

    with tqdm(desc="checking", total=total, unit="B", unit_scale=True, disable=not is_shown) as bar:
        for path, seal in seals.items():
            digest = _digests.get(states[path])
            if digest is None:
                try:
                    digest = sha256(path, on_bytes=bar.update)
                except OSError as error:
                    raise _unreadable(path, error) from None
                # A change right after the last one need not show in the file's times.
                if time.time_ns() - path.stat().st_ctime_ns > _SETTLED:
                    _digests[states[path]] = digest
            if digest != seal.sha256:
                raise Damaged(path, "is not what was written to it")


def _state(path: Path, seal: Seal) -> tuple[int, ...]:
    """What changes with anything that is done to a file; raises ``Damaged`` by its size."""
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    _refuse_no_file(path, status.st_mode)
    if status.st_size != seal.size:
        raise Damaged(path, f"has {status.st_size:,} bytes instead of {seal.size:,}")
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_dev, status.st_ino, status.st_size, *times)


def _refuse_no_file(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):  # the reading of a pipe would never end
        raise Damaged(path, "is a folder" if stat.S_ISDIR(mode) else "is no file")


def _unreadable(path: Path, error: OSError) -> Damaged:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return Damaged(path, "is gone")
    return Damaged(path, f"cannot be read ({error.strerror})")


def read_bytes(path: Path) -> bytes:
    """All of a file; raises ``Damaged`` if it is gone or cannot be read."""
    try:
        _refuse_no_file(path, path.stat().st_mode)
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def sealed(payload: bytes, name: str) -> bytes:
    """Bytes that vouch for themselves: a payload behind the digest of it and of its name.

    Args:
        name: What they are of and in which form, so that a file in the place of another shows, and
            one that an earlier version wrote.
    """
    return (_HEAD % _digest(payload, name)).encode() + payload


def unsealed(content: bytes, name: str, path: Path) -> bytes:
    """The payload of ``sealed`` bytes; raises ``Damaged`` if they are not as they were made."""
    head, payload = content[:_HEAD_SIZE], content[_HEAD_SIZE:]
    if head[:11] != _HEAD[:11].encode():
        raise Damaged(path, "has no seal, so it is damaged or of an earlier version")
    if head != (_HEAD % _digest(payload, name)).encode():
        raise Damaged(path, "is not what was written to it")
    return payload


def sealed_json(values: Mapping[str, Any] | str, name: str) -> bytes:
    """A JSON object that vouches for itself; given as a text, it keeps how that is set out."""
    text = values if isinstance(values, str) else json.dumps(values)
    return sealed(text.removeprefix("{").encode(), name)


def unsealed_json(content: bytes, name: str, path: Path) -> dict[str, Any]:
    """What ``sealed_json`` was given; raises ``Damaged`` if it is not as it was made."""
    return json.loads(b"{" + unsealed(content, name, path))


def write_sealed(
    path: Path, values: Mapping[str, Any] | str, name: str, *, flush: bool = True
) -> None:
    """Writes a JSON object that vouches for itself, whole or not at all."""
    with whole_file(path, flush=flush) as file:
        file.write(sealed_json(values, name))


def read_sealed(path: Path, name: str) -> dict[str, Any]:
    """What was written by ``write_sealed``; raises ``Damaged`` if it is not there or changed."""
    return unsealed_json(read_bytes(path), name, path)


def seal_folder(folder: Path, name: str, made_of: str = "") -> None:
    """Writes into a folder, as its last file, what vouches for the others in it."""
    seals = {path.name: Seal.of(path) for path in sorted(folder.iterdir())}
    write_sealed(folder / SEAL, {"made_of": made_of, "files": seals}, name)


def check_folder(folder: Path, name: str) -> str:
    """Looks through all files of a sealed folder, and tells what it was said to be made of.

    Raises:
        Damaged: If one is not as it was.
    """
    seal = read_sealed(folder / SEAL, name)
    check_seals({folder / file: Seal(*values) for file, values in seal["files"].items()})
    return seal["made_of"]


def _digest(payload: bytes, name: str) -> str:
    digest = hashlib.sha256(f"{name}\0".encode())
    digest.update(payload)
    return digest.hexdigest()
