"""Decides which text is trained on and which is held out for validation and testing."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from math import inf

import numpy as np

from qwen_pl.data.corpus.document import Document
from qwen_pl.data.tokens.cuts import Cuts, CuttableText
from qwen_pl.errors import InputError

SPLITS_VERSION = 2  # raised whenever the same documents would be split otherwise
_WHOLE_VERSION = 1  # where whole paragraphs and documents serve, the split is as it always was

SPLITS = ("train", "val", "test")
FARTHEST_OFF = 0.2
"""Of the share asked for: farther off no part is without a word."""

_FEWEST_DOCUMENTS = 10
_ZONE_BYTES = 32 << 10  # of text held out in one place, where there is so much to hold out
_MOST_ZONES = 8
_SHORT = 1 / 32  # of the text: paragraphs that are no longer are dealt as they are
_NEAR = 0.05  # of the smallest part of a zone: no end of a sentence is looked for farther off


@dataclass(frozen=True)
class Piece:
    """Neighbouring paragraphs ``[first, end)`` of one document, all in the same split."""

    document: int
    first: int
    end: int
    split: str
    cuts: Cuts = (0, 0)
    """What of the first and last paragraph belongs to the pieces beside it."""

    def cuts_of(self, first: int, end: int) -> Cuts:
        """The same of some of its paragraphs, ``[first, end)``."""
        return self.cuts[0] * (first == self.first), self.cuts[1] * (end == self.end)


@dataclass(frozen=True)
class Split:
    """The text as it is dealt, and the version of the rules that it was dealt by."""

    pieces: list[Piece]
    """In the order of the token file: document by document, where there are ten the training
    documents first."""
    version: int


def split_corpus(documents: Sequence[Document], val_fraction: float, test_fraction: float) -> Split:
    """Deals the text to "train", "val" and "test", by bytes.

    With ten documents or more, whole ones are held out, the same ones as long as they are there.
    With fewer, blocks of text are, spread evenly over the corpus; the gap beside a block is left
    to whoever cuts windows, since it depends on their length.

    Where whole documents, or long paragraphs, make a part a fifth larger or smaller than was asked,
    a part of a document is held out, or paragraphs are cut in two: at the end of a sentence, or of
    a word where sentences are too long.

    Raises:
        InputError: If every document has a copy that is kept too, so that what is held out would
            be trained on; or if there is too little text for a part that is asked for.
    """
    fractions = {"val": val_fraction, "test": test_fraction}
    asked = {split: fraction for split, fraction in fractions.items() if fraction}
    is_by_document = len({document.group for document in documents}) >= _FEWEST_DOCUMENTS
    ways = _by_document(documents, asked) if is_by_document else _in_blocks(documents, asked)
    best, least = Split([], 0), inf
    for number, pieces in enumerate(ways):
        off = _farthest_off(_sizes(documents, pieces), asked)
        if off < least:
            best, least = Split(pieces, SPLITS_VERSION if number else _WHOLE_VERSION), off
        is_near = number == 0 and off < 1 and not is_by_document
        if off <= FARTHEST_OFF or (is_near and _has_short_paragraphs(documents, asked)):
            break
    sizes = _sizes(documents, best.pieces)
    if empty := [split for split in ("train", *asked) if sizes.total() and not sizes[split]]:
        raise InputError(
            f"{sizes.total()} bytes of text leave none for {empty[0]}: give more text that has no "
            "copy, or change data.val_fraction and data.test_fraction"
        )
    return best


def _has_short_paragraphs(documents: Sequence[Document], asked: dict[str, float]) -> bool:
    """Whether no paragraph is long beside the text and beside a block that is held out."""
    longest = max(int(document.kept_bytes().max(initial=0)) for document in documents)
    total = sum(document.num_bytes for document in documents)
    block = min(asked.values()) * total / _num_zones(sum(asked.values()) * total)
    return longest <= min(block, _SHORT * total)


def piece_bytes(documents: Sequence[Document], pieces: Sequence[Piece]) -> list[int]:
    """Bytes of the text of each piece."""
    found: list[int] = []
    for number, group in groupby(pieces, lambda piece: piece.document):
        document, own = documents[number], list(group)
        if len(own) == 1 and own[0].end - own[0].first == document.num_paragraphs:
            found.append(document.num_bytes)
            continue
        ends = np.cumsum([0, *document.kept_bytes()])
        found += [int(ends[each.end] - ends[each.first]) - sum(each.cuts) for each in own]
    return found


def _sizes(documents: Sequence[Document], pieces: Sequence[Piece]) -> Counter[str]:
    """Bytes of each split."""
    sizes: Counter[str] = Counter()
    for piece, size in zip(pieces, piece_bytes(documents, pieces), strict=True):
        sizes[piece.split] += size
    return sizes


def _farthest_off(sizes: Counter[str], asked: dict[str, float]) -> float:
    """How far any part is from its size, as a share of that."""
    wanted = {"train": 1 - sum(asked.values()), **asked}
    return max(
        abs(sizes[part] / max(1, sizes.total()) / share - 1) for part, share in wanted.items()
    )


def _by_document(documents: Sequence[Document], asked: dict[str, float]) -> Iterator[list[Piece]]:
    """Whole documents; then whole ones and a part of one."""
    yield _ordered(documents, _deal(documents, asked), {})
    sides, parts = _deal_in_part(documents, asked)
    for nearness in (inf, _NEAR):
        cut: dict[int, list[Piece]] = {}
        for number, wanted in parts.items():
            cut |= _cut_blocks(documents, [number], wanted, nearness)
        yield _ordered(documents, sides, cut)


def _ordered(
    documents: Sequence[Document], sides: Sequence[str], cut: dict[int, list[Piece]]
) -> list[Piece]:
    """The pieces of documents that are cut and of those that are not, the training ones first."""
    order = sorted(range(len(documents)), key=lambda i: (SPLITS.index(sides[i]), i))
    whole = [[Piece(i, 0, documents[i].num_paragraphs, sides[i])] for i in range(len(documents))]
    return [piece for i in order for piece in cut.get(i) or whole[i]]


class _Groups:
    """Documents that are copies of each other, which stay together."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.members: dict[int, list[int]] = {}
        for number, document in enumerate(documents):
            self.members.setdefault(document.group, []).append(number)
        self.sizes = {
            group: sum(documents[n].num_bytes for n in own) for group, own in self.members.items()
        }
        self.total = sum(self.sizes.values())
        # By a hash of the content: a name or a neighbour more must not change what is held out.
        order = sorted(
            self.members, key=lambda group: _shuffled(documents[self.members[group][0]].sha256)
        )
        self.free = dict.fromkeys(order)  # a set in order
        self.sides = ["train"] * len(documents)

    def hold_out(self, group: int, split: str) -> int:
        """Takes a group for a split, and returns its size."""
        del self.free[group]
        for number in self.members[group]:
            self.sides[number] = split
        return self.sizes[group]


