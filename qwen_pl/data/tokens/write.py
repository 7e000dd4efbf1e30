"""Writes the token file: parts tokenized in any number of processes, put together in order."""

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from qwen_pl.data.cache_dir import TokensEntry
from qwen_pl.data.corpus.document import Document, SealedText
from qwen_pl.data.processes import ProcessDied, map_in_processes
from qwen_pl.data.tokens.cuts import Cuts, without_cuts
from qwen_pl.data.tokens.encoder import encoder_of
from qwen_pl.data.tokens.splits import SPLITS, Piece
from qwen_pl.files import remove, whole_file, whole_folder
from qwen_pl.seals import Damaged, Seal, read_bytes, sealed, tell_mended, unsealed, write_sealed

_PART_BYTES = 4 << 20  # of text that is tokenized at once
_BATCH_CHARACTERS = 1 << 18
_TOKENS_AT_ONCE = 1 << 20
_SMALL_BYTES = 2 * _PART_BYTES  # below which it does not pay to start processes


@dataclass(frozen=True)
class Slice:
    """Neighbouring paragraphs of one piece, no more than a part holds."""

    document: int
    text: SealedText
    paragraphs: tuple[int, int]  # the first, and the one behind the last
    piece: int
    ends_document: bool
    num_bytes: int
    cuts: Cuts = (0, 0)
    begins_document: bool = False


@dataclass(frozen=True)
class TokenPart:
    """Some of the token file: slices in order, and the file that their tokens go to."""

    slices: Sequence[Slice]
    file: Path

    @property
    def num_bytes(self) -> int:
        return sum(each.num_bytes for each in self.slices)

    @property
    def name(self) -> str:
        """By which its file is sealed."""
        return f"part {self.file.parent.name} {self.file.name}"

    def write(self, **arrays: Any) -> None:
        content = io.BytesIO()
        np.savez(content, **arrays)
        with whole_file(self.file) as file:
            file.write(sealed(content.getvalue(), self.name))

    def read(self) -> Mapping[str, np.ndarray]:
        """The arrays written; raises ``Damaged`` if they are not there or not as they were."""
        return np.load(io.BytesIO(unsealed(read_bytes(self.file), self.name, self.file)))

    def is_there(self) -> bool:
        """Whether it was written; one that is damaged is removed."""
        if not os.path.lexists(self.file):
            return False
        try:
            self.read()
        except Damaged as damage:
            tell_mended([damage])
            remove(self.file)
            return False
        return True


def plan_parts(
    folder: Path, documents: Sequence[Document], pieces: Sequence[Piece]
) -> list[TokenPart]:
    """Cuts the corpus into parts of some megabytes, the same ones for any number of processes."""
    groups: list[list[Slice]] = [[]]
    size = 0
    for each in _slices(documents, pieces):
        if size >= _PART_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(each)
        size += each.num_bytes
    entry = TokensEntry(folder)
    return [TokenPart(own, entry.part(number)) for number, own in enumerate(groups) if own]


def tokenize_parts(
    parts: Iterable[TokenPart], tokenizer_file: Path, num_proc: int
) -> Iterator[TokenPart]:
    """Writes the tokens of the parts that are not there yet; yields each part that is.

    Raises:
        RuntimeError: If a process died while it tokenized.
        Damaged: If a text is not what was written.
    """
    work = partial(tokenize_part, tokenizer_file=tokenizer_file)
    for part, died in map_in_processes(work, parts, num_proc):
        if isinstance(died, ProcessDied):
            raise RuntimeError(f"tokenizing {part.file.name}: {died}")
        yield part


