"""Writes the token file: parts tokenized in any number of processes, put together in order."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from qwen_pl.data.corpus.document import PARAGRAPH_END, Document, Range, read_index, read_texts
from qwen_pl.data.processes import ProcessDied, map_in_processes
from qwen_pl.data.tokens.splits import SPLITS, Piece
from qwen_pl.data.tokens.tokenizer import END_OF_TEXT, token_num_bytes
from qwen_pl.files import whole_file, whole_folder

TOKENS_VERSION = 2  # raised whenever the same text and tokenizer would give other files

_PART_BYTES = 4 << 20  # of text that is tokenized at once
_BATCH_CHARACTERS = 1 << 18
_SMALL_BYTES = 2 * _PART_BYTES  # below which it does not pay to start processes


@dataclass(frozen=True)
class Run:
    """Neighbouring paragraphs of one document and one piece."""

    document: int
    text_file: Path
    paragraphs: Range
    piece: int
    ends_document: bool
    num_bytes: int


@dataclass(frozen=True)
class Part:
    """Some of the token file: runs in order, and the file that their tokens go to."""

    runs: Sequence[Run]
    file: Path

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of its text."""
        return sum(run.num_bytes for run in self.runs)


def parts_dir(folder: Path) -> Path:
    """Where the parts of the token file in ``folder`` lie until they are put together."""
    return folder.with_name(f"{folder.name}.parts")


def plan_parts(documents: Sequence[Document], pieces: Sequence[Piece], folder: Path) -> list[Part]:
    """Cuts the corpus into parts of some megabytes, the same ones for any number of processes.

    Args:
        folder: Where the parts are to lie until they are put together.
    """
    last_piece = {piece.document: number for number, piece in enumerate(pieces)}
    parts: list[Part] = []
    runs: list[Run] = []
    size = 0
    for run in _runs(documents, pieces, last_piece):
        runs.append(run)
        size += run.num_bytes
        if size >= _PART_BYTES:
            parts.append(Part(runs, folder / f"{len(parts):06}.npz"))
            runs, size = [], 0
    if runs:
        parts.append(Part(runs, folder / f"{len(parts):06}.npz"))
    return parts