def _deal(documents: Sequence[Document], asked: dict[str, float]) -> list[str]:
    """The split of each document, where they are held out as a whole."""
    groups = _Groups(documents)
    for split in reversed(asked):
        wanted, taken = asked[split] * groups.total, 0
        for group in list(groups.free):  # what does not fit once never does, as more is taken
            is_asked = len(groups.free) > 1 and taken < 0.9 * wanted
            if is_asked and taken + groups.sizes[group] <= 1.25 * wanted:
                taken += groups.hold_out(group, split)
        if len(groups.free) > 1 and not taken and wanted > 0:  # each alone is too much
            groups.hold_out(min(groups.free, key=groups.sizes.__getitem__), split)
    return groups.sides


def _deal_in_part(
    documents: Sequence[Document], asked: dict[str, float]
) -> tuple[list[str], dict[int, dict[str, float]]]:
    """The split of each document, and of some how many of their bytes are held out for which."""
    groups = _Groups(documents)
    missing = {}
    for split in reversed(asked):
        missing[split] = asked[split] * groups.total
        for group in list(groups.free):
            if groups.sizes[group] <= missing[split]:
                missing[split] -= groups.hold_out(group, split)
    alone = [groups.members[group][0] for group in groups.free if len(groups.members[group]) == 1]
    room = {number: float(documents[number].num_bytes) for number in alone}
    parts: dict[int, dict[str, float]] = {}
    for split in asked:
        if missing[split] > _NEAR * asked[split] * groups.total and room:
            largest = max(room, key=room.__getitem__)
            number = next((n for n in alone if room[n] >= missing[split]), largest)
            size = min(missing[split], room[number])
            parts.setdefault(number, {})[split] = size
            room[number] -= size
    return groups.sides, parts