def tokenize_part(part: TokenPart, tokenizer_file: Path) -> None:
    if part.is_there():
        return
    encoder = encoder_of(tokenizer_file)
    ids: list[np.ndarray] = []
    lengths: list[int] = []
    rows: list[np.ndarray] = []  # slices, documents and pages of the paragraphs
    num_bytes = np.zeros(encoder.num_ids)  # where they have to be measured
    for batch in _batches(part.slices):
        *places, begins, texts = zip(*batch, strict=True)
        rows.append(np.array(places, np.int64))
        of_items = encoder.encode(texts, begins, num_bytes)
        lengths += map(len, of_items)
        ids.append(np.fromiter(chain.from_iterable(of_items), encoder.dtype))
    own_slice, document, page = np.concatenate(rows, axis=1)
    sizes = np.array(lengths)
    is_new = (np.diff(document, prepend=-1) != 0) | (np.diff(page, prepend=-1) != 0)
    starts = np.cumsum(sizes) - sizes
    part.write(
        tokens=np.concatenate(ids),
        lengths=np.bincount(own_slice, sizes, len(part.slices)).astype(np.int64),
        pages=np.stack([starts, document, page], axis=1)[is_new],
        num_bytes=num_bytes if encoder.measures else num_bytes[:0],
    )


def write_token_file(
    folder: Path,
    documents: Sequence[Document],
    pieces: Sequence[Piece],
    tokenizer_file: Path,
    *,
    num_proc: int = 1,
    on_bytes: Callable[[int], object] = lambda count: None,
) -> None:
    """Tokenizes the documents into ``folder``, each ended by a token such as ``<|endoftext|>``.

    What the tokenizer puts before a text, ``<s>`` or a space, stands before a document once.

    Parts lie beside it until all are done, so that work which was ended early goes on from there.
    The files do not depend on the number of processes.

    Args:
        on_bytes: Called with the bytes of text done since the last call.
    """
    parts = plan_parts(folder, documents, pieces)
    small = sum(part.num_bytes for part in parts) < _SMALL_BYTES
    for part in tokenize_parts(parts, tokenizer_file, 1 if small else num_proc):
        on_bytes(part.num_bytes)
    join_parts(folder, documents, pieces, parts, tokenizer_file)
    remove(TokensEntry(folder).parts)


def join_parts(
    folder: Path,
    documents: Sequence[Document],
    pieces: Sequence[Piece],
    parts: Sequence[TokenPart],
    tokenizer_file: Path,
) -> None:
    encoder = encoder_of(tokenizer_file)
    dtype = encoder.dtype
    remove(folder)  # one of which something is damaged
    with whole_folder(folder) as unfinished:
        entry = TokensEntry(unfinished, folder.name)
        pages, lengths = _join(parts, len(pieces), entry.tokens)
        np.save(entry.pages, pages)
        tokens = np.memmap(entry.tokens, dtype, mode="r")
        num_bytes = encoder.sizes
        if encoder.measures:
            num_bytes = _mean_bytes(parts, num_bytes)
        np.save(entry.num_bytes, num_bytes)
        splits = _spans(pieces, lengths)
        digest = hashlib.sha256(tokens.data)
        seals = {entry.tokens: Seal(tokens.nbytes, digest.hexdigest())}
        seals |= {file: Seal.of(file) for file in (entry.pages, entry.num_bytes)}
        digest.update(json.dumps(splits).encode())
        index = {
            "files": {file.name: seal for file, seal in seals.items()},
            "dtype": dtype.str,
            "num_tokens": len(tokens),
            "end_of_text": encoder.end_of_text,
            "fingerprint": digest.hexdigest()[:12],
            "documents": [document.source for document in documents],
            "splits": splits,
            "num_documents": {
                name: len({piece.document for piece in pieces if piece.split == name})
                for name in SPLITS
            },
            "bytes_per_token": _bytes_per_token(tokens, splits, num_bytes),
        }
        write_sealed(entry.index, json.dumps(index, indent=1), f"tokens {entry.name}")