def tokenize_part(part: Part, tokenizer_file: Path) -> None:
    """Writes the tokens of a part, unless they are there."""
    if part.file.is_file():
        return
    tokenizer = _literal_tokenizer(tokenizer_file, tokenizer_file.stat().st_mtime_ns)
    end_of_text = tokenizer.token_to_id(END_OF_TEXT)
    dtype = _dtype(tokenizer)
    ids: list[np.ndarray] = []
    lengths: list[int] = []
    rows: list[np.ndarray] = []  # run, document and page of each paragraph
    for batch in _batches(part.runs):
        rows.append(np.array([(i.run, i.document, i.page) for i in batch], np.int64))
        encoded = iter(tokenizer.encode_batch_fast([i.text for i in batch if i.text]))
        of_items = [next(encoded).ids if i.text else [end_of_text] for i in batch]
        lengths += map(len, of_items)
        count = sum(lengths[-len(batch) :])
        ids.append(np.fromiter(chain.from_iterable(of_items), dtype, count))
    run, document, page = np.concatenate(rows).T
    sizes = np.array(lengths)
    is_new = (np.diff(document, prepend=-1) != 0) | (np.diff(page, prepend=-1) != 0)
    starts = np.cumsum(sizes) - sizes
    with whole_file(part.file) as file:
        np.savez(
            file,
            tokens=np.concatenate(ids),
            lengths=np.bincount(run, sizes, len(part.runs)).astype(np.int64),
            pages=np.stack([starts, document, page], axis=1)[is_new],
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
    """Tokenizes the documents into ``folder``, each ended by ``<|endoftext|>``.

    Parts lie beside it until all are done, so that work which was ended early goes on from there.

    Args:
        num_proc: Processes to tokenize in; the files do not depend on it.
        on_bytes: Called with the bytes of text done since the last call.

    Raises:
        RuntimeError: If a process died while it tokenized.
    """
    unfinished = parts_dir(folder)
    unfinished.mkdir(parents=True, exist_ok=True)
    parts = plan_parts(documents, pieces, unfinished)
    small = sum(part.num_bytes for part in parts) < _SMALL_BYTES
    work = partial(tokenize_part, tokenizer_file=tokenizer_file)
    for part, died in map_in_processes(work, parts, 1 if small else num_proc):
        if isinstance(died, ProcessDied):
            raise RuntimeError(f"tokenizing {part.file.name}: {died}")
        on_bytes(part.num_bytes)
    join_parts(folder, documents, pieces, parts, tokenizer_file)
    shutil.rmtree(unfinished)


def join_parts(
    folder: Path,
    documents: Sequence[Document],
    pieces: Sequence[Piece],
    parts: Sequence[Part],
    tokenizer_file: Path,
) -> None:
    """Puts the token file together from parts that are all there."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    dtype = _dtype(tokenizer)
    num_bytes = token_num_bytes(tokenizer)
    sides = [SPLITS.index(piece.split) for piece in pieces]
    lengths = np.zeros(len(pieces), np.int64)
    counts = np.zeros((len(SPLITS), len(num_bytes)), np.int64)  # how often a split has each id
    pages = [np.zeros((0, 3), np.int64)]
    digest = hashlib.sha256()
    position = 0
    with whole_folder(folder) as unfinished:
        with (unfinished / "tokens.bin").open("wb") as file:
            for part in parts:
                with np.load(part.file) as made:
                    tokens, run_lengths, rows = made["tokens"], made["lengths"], made["pages"]
                file.write(tokens.tobytes())
                digest.update(tokens.tobytes())
                pages.append(rows + np.array([position, 0, 0]))
                ends = np.cumsum(run_lengths)
                for run, length, end in zip(part.runs, run_lengths, ends, strict=True):
                    lengths[run.piece] += length
                    own = np.bincount(tokens[end - length : end], minlength=len(num_bytes))
                    counts[sides[run.piece]] += own
                position += len(tokens)
        splits = _spans(pieces, lengths)
        digest.update(json.dumps(splits).encode())
        held_out = counts[1:].sum(0) if counts[1:].any() else counts[0]
        np.save(unfinished / "pages.npy", np.concatenate(pages))
        np.save(unfinished / "num_bytes.npy", num_bytes)
        index = {
            "dtype": dtype.str,
            "num_tokens": position,
            "end_of_text": tokenizer.token_to_id(END_OF_TEXT),
            "fingerprint": digest.hexdigest()[:12],
            "documents": [document.source for document in documents],
            "splits": splits,
            "num_documents": {
                name: len({piece.document for piece in pieces if piece.split == name})
                for name in SPLITS
            },
            "bytes_per_token": float(held_out @ num_bytes / max(1, held_out.sum())),
        }
        text = json.dumps(index, indent=1, ensure_ascii=False)
        (unfinished / "index.json").write_text(text, encoding="utf-8")


def _runs(
    documents: Sequence[Document], pieces: Sequence[Piece], last_piece: dict[int, int]
) -> Iterator[Run]:
    """The paragraphs that are kept, in runs that are no longer than a part."""
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
            cuts = np.searchsorted(sizes, range(_PART_BYTES, total, _PART_BYTES)) + 1
            # A paragraph larger than a part makes several cuts at its end, which are one.
            inner = sorted(set((first + cuts).tolist()) - {end})
            for begin, stop in pairwise([first, *inner, end]):
                yield Run(
                    piece.document,
                    document.text_file,
                    (begin, stop),
                    number,
                    ends_document and stop == end == ranges[-1][1],
                    int(index["num_bytes"][begin:stop].sum()),
                )


class _Item(NamedTuple):
    """A paragraph on its way to tokens, or the end of a document, which has no text."""

    run: int
    document: int
    page: int
    text: str


def _batches(runs: Sequence[Run]) -> Iterator[list[_Item]]:
    """What the runs hold, some hundred kilobytes at a time."""
    batch: list[_Item] = []
    size = 0
    for item in _items(runs):
        batch.append(item)
        size += len(item.text)
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _items(runs: Sequence[Run]) -> Iterator[_Item]:
    for number, run in enumerate(runs):
        index = read_index(run.text_file, *run.paragraphs)
        page = 1
        texts = read_texts(run.text_file, index)
        for text, page in zip(texts, index["page"].tolist(), strict=True):
            yield _Item(number, run.document, page, text + PARAGRAPH_END)
        if run.ends_document:
            yield _Item(number, run.document, page, "")


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


@lru_cache(maxsize=1)
def _literal_tokenizer(file: Path, changed: int) -> Tokenizer:
    """A tokenizer to which "<|endoftext|>" written in a book ends nothing."""
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.encode_special_tokens = True
    return tokenizer


def _dtype(tokenizer: Tokenizer) -> np.dtype:
    return np.dtype("<u2" if tokenizer.get_vocab_size() <= 1 << 16 else "<u4")
