"""Decides which text is trained on and which is held out for validation and testing."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from qwen_pl.data.corpus.document import Document
from qwen_pl.errors import InputError

SPLITS_VERSION = 1  # raised whenever the same documents would be split otherwise

SPLITS = ("train", "val", "test")
_FEWEST_DOCUMENTS = 10
_ZONE_BYTES = 32 << 10  # of text held out in one place, where there is so much to hold out
_MOST_ZONES = 8


@dataclass(frozen=True)
class Piece:
    """Neighbouring paragraphs ``[first, end)`` of one document, all in the same split."""

    document: int
    first: int
    end: int
    split: str


def split_corpus(
    documents: Sequence[Document], val_fraction: float, test_fraction: float
) -> list[Piece]:
    """Deals the text to "train", "val" and "test", by bytes.

    With ten documents or more, whole ones are held out, the same ones as long as they are there.
    With fewer, blocks of text are, spread evenly over the corpus; the gap beside a block is left
    to whoever cuts windows, since it depends on their length.

    Returns:
        Pieces in the order of the token file: document by document, where there are ten the
        training documents first.

    Raises:
        InputError: If every document has a copy that is kept too, so that what is held out would
            be trained on.
    """
    fractions = {"test": test_fraction, "val": val_fraction}
    if len({document.group for document in documents}) >= _FEWEST_DOCUMENTS:
        sides = _deal(documents, fractions)
        order = sorted(range(len(documents)), key=lambda i: (SPLITS.index(sides[i]), i))
        return [Piece(i, 0, documents[i].num_paragraphs, sides[i]) for i in order]
    return _blocks(documents, val_fraction, test_fraction)


def _deal(documents: Sequence[Document], fractions: dict[str, float]) -> list[str]:
    """The split of each document; copies stay together."""
    groups: dict[int, list[int]] = {}
    for number, document in enumerate(documents):
        groups.setdefault(document.group, []).append(number)
    sizes = {group: sum(documents[n].num_bytes for n in own) for group, own in groups.items()}
    total = sum(sizes.values())
    # By a hash of the content: a name or a neighbour more must not change what is held out.
    free = sorted(groups, key=lambda group: _shuffled(documents[groups[group][0]].sha256))
    sides = ["train"] * len(documents)
    for split, fraction in fractions.items():
        wanted, taken = fraction * total, 0
        while wanted and len(free) > 1:
            fitting = [group for group in free if taken + sizes[group] <= 1.25 * wanted]
            if not fitting and not taken:
                fitting = [min(free, key=sizes.__getitem__)]
            if taken >= 0.9 * wanted or not fitting:
                break
            taken += sizes[fitting[0]]
            free.remove(fitting[0])
            for number in groups[fitting[0]]:
                sides[number] = split
    return sides


def _shuffled(content: str) -> str:
    return hashlib.sha256(f"split {content}".encode()).hexdigest()


def _blocks(
    documents: Sequence[Document], val_fraction: float, test_fraction: float
) -> list[Piece]:
    """Zones of held-out text, each first for validation and then for testing."""
    groups = [document.group for document in documents]
    # What has a copy elsewhere is no text that the model has not seen.
    splittable = [groups.count(group) == 1 for group in groups]
    held_out = val_fraction + test_fraction
    if held_out and not any(splittable):
        raise InputError(
            "every document has a copy in the corpus, so nothing can be held out: set "
            "data.duplicates.documents to true, or data.val_fraction and data.test_fraction to 0"
        )
    total = sum(d.num_bytes for d, own in zip(documents, splittable, strict=True) if own)
    num_zones = min(max(int(held_out * total) // _ZONE_BYTES, 1), _MOST_ZONES)
    pieces: list[Piece] = []
    before = 0
    for number, document in enumerate(documents):
        if splittable[number] and held_out:
            sizes = document.kept_bytes()
            middles = before + np.cumsum(sizes) - sizes / 2
            before += document.num_bytes
            # Where a paragraph's middle is within its zone, from 0 to 1, the block in its centre.
            place = (middles / total * num_zones) % 1
            begin = (1 - held_out) / 2
            sides = (place >= begin).astype(int) + (place >= begin + val_fraction)
            sides[place >= begin + held_out] = 0
        else:
            sides = np.zeros(document.num_paragraphs, int)
        borders = [0, *(np.flatnonzero(np.diff(sides)) + 1).tolist(), document.num_paragraphs]
        pieces += [
            Piece(number, first, end, SPLITS[sides[first]])
            for first, end in pairwise(borders)
            if first < end
        ]
    return pieces
