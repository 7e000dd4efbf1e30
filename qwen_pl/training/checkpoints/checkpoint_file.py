"""The bytes of a checkpoint file: the zip that torch writes, sealed so that any change shows."""

import hashlib
import os
import pickle
import re
import struct
import textwrap
import zipfile
from collections.abc import Iterable, Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Any

import torch

_LOCAL, _END = 30, 22  # bytes of a zip's headers, names and comments not counted
_SEAL = b"qwen_pl "
_SEAL_SIZE = len(_SEAL) + 64


def write_file(checkpoint: dict[str, Any], file: IO[bytes]) -> None:
    """Writes a checkpoint to a new file, opened for bytes.

    torch gives each record of the zip a checksum. A digest of all that stands around the records
    becomes the comment of the zip.
    """
    torch.save(checkpoint, file)
    # torch writes no comment, so the file ends with the length of none.
    file.seek(-2, os.SEEK_END)
    file.write(struct.pack("<H", _SEAL_SIZE))
    file.flush()
    with (
        Path(file.name).open("rb") as written,
        zipfile.ZipFile(written) as archive,
        mmap(written.fileno(), 0, access=ACCESS_READ) as content,
    ):
        digest = _digest_around(content, archive, len(content))
    file.write(_SEAL + digest)


def why_unreadable(error: Exception) -> str:
    """Why torch does not read a file without executing anything in it, to follow the file's name.

    In its own words it would go on with how to execute it all the same.

    >>> why_unreadable(ValueError("... Unsupported global: GLOBAL posix.mkdir was not an ..."))
    'holds more than tensors and plain data: posix.mkdir'
    """
    found = re.search(r"GLOBAL (\w+(?:\.\w+)*)", str(error))
    if found is not None:
        return f"holds more than tensors and plain data: {found[1]}"
    if "weights_only" in str(error) or isinstance(error, pickle.UnpicklingError):
        return "holds more than tensors and plain data"
    return f"cannot be read: {textwrap.shorten(str(error) or type(error).__name__, 200)}"


def file_is_whole(path: Path) -> bool:
    """Whether every byte of a checkpoint file is as it was written."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            if archive.testzip() is not None:
                return False
            with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
                if _end_of_zip(content) != len(content):
                    return False
                if not archive.comment:  # of an earlier version, or not of ours
                    return True
                digest = _digest_around(content, archive, len(content) - _SEAL_SIZE)
                return archive.comment == _SEAL + digest
    except Exception:  # damaged bytes make zipfile raise many kinds
        return False


def _digest_around(content: mmap, archive: zipfile.ZipFile, size: int) -> bytes:
    """SHA-256 of the first ``size`` bytes, less the records, which have a CRC-32 each."""
    return digest_between(content, record_spans(content, archive), size).encode()


def record_spans(
    content: mmap, archive: zipfile.ZipFile, offset: int = 0
) -> Iterator[tuple[int, int]]:
    """Where each record of a zip lies that begins at ``offset`` of a file: first byte, and end."""
    for record in sorted(archive.infolist(), key=lambda record: record.header_offset):
        header = offset + record.header_offset
        name, extra = struct.unpack_from("<2H", content, header + 26)
        start = header + _LOCAL + name + extra
        yield start, start + record.compress_size


def digest_between(content: mmap, spans: Iterable[tuple[int, int]], size: int) -> str:
    """SHA-256 of the first ``size`` bytes of a file, less some spans of it, in their order."""
    digest = hashlib.sha256()
    place = 0
    for start, end in spans:
        digest.update(content[place:start])
        place = end
    digest.update(content[place:size])
    return digest.hexdigest()


def _end_of_zip(content: mmap) -> int:
    """Where the zip ends by its own account: a file that goes on after that has been added to."""
    start = content.rfind(b"PK\x05\x06")
    (comment,) = struct.unpack_from("<H", content, start + 20)
    return start + _END + comment
