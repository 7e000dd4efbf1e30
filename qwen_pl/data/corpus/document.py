"""A cleaned document on disk: a text file for people to read, and an index of its paragraphs."""

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from qwen_pl.data.cache_dir import TextEntry
from qwen_pl.data.cleaning.clean_text import Paragraph
from qwen_pl.data.layout.roles import Role
from qwen_pl.files import whole_file
from qwen_pl.seals import Seal

PARAGRAPH_END = "\n\n"
_WORD = re.compile(r"\w+")

INDEX = np.dtype(
    [
        ("start", "<i8"),
        ("num_bytes", "<i8"),
        ("page", "<i4"),
        ("key", "<u8"),
        ("role", "u1"),
        ("level", "u1"),
    ]
)
"""A paragraph: its first byte in the text file, its length, its page, its key, the number of its
role among ``ROLES``, and its level."""

ROLES = tuple(Role)

ParagraphRange = tuple[int, int]
"""The number of a first paragraph and of the one behind the last."""


class SealedText(NamedTuple):
    """A cleaned text on the disk and the index of its paragraphs, with what each is known by."""

    file: Path
    """The paragraphs in UTF-8, between two of them a blank line or as many newlines as they say."""
    seal: Seal
    index_seal: Seal

    @classmethod
    def of(cls, file: Path, seals: Iterable[Sequence[Any]]) -> "SealedText":
        """A text whose two seals come out of JSON, as lists."""
        return cls(file, *(Seal(*seal) for seal in seals))

    @property
    def seals(self) -> dict[Path, Seal]:
        return {self.file: self.seal, TextEntry(self.file).index: self.index_seal}

    def read_index(self, first: int = 0, end: int | None = None) -> np.ndarray:
        """The index, or a part of it: ``(num_paragraphs,)`` of ``INDEX``.

        Raises:
            Damaged: If it is not what was written, as do ``read_texts`` and ``copy_to``.
        """
        file, count = TextEntry(self.file).index, -1 if end is None else end - first
        self.index_seal.check(file)
        return np.fromfile(file, INDEX, count, offset=first * INDEX.itemsize)

    def read_texts(self, index: np.ndarray) -> list[str]:
        """Neighbouring paragraphs, as their part of the index says where they are."""
        self.seal.check(self.file)
        if not len(index):
            return []
        starts, sizes = index["start"] - index["start"][0], index["num_bytes"]
        with self.file.open("rb") as file:
            file.seek(int(index["start"][0]))
            content = file.read(int(starts[-1] + sizes[-1]))
        places = zip(starts.tolist(), sizes.tolist(), strict=True)
        return [content[start : start + size].decode() for start, size in places]

    def read_ends(self, first: int, end: int) -> list[str]:
        """The newlines behind each of the paragraphs ``[first, end)``."""
        rows = self.read_index(first, end + 1)
        gaps = rows["start"][1:] - rows["start"][:-1] - rows["num_bytes"][:-1]
        return [*("\n" * gap for gap in gaps.tolist()), PARAGRAPH_END][: end - first]

    def read_paragraphs(self, at_once: int = 1000) -> Iterator[Paragraph]:
        """The paragraphs with their roles, of which few are in memory at a time.

        How many newlines were before each is not told.
        """
        index = self.read_index()
        for first in range(0, len(index), at_once):
            rows = index[first : first + at_once]
            for text, row in zip(self.read_texts(rows), rows.tolist(), strict=True):
                _, _, page, _, role, level = row
                yield Paragraph(text, page, role=ROLES[role], level=level)

    def copy_to(self, out: IO[bytes]) -> None:
        """Writes all of the text."""
        self.seal.check(self.file)
        with self.file.open("rb") as file:
            shutil.copyfileobj(file, out)


@dataclass(frozen=True)
class Document:
    """A file of the corpus and its cleaned text."""

    source: str
    """The file that the text was read from."""
    sha256: str
    """Of that file's content, hexadecimal."""
    text: SealedText
    num_paragraphs: int
    num_bytes: int
    """Of the paragraphs that are in the corpus."""
    dropped: tuple[ParagraphRange, ...] = ()
    """Paragraphs left out of the corpus, since an earlier document has them."""
    group: int = 0
    """A number that this document has in common with those that are copies of it."""

    @property
    def index(self) -> np.ndarray:
        """``(num_paragraphs,)`` of ``INDEX``, read anew each time: a corpus may have millions."""
        return self.text.read_index()

    def kept(self, first: int = 0, end: int | None = None) -> list[ParagraphRange]:
        """The paragraphs of ``[first, end)`` that are in the corpus, as ranges in order."""
        end = self.num_paragraphs if end is None else end
        ranges = []
        for dropped_first, dropped_end in (*self.dropped, (end, end)):
            if first < min(dropped_first, end):
                ranges.append((first, min(dropped_first, end)))
            first = max(first, dropped_end)
        return ranges

    def kept_bytes(self) -> np.ndarray:
        """Bytes of each paragraph, 0 for those left out: ``(num_paragraphs,)`` int64."""
        sizes = self.index["num_bytes"].copy()
        for first, end in self.dropped:
            sizes[first:end] = 0
        return sizes

    def texts(self, first: int, end: int) -> list[str]:
        """The paragraphs ``[first, end)``; only this part of the text file is read."""
        return self.text.read_texts(self.text.read_index(first, end))


class _Sealing:
    """Writes to a file and takes the digest of what it is to hold."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._size, self._digest = file, 0, hashlib.sha256()

    def write(self, content: bytes) -> None:
        self._file.write(content)
        self._digest.update(content)
        self._size += len(content)

    def seal(self) -> Seal:
        return Seal(self._size, self._digest.hexdigest())


class DocumentWriter:
    """Takes paragraphs one after another, so that the text need never be in memory as a whole."""

    text: SealedText
    """What was written, once it is."""

    def __init__(self, text: IO[bytes], index: IO[bytes]) -> None:
        self.num_paragraphs = self.num_bytes = self._position = 0
        self._text, self._index = _Sealing(text), _Sealing(index)

    def write(self, paragraphs: Sequence[Paragraph]) -> None:
        rows = np.zeros(len(paragraphs), INDEX)
        for row, paragraph in zip(rows, paragraphs, strict=True):
            text = paragraph.text.encode()
            separator = b"\n" * paragraph.newlines if self._position else b""
            start = self._position + len(separator)
            row["start"], row["num_bytes"], row["page"] = start, len(text), paragraph.page
            row["key"] = paragraph_key(paragraph.text)
            row["role"], row["level"] = ROLES.index(paragraph.role), paragraph.level
            self._text.write(separator + text)
            self._position = start + len(text)
        self._index.write(rows.tobytes())
        self.num_paragraphs += len(rows)
        self.num_bytes += int(rows["num_bytes"].sum())

    def end(self, text_file: Path) -> None:
        self._text.write(b"\n")
        self.text = SealedText(text_file, self._text.seal(), self._index.seal())


@contextmanager
def written_document(text_file: Path) -> Iterator[DocumentWriter]:
    """Writes a text file and its index, each whole or not at all.

    They are not flushed to the disk, which would cost more than all else for a small file: what
    vouches for them has to hold their seals.
    """
    index_file = TextEntry(text_file).index
    with whole_file(text_file, flush=False) as text, whole_file(index_file, flush=False) as index:
        writer = DocumentWriter(text, index)
        yield writer
        writer.end(text_file)


def paragraph_key(text: str) -> int:
    """64 bits that are the same for paragraphs of the same words, however set."""
    words = " ".join(_WORD.findall(text.casefold()))
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "little")
