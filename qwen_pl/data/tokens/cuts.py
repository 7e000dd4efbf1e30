"""Where text may be cut in two: at the end of a paragraph, a sentence or a word, or anywhere."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from qwen_pl.data.corpus.document import Document

Cuts = tuple[int, int]
"""Bytes at the start of a first paragraph, and at the end of a last one, that are not meant."""

_SENTENCE = re.compile(r"[.!?…؟།][”’»\"')\]]*(?=\s)|[。！？][”’」』）]*|\n")
_WORD = re.compile(r"\S(?=\s)")
_LONGEST_SENTENCE = 1 << 15  # bytes


def without_cuts(rows: np.ndarray, cuts: Cuts) -> np.ndarray:
    """Rows of a document's index, the first and last of which may be parts of their paragraphs."""
    if not any(cuts):
        return rows
    rows, (skipped, left) = rows.copy(), cuts
    rows["start"][0] += skipped
    rows["num_bytes"][0] -= skipped
    rows["num_bytes"][-1] -= left
    return rows


class CuttableText:
    """Some documents one after the other, as bytes with a place from 0 on.

    What is left out of the corpus has no place in it.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents
        sizes = [document.kept_bytes() for document in documents]
        self._firsts = np.cumsum([0, *map(len, sizes)])
        """The first paragraph of each document, counted through all of them."""
        self._ends = np.cumsum(np.concatenate(sizes))
        self.num_bytes = int(self._ends[-1])

    def nearest_cut(self, place: float, farthest: float) -> int:
        """Where to cut instead, in the paragraph that a place is in or at its ends.

        That is the nearest end of a sentence, of a word or of a character: the first of these that
        is not too far off.
        """
        place = min(max(round(place), 0), self.num_bytes)
        number = int(np.searchsorted(self._ends, place))
        start, end = self._start(number), int(self._ends[number])
        if place in (start, end):
            return place
        document = int(np.searchsorted(self._firsts, number, side="right")) - 1
        own = number - int(self._firsts[document])
        [text] = self._documents[document].texts(own, own + 1)
        cuts = [start, end]
        for found in _ends_around(text.encode(), place - start):
            cuts += [start + cut for cut in found]
            nearest = min(cuts, key=lambda cut: abs(cut - place))
            if abs(nearest - place) <= farthest:
                break
        return nearest

    def ranges(self, first: int, end: int) -> Iterator[tuple[int, int, int, Cuts]]:
        """What lies between two places: of each document there its number, a range of paragraphs,
        and what of these lies outside."""
        for document, (before, behind) in enumerate(pairwise(self._firsts)):
            begin, stop = max(first, self._start(before)), min(end, self._start(behind))
            if begin < stop:
                one = int(np.searchsorted(self._ends, begin, side="right"))
                last = int(np.searchsorted(self._ends, stop))
                cuts = begin - self._start(one), int(self._ends[last]) - stop
                yield document, one - int(before), last + 1 - int(before), cuts

    def _start(self, number: int) -> int:
        return int(self._ends[number - 1]) if number else 0


def _ends_around(content: bytes, place: int) -> Iterator[list[int]]:
    """The ends of sentences, of words, and of characters, near a place in a paragraph; in bytes."""
    first = max(0, place - _LONGEST_SENTENCE)
    while content[first : first + 1] and content[first] & 0xC0 == 0x80:  # within a character
        first += 1
    text = content[first : place + _LONGEST_SENTENCE].decode(errors="ignore")
    places = first + np.cumsum([0, *(len(character.encode()) for character in text)])
    for pattern in (_SENTENCE, _WORD):
        yield places[[match.end() for match in pattern.finditer(text)]].tolist()
    yield [
        place
        for place, character in zip(places.tolist(), text, strict=False)
        if unicodedata.category(character)[0] != "M" and character != "\u200d"
    ]
