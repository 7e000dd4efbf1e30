"""The token file: every id of the corpus, memory-mapped and traceable to document and page."""

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from qwen_pl.data.cache_dir import TokensEntry
from qwen_pl.data.tokens.splits import SPLITS
from qwen_pl.seals import Seal, check_seals, read_sealed

Span = tuple[int, int]
"""A first token and the one behind the last."""


@dataclass(frozen=True)
class Passage:
    """Neighbouring tokens of one document, and where they come from."""

    source: str
    """The PDF, text or Markdown file that they are of."""
    first_page: int
    """From 1: the lowest page that a paragraph of them begins on."""
    last_page: int
    """The highest such page."""


@dataclass(frozen=True)
class TokenFile:
    """A folder of ``tokens.bin`` and what goes with it, opened for reading.

    Whatever is read of it is looked through first, and raises ``Damaged`` if it has changed.
    """

    folder: Path

    def check(self) -> None:
        """Raises ``Damaged`` if any file is not what was written."""
        check_seals(self._seals)

    @property
    def _entry(self) -> TokensEntry:
        return TokensEntry(self.folder)

    @cached_property
    def _index(self) -> dict[str, Any]:
        return read_sealed(self._entry.index, f"tokens {self._entry.name}")

    @cached_property
    def _seals(self) -> dict[Path, Seal]:
        seals = self._index["files"].items()
        return {self.folder / name: Seal(*seal) for name, seal in seals}

    def _checked(self, file: Path) -> Path:
        self._seals[file].check(file)
        return file

    @cached_property
    def tokens(self) -> np.ndarray:
        """``(num_tokens,)`` uint16, or uint32 where the vocabulary needs it; mapped, not loaded."""
        return np.memmap(self._checked(self._entry.tokens), self._index["dtype"], mode="r")

    @cached_property
    def num_bytes(self) -> np.ndarray:
        """UTF-8 bytes per id, ``(num_ids,)`` int64; float64 means where tokens do not tell them."""
        return np.load(self._checked(self._entry.num_bytes))

    @cached_property
    def _pages(self) -> np.ndarray:
        """One row per change of page: first token, document, page; ``(num_rows, 3)`` int64."""
        return np.load(self._checked(self._entry.pages), mmap_mode="r")

    @cached_property
    def document_starts(self) -> np.ndarray:
        """The first token of each document, ``(num_documents,)`` int64."""
        starts, documents, _ = np.asarray(self._pages).T
        return starts[np.diff(documents, prepend=-1) != 0]

    @property
    def documents(self) -> list[str]:
        """Source files of the documents."""
        return self._index["documents"]

    @property
    def fingerprint(self) -> str:
        """Changes with any token and with the borders of the splits."""
        return self._index["fingerprint"]

    def split(self, name: str) -> list[Span]:
        """Where a split ("train", "val", "test") lies: spans in order, apart from each other."""
        return [(first, end) for first, end in self._index["splits"][name]]

    def num_tokens(self, name: str) -> int:
        return sum(end - first for first, end in self.split(name))

    def num_documents(self, name: str) -> int:
        """Documents that a split has text of."""
        return self._index["num_documents"][name]

    @property
    def end_of_text(self) -> int:
        """The id that ends each document."""
        return self._index["end_of_text"]

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes per token of the held-out text, or of all of it where none is held out."""
        return self._index["bytes_per_token"]

    def passages(self, first: int, end: int) -> list[Passage]:
        """Where the tokens ``[first, end)`` come from, document by document."""
        starts = self._pages[:, 0]
        begin, stop = np.searchsorted(starts, [first, end - 1], side="right").tolist()
        rows = self._pages[begin - 1 : stop].tolist()
        passages = []
        for document, own in groupby(rows, key=lambda row: row[1]):
            pages = [page for _, _, page in own]
            passages.append(Passage(self.documents[document], min(pages), max(pages)))
        return passages

    def splits_line(self) -> str:
        """What each side of the split has, for a person to read."""
        sides = []
        for name in SPLITS:
            if tokens := self.num_tokens(name):
                count = self.num_documents(name)
                documents = f"{count:,} document{'s' if count > 1 else ''}"
                blocks = len(self.split(name))
                where = f"{blocks} blocks of {documents}" if blocks > 1 else documents
                sides.append(f"{name} {tokens:,} tokens in {where}")
        return ", ".join(sides)
