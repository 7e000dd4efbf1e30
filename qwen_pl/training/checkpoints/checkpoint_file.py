"""The bytes of a checkpoint file: the zip that torch reads, with checksums of every byte in it."""

import hashlib
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
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
    checksums = summed.checksums()
    with Path(file.name).open("rb+") as written:
        with mmap(written.fileno(), 0) as content, zipfile.ZipFile(written) as archive:
            _enter_checksums(content, archive, checksums)
            # torch writes no comment, so the file ends with the length of none.
            content[-2:] = struct.pack("<H", _SEAL_SIZE)
            digest = _digest_around(content, archive, len(content))
            if os.name == "nt":  # elsewhere, flushing the file flushes what was changed here
                content.flush()
        written.seek(0, os.SEEK_END)
        written.write(_SEAL + digest)


def file_is_whole(path: Path) -> bool:
    """Whether every byte of a checkpoint file is as it was written."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            if archive.testzip() is not None:
                return False
            size = file.seek(0, os.SEEK_END)
            if not archive.comment:  # of an earlier version, or not of ours
                return _end_of_zip(file, size) == size
            with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
                digest = _digest_around(content, archive, size - _SEAL_SIZE)
            return archive.comment == _SEAL + digest and _end_of_zip(file, size) == size
    except Exception:  # damaged bytes make zipfile raise many kinds
        return False


class _Summed:
    """A file that takes the checksum of each piece in another thread, while it is written.

    The disk begins on what is there already, not only when all is: most of the wait for it is over
    by the time the file is flushed.
    """

    _LARGE = 1 << 19  # smaller pieces are copied, and handed to the thread together

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.pool = ThreadPoolExecutor(1)
        self._offset = 0
        self._begun = 0
        self._summed: list[Future[dict[int, int]]] = []
        self._pieces: dict[int, bytes | memoryview] = {}
        self._size = 0

    def write(self, piece: memoryview) -> int:
        size = len(piece)
        is_large = size >= self._LARGE
        self._pieces[self._offset] = piece if is_large else bytes(piece)
        self._size += size
        self._offset += size
        if self._size >= self._LARGE:
            self._hand_over()
            self._let_the_disk_begin()
        self.file.write(piece)
        if is_large:
            self._summed[-1].result()  # the piece is torch's to free after this
        return size

    def flush(self) -> None:
        self.file.flush()

    def checksums(self) -> dict[int, int]:
        """CRC-32 of the piece at each offset, when all is written."""
        self._summed.append(Future())
        self._summed[-1].set_result(_sums(self._pieces))
        return {offset: value for done in self._summed for offset, value in done.result().items()}

    def _let_the_disk_begin(self) -> None:
        """Linux writes out what it is told will not be needed; others wait for the flush."""
        if hasattr(os, "posix_fadvise"):
            written = self.file.tell()
            size = written - self._begun
            os.posix_fadvise(self.file.fileno(), self._begun, size, os.POSIX_FADV_DONTNEED)
            self._begun = written

    def _hand_over(self) -> None:
        self._summed.append(self.pool.submit(_sums, self._pieces))
        self._pieces, self._size = {}, 0


def _sums(pieces: dict[int, bytes | memoryview]) -> dict[int, int]:
    return {offset: zlib.crc32(piece) for offset, piece in pieces.items()}


@contextmanager
def _no_checksums() -> Iterator[None]:
    """Keeps torch from taking checksums of its own."""
    before = get_crc32_options()
    set_crc32_options(False)
    try:
        yield
    finally:
        set_crc32_options(before)


def _enter_checksums(content: mmap, archive: zipfile.ZipFile, checksums: dict[int, int]) -> None:
    """Writes the CRC-32 of every record to where a zip has it: behind the record and at the end."""
    place = archive.start_dir
    for record in archive.infolist():
        start = _start_of_data(content, record)
        checksum = checksums[start] if record.file_size else 0
        in_front = record.header_offset + 14
        behind = start + record.compress_size + 4
        has_descriptor = record.flag_bits & _HAS_DESCRIPTOR
        struct.pack_into("<I", content, behind if has_descriptor else in_front, checksum)
        struct.pack_into("<I", content, place + 16, checksum)
        place += _CENTRAL + sum(struct.unpack_from("<3H", content, place + 28))


def _digest_around(content: mmap, archive: zipfile.ZipFile, size: int) -> bytes:
    """SHA-256 of the first ``size`` bytes, less the records, which have a CRC-32 each."""
    digest = hashlib.sha256()
    place = 0
    for record in sorted(archive.infolist(), key=lambda record: record.header_offset):
        start = _start_of_data(content, record)
        digest.update(content[place:start])
        place = start + record.compress_size
    digest.update(content[place:size])
    return digest.hexdigest().encode()


def _start_of_data(content: mmap, record: zipfile.ZipInfo) -> int:
    name, extra = struct.unpack_from("<2H", content, record.header_offset + 26)
    return record.header_offset + _LOCAL + name + extra


def _end_of_zip(file: IO[bytes], size: int) -> int:
    """Where the zip ends by its own account: a file that goes on after that has been added to."""
    file.seek(max(0, size - _END - _SEAL_SIZE))
    tail = file.read()
    start = tail.rfind(b"PK\x05\x06")
    (comment,) = struct.unpack("<20xH", tail[start : start + _END])
    return size - len(tail) + start + _END + comment
