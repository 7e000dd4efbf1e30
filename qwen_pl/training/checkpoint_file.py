"""The bytes of a checkpoint file: the zip that torch reads, with checksums of every byte in it."""

import hashlib
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch
from torch.serialization import get_crc32_options, set_crc32_options

_LOCAL, _CENTRAL, _END = 30, 46, 22  # bytes of the headers of a zip, names and comments not counted
_HAS_DESCRIPTOR = 1 << 3
_SEAL = b"qwen_pl "
_SEAL_SIZE = len(_SEAL) + 64


def write_file(checkpoint: dict[str, Any], file: IO[bytes]) -> None:
    """Writes a checkpoint to a new file, opened for bytes.

    torch takes as long for its checksums as the disk for the bytes, one after the other. Here both
    happen at once, and what stands around the tensors gets a checksum too, as the zip's comment.
    """
    summed = _Summed(file)
    with _no_checksums(), summed.pool:
        torch.save(checkpoint, summed)
    file.flush()
    with Path(file.name).open("rb+", buffering=0) as written:
        _enter_checksums(written, summed.checksums)
        _seal(written)


def file_is_whole(path: Path) -> bool:
    """Whether every byte of a checkpoint file is as it was written."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            if archive.testzip() is not None:
                return False
            size = file.seek(0, os.SEEK_END)
            if not archive.comment:  # of an earlier version, or not of ours
                return _end_of_zip(file, size) == size
            is_ours = archive.comment == _SEAL + _digest_around(file, archive, size)
            return is_ours and _end_of_zip(file, size) == size
    except Exception:  # damaged bytes make zipfile raise many kinds
        return False


class _Summed:
    """A file that takes the checksum of each large piece while it is being written."""

    _LARGE = 1 << 20  # below it, handing a piece to another thread costs more than it saves

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.pool = ThreadPoolExecutor(1)
        self.checksums: dict[int, int] = {}
        """CRC-32 of the piece at each offset."""
        self._offset = 0

    def write(self, piece: memoryview) -> int:
        if len(piece) < self._LARGE:
            checksum = zlib.crc32(piece)
            self.file.write(piece)
        else:
            summing = self.pool.submit(zlib.crc32, piece)
            try:
                self.file.write(piece)
            finally:
                checksum = summing.result()  # the piece is torch's to free after this
        self.checksums[self._offset] = checksum
        self._offset += len(piece)
        return len(piece)

    def flush(self) -> None:
        self.file.flush()


@contextmanager
def _no_checksums() -> Iterator[None]:
    """Keeps torch from taking checksums of its own."""
    before = get_crc32_options()
    set_crc32_options(False)
    try:
        yield
    finally:
        set_crc32_options(before)


def _enter_checksums(file: IO[bytes], checksums: dict[int, int]) -> None:
    """Writes the CRC-32 of every record to where a zip has it: behind the record and at the end."""
    with zipfile.ZipFile(file) as archive:
        records, place = archive.infolist(), archive.start_dir
    for record in records:
        start = _start_of_data(file, record)
        checksum = struct.pack("<I", checksums[start] if record.file_size else 0)
        if record.flag_bits & _HAS_DESCRIPTOR:
            file.seek(start + record.compress_size + 4)
        else:
            file.seek(record.header_offset + 14)
        file.write(checksum)
        file.seek(place)
        header = struct.unpack("<28x3H12x", file.read(_CENTRAL))
        file.seek(place + 16)
        file.write(checksum)
        place += _CENTRAL + sum(header)


def _seal(file: IO[bytes]) -> None:
    """Appends the comment that vouches for the bytes between the records."""
    size = file.seek(0, os.SEEK_END)
    file.seek(size - 2)  # torch writes no comment, so the file ends with the length of none
    file.write(struct.pack("<H", _SEAL_SIZE))
    with zipfile.ZipFile(file) as archive:
        digest = _digest_around(file, archive, size + _SEAL_SIZE)
    file.seek(size)
    file.write(_SEAL + digest)


def _digest_around(file: IO[bytes], archive: zipfile.ZipFile, size: int) -> bytes:
    """SHA-256 of all bytes but those of the records, which have a CRC-32 each, and the comment."""
    digest = hashlib.sha256()
    place = 0
    for record in sorted(archive.infolist(), key=lambda record: record.header_offset):
        start = _start_of_data(file, record)
        file.seek(place)
        digest.update(file.read(start - place))
        place = start + record.compress_size
    file.seek(place)
    digest.update(file.read(size - _SEAL_SIZE - place))
    return digest.hexdigest().encode()


def _start_of_data(file: IO[bytes], record: zipfile.ZipInfo) -> int:
    file.seek(record.header_offset)
    name, extra = struct.unpack("<26x2H", file.read(_LOCAL))
    return record.header_offset + _LOCAL + name + extra


def _end_of_zip(file: IO[bytes], size: int) -> int:
    """Where the zip ends by its own account: a file that goes on after that has been added to."""
    file.seek(max(0, size - _END - _SEAL_SIZE))
    tail = file.read()
    start = tail.rfind(b"PK\x05\x06")
    (comment,) = struct.unpack("<20xH", tail[start : start + _END])
    return size - len(tail) + start + _END + comment