def _shuffled(content: str) -> str:
    return hashlib.sha256(f"split {content}".encode()).hexdigest()


def _in_blocks(documents: Sequence[Document], asked: dict[str, float]) -> Iterator[list[Piece]]:
    """Blocks of whole paragraphs; then of parts of them."""
    groups = [document.group for document in documents]
    members = Counter(groups)
    # What has a copy elsewhere is no text that the model has not seen.
    splittable = [number for number, group in enumerate(groups) if members[group] == 1]
    if asked and not splittable:
        raise InputError(
            "every document has a copy in the corpus, so nothing can be held out: set "
            "data.duplicates.documents to true, or data.val_fraction and data.test_fraction to 0"
        )
    yield _blocks(documents, splittable, asked)
    total = sum(document.num_bytes for document in documents)
    there = sum(documents[number].num_bytes for number in splittable)
    share = min(total, there / sum(asked.values()))  # what is asked of that is there
    wanted = {split: fraction * share for split, fraction in asked.items()}
    for nearness in (inf, _NEAR):
        cut = _cut_blocks(documents, splittable, wanted, nearness)
        yield _ordered(documents, ["train"] * len(documents), cut)


def _num_zones(held_out: float) -> int:
    """In how many places so many bytes are held out."""
    return min(max(int(held_out) // _ZONE_BYTES, 1), _MOST_ZONES)


def _blocks(
    documents: Sequence[Document], splittable: Sequence[int], asked: dict[str, float]
) -> list[Piece]:
    """Zones of held-out paragraphs, each first for validation and then for testing."""
    val_fraction, held_out = asked.get("val", 0.0), sum(asked.values())
    total = sum(documents[number].num_bytes for number in splittable)
    num_zones = _num_zones(held_out * total)
    pieces: list[Piece] = []
    before = 0
    is_splittable = set(splittable)
    for number, document in enumerate(documents):
        if number in is_splittable and held_out:
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


def _cut_blocks(
    documents: Sequence[Document],
    numbers: Sequence[int],
    wanted: dict[str, float],
    nearness: float,
) -> dict[int, list[Piece]]:
    """Zones of held-out text as in ``_blocks``, that begin and end wherever text may be cut.

    Args:
        numbers: Of the documents that are cut.
        wanted: Bytes to hold out for each split.
        nearness: How far off a cut may be, as a share of the smallest part of a zone.
    """
    text = CuttableText([documents[number] for number in numbers])
    held_out = sum(wanted.values())
    num_zones = _num_zones(held_out)
    smallest = min(*wanted.values(), max(1.0, text.num_bytes - held_out))
    farthest = nearness * smallest / num_zones
    spans: list[tuple[int, int, str]] = []
    taken: Counter[str] = Counter()
    end = 0
    for zone in range(num_zones):
        middle = (zone + 0.5) / num_zones * text.num_bytes
        begin = text.nearest_cut(middle - held_out / num_zones / 2, farthest)
        spans.append((end, begin := max(end, begin), "train"))
        for split, size in wanted.items():
            due = size * (zone + 1) / num_zones - taken[split]
            end = max(begin, text.nearest_cut(begin + due, farthest))
            spans.append((begin, end, split))
            taken[split] += end - begin
            begin = end
    spans.append((end, text.num_bytes, "train"))
    own: dict[int, list[Piece]] = {number: [] for number in numbers}
    for first, stop, split in spans:
        for index, begin, behind, cuts in text.ranges(first, stop):
            own[numbers[index]].append(Piece(numbers[index], begin, behind, split, cuts))
    return {number: list(_gapless(documents[number], own[number])) for number in numbers}


def _gapless(document: Document, pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Pieces of a document with the paragraphs between them that are left out of the corpus."""
    end = 0
    for piece in pieces:
        first = piece.first if piece.cuts[0] else end
        end = document.num_paragraphs if piece is pieces[-1] else piece.end
        yield replace(piece, first=first, end=end)