def _join(parts: Sequence[TokenPart], num_pieces: int, file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Writes the tokens of all parts into one file.

    Returns:
        First token, document and page at each change of these, ``(num_rows, 3)`` int64; and the
        tokens of each piece, ``(num_pieces,)`` int64.
    """
    pages = [np.zeros((0, 3), np.int64)]
    lengths = np.zeros(num_pieces, np.int64)
    with file.open("wb") as joined:
        for part in parts:
            made = part.read()
            joined.write(made["tokens"].tobytes())
            pages.append(made["pages"] + [lengths.sum(), 0, 0])
            np.add.at(lengths, [each.piece for each in part.slices], made["lengths"])
    return np.concatenate(pages), lengths


def _slices(documents: Sequence[Document], pieces: Sequence[Piece]) -> Iterator[Slice]:
    """The paragraphs that are kept, in slices that are no longer than a part."""
    last_piece = {piece.document: number for number, piece in enumerate(pieces)}
    begun: set[int] = set()  # documents whose first paragraph has come
    for number, piece in enumerate(pieces):
        document = documents[piece.document]
        ranges = document.kept(piece.first, piece.end)
        ends_document = number == last_piece[piece.document]
        if not ranges and ends_document:
            ranges = [(piece.end, piece.end)]  # nothing but the token that ends the document
        index = document.index
        for first, end in ranges:
            sizes = np.cumsum(index["num_bytes"][first:end])
            total = int(sizes[-1]) if len(sizes) else 0
            full = np.searchsorted(sizes, range(_PART_BYTES, total, _PART_BYTES)) + 1
            # A paragraph larger than a part makes several at its end, which are one.
            inner = sorted(set((first + full).tolist()) - {end})
            for begin, stop in pairwise([first, *inner, end]):
                cuts = piece.cuts_of(begin, stop)
                yield Slice(
                    piece.document,
                    document.text,
                    (begin, stop),
                    number,
                    ends_document and stop == end == ranges[-1][1],
                    int(index["num_bytes"][begin:stop].sum()) - sum(cuts),
                    cuts,
                    begins_document=piece.document not in begun,
                )
                begun.add(piece.document)


_Item = tuple[int, int, int, bool, str]
"""Slice, document and page of a paragraph, whether it is the first of its document, and its text;
or of the end of a document, which has no text."""


def _batches(slices: Sequence[Slice]) -> Iterator[list[_Item]]:
    """What the slices hold, some hundred kilobytes at a time."""
    batch: list[_Item] = []
    size = 0
    for item in _items(slices):
        batch.append(item)
        size += len(item[-1])
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _items(slices: Sequence[Slice]) -> Iterator[_Item]:
    for number, own in enumerate(slices):
        index = without_cuts(own.text.read_index(*own.paragraphs), own.cuts)
        page, begins = 1, own.begins_document
        texts = own.text.read_texts(index)
        ends = own.text.read_ends(*own.paragraphs)
        if own.cuts[1]:
            ends[-1] = ""
        for text, end, page in zip(texts, ends, index["page"].tolist(), strict=False):
            yield number, own.document, page, begins, text + end
            begins = False
        if own.ends_document:
            yield number, own.document, page, False, ""


def _spans(pieces: Sequence[Piece], lengths: np.ndarray) -> dict[str, list[list[int]]]:
    """Where the splits lie in the token file; neighbours of the same split are one span."""
    splits: dict[str, list[list[int]]] = {name: [] for name in SPLITS}
    ends = np.cumsum(lengths).tolist()
    for piece, length, end in zip(pieces, lengths.tolist(), ends, strict=True):
        spans = splits[piece.split]
        if spans and spans[-1][1] == end - length:
            spans[-1][1] = end
        elif length:
            spans.append([end - length, end])
    return splits


def _bytes_per_token(
    tokens: np.ndarray, splits: dict[str, list[list[int]]], num_bytes: np.ndarray
) -> float:
    """The mean over the held-out text, or over all of it where none is held out."""
    counts = np.zeros(len(num_bytes), np.int64)  # how often each id stands there
    for first, end in [*splits["val"], *splits["test"]] or splits["train"]:
        for begin in range(first, end, _TOKENS_AT_ONCE):  # which may not fit into memory together
            some = tokens[begin : min(begin + _TOKENS_AT_ONCE, end)]
            counts += np.bincount(some, minlength=len(counts))
    return float(counts @ num_bytes / max(1, counts.sum()))


def _mean_bytes(parts: Sequence[TokenPart], told: np.ndarray) -> np.ndarray:
    """Measured bytes of each id, ``(num_ids,)`` float64: the mean over all places that it is at.

    Ids that are nowhere have what is ``told`` of them.
    """
    totals, counts = np.zeros(len(told)), np.zeros(len(told), np.int64)
    for part in parts:
        made = part.read()
        totals += made["num_bytes"]
        counts += np.bincount(made["tokens"], minlength=len(told))
    return np.where(counts, totals / np.maximum(1, counts), told)
