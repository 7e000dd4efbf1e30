"""Finds documents that are copies of others, and paragraphs that stand in several documents."""

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from qwen_pl.data.corpus.document import Document, ParagraphRange
from qwen_pl.data.page.scripts import UNSPACED
from qwen_pl.errors import InputError

MINHASH_VERSION = 1  # raised whenever the same text would give another signature

_NUM_PERMUTATIONS = 128
_SCHEME = "affine32"  # how datasketch makes them; values of another one cannot be compared
_SHINGLE = 5  # words
_SAMPLED = 8  # one shingle of so many, the same ones in every document
_CANDIDATE = 0.3  # Jaccard similarity from which two documents are compared word by word
_MOST_CANDIDATES = 20
_PARAGRAPHS_AT_ONCE = 1000
_SHORTEST_DROPPED = 48  # bytes; "CHAPTER I" or “Yes.” may stand in any number of books
_KEYS_AT_ONCE = 1 << 20

# Words, and single characters where words are not set apart.
_WORD = re.compile(rf"[{UNSPACED}]|\w+")


@dataclass(frozen=True)
class Duplicates:
    """What is done with text that the corpus has more than once."""

    documents: bool = True
    """A document that is a copy of another is left out, also if it was set differently."""
    paragraphs: bool = True
    """Paragraphs that an earlier document has too, such as licences, are left out."""
    similarity: float = 0.7
    """Share of a document's runs of five words that another has, from which it is a copy of it."""

    def __post_init__(self) -> None:
        if not 0 < self.similarity <= 1:
            raise InputError(f"similarity is {self.similarity}: it has to be above 0 and up to 1")


def shingles(paragraphs: Iterable[str]) -> np.ndarray:
    """Hashes of the runs of five words within the paragraphs: a sample of them, each once.

    Which ones are in the sample depends on the words alone, so two documents stay comparable. They
    come as ``(num_shingles,)`` uint64, sorted.
    """
    hashes = []
    for paragraph in paragraphs:
        words = [zlib.crc32(word.encode()) for word in _WORD.findall(paragraph.casefold())]
        rows = np.zeros(max(1, len(words) - _SHINGLE + 1), np.uint64)
        values = np.array([*words, *[0] * (_SHINGLE - len(words))], np.uint64)
        for offset in range(_SHINGLE):
            rows = (rows ^ values[offset : offset + len(rows)]) * np.uint64(0x9E3779B97F4A7C15)
            rows ^= rows >> np.uint64(29)
        hashes.append(rows[rows % _SAMPLED == 0])
    return np.unique(np.concatenate(hashes)) if hashes else np.zeros(0, np.uint64)


def signature(sampled: np.ndarray) -> list[int]:
    """MinHash of a document's shingles; empty for a document with too little text to tell.

    Source: Broder 1997, "On the resemblance and containment of documents".
    """
    from datasketch import MinHash

    if len(sampled) < 4:
        return []
    minhash = MinHash(_NUM_PERMUTATIONS, hashfunc=int, scheme=_SCHEME)
    minhash.update_batch((sampled >> np.uint64(32)).tolist())
    return minhash.hashvalues.tolist()


def find_copies(
    documents: Sequence[tuple[Document, list[int]]], similarity: float
) -> dict[int, int]:
    """Which documents, each with its ``signature``, are copies, and of which other, by number.

    Of two alike, the earlier stays, and nothing is a copy of a copy.
    """
    from datasketch import MinHash, MinHashLSH

    copies: dict[int, int] = {}
    index = MinHashLSH(threshold=_CANDIDATE, num_perm=_NUM_PERMUTATIONS)
    none = [0] * _NUM_PERMUTATIONS
    signatures = np.array([values or none for _, values in documents], np.uint64)
    for number, (document, values) in enumerate(documents):
        if not values:
            continue
        minhash = MinHash(_NUM_PERMUTATIONS, hashvalues=values, scheme=_SCHEME)
        candidates = np.array(sorted(index.query(minhash)), np.int64)
        if len(candidates) > _MOST_CANDIDATES:  # of many, those with the most values in common
            alike = np.count_nonzero(signatures[candidates] == signatures[number], axis=1)
            order = np.argsort(-alike, kind="stable")
            candidates = np.sort(candidates[order[:_MOST_CANDIDATES]])
        own = _all_shingles(document) if len(candidates) else np.zeros(0, np.uint64)
        for candidate in candidates.tolist():
            if (
                len(own)
                and np.isin(own, _all_shingles(documents[candidate][0])).mean() >= similarity
            ):
                copies[number] = candidate
                break
        else:
            index.insert(number, minhash)
    return copies


def drop_repeated(documents: Sequence[Document]) -> list[Document]:
    """Leaves out paragraphs that an earlier document has, but for the shortest.

    Short lines go only with their neighbours, as in a title page: what is left out at one place is
    never shorter than 48 bytes.
    """
    ends = np.cumsum([0, *(document.num_paragraphs for document in documents)])
    repeated = np.zeros(ends[-1], bool)
    # In several passes over the keys, so that the memory for them does not grow with the corpus.
    passes = int(ends[-1]) // _KEYS_AT_ONCE + 1
    for turn in range(passes):
        _mark_repeated(documents, ends, turn, passes, repeated)
    kept = []
    for document, flags in zip(documents, np.split(repeated, ends[1:-1]), strict=True):
        if flags.any():
            sizes = document.index["num_bytes"]
            dropped = long_ranges(flags, sizes)
            gone = sum(int(sizes[first:end].sum()) for first, end in dropped)
            document = replace(document, dropped=dropped, num_bytes=document.num_bytes - gone)
        kept.append(document)
    return kept


def _mark_repeated(
    documents: Sequence[Document], ends: np.ndarray, turn: int, passes: int, repeated: np.ndarray
) -> None:
    """Sets ``repeated`` for paragraphs of this turn whose key an earlier document has."""
    keys, positions = [], []
    for number, document in enumerate(documents):
        own = document.index["key"]
        chosen = np.flatnonzero(own % np.uint64(passes) == turn)
        keys.append(own[chosen])
        positions.append(chosen + ends[number])
    all_keys, all_positions = np.concatenate(keys), np.concatenate(positions)
    _, first, inverse = np.unique(all_keys, return_index=True, return_inverse=True)
    owner = np.searchsorted(ends, all_positions, side="right")
    repeated[all_positions[owner != owner[first][inverse]]] = True


def long_ranges(flags: np.ndarray, sizes: np.ndarray) -> tuple[ParagraphRange, ...]:
    """The ranges of neighbours with set flags whose sizes sum up to enough."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    ranges = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return tuple((a, b) for a, b in ranges if sizes[a:b].sum() >= _SHORTEST_DROPPED)


def _all_shingles(document: Document) -> np.ndarray:
    """The shingles of a document, of whose text only a part is in memory at once."""
    total = document.num_paragraphs
    firsts = range(0, total, _PARAGRAPHS_AT_ONCE)
    parts = (document.texts(first, min(first + _PARAGRAPHS_AT_ONCE, total)) for first in firsts)
    return shingles(chain.from_iterable(parts))
