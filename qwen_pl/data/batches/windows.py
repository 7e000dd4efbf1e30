"""Windows of tokens: how they lie on the token file, and how one is cut.

Shape letters: ``B`` windows in a batch, ``T`` tokens in a window (``seq_len``).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from qwen_pl.data.tokens.token_file import Span

IGNORED = -100  # the label that no loss counts, as in PyTorch and Transformers


class TokenWindows(Dataset[dict[str, Tensor]]):
    """Cuts windows out of a token stream; an item is a window, its index the window's first token.

    Each window has ``input_ids`` and ``labels``, the same tokens shifted by one: ``labels[t]``
    is the token that follows ``input_ids[t]``. Where its span ends first, the window is filled with
    zeros and its labels with -100.

    Given where documents start, windows also have ``document_ids``, the number of each input's
    document, and no label asks for the first token of the next document.

    Args:
        tokens: Token ids, ``(num_tokens,)`` of any integer type, possibly a memory map.
        seq_len: Tokens per window.
        spans: Where windows may lie, in order; no token behind a window's span is read, not even
            as a label.
        num_bytes: UTF-8 bytes per id, ``(num_ids,)``; with it, windows also have ``num_bytes``,
            the bytes that their labels stand for.
        document_starts: The first token of each document, ``(num_documents,)`` int64.

    >>> windows = TokenWindows(np.arange(8), seq_len=3, spans=[(0, 7)])
    >>> windows[2]["input_ids"].tolist(), windows[2]["labels"].tolist()
    ([2, 3, 4], [3, 4, 5])
    >>> windows[5]["input_ids"].tolist(), windows[5]["labels"].tolist()
    ([5, 0, 0], [6, -100, -100])
    """

    def __init__(
        self,
        tokens: np.ndarray,
        seq_len: int,
        *,
        spans: Sequence[Span],
        num_bytes: np.ndarray | None = None,
        document_starts: np.ndarray | None = None,
    ) -> None:
        self.tokens = tokens
        self.seq_len = seq_len
        # Behind the last span there is nothing.
        self.span_ends = np.array([*(end for _, end in spans), 0], dtype=np.int64)
        self.num_bytes = num_bytes
        self.document_starts = document_starts

    def __getstate__(self) -> dict[str, Any]:
        """A worker process that does not share our memory maps the file again."""
        state = self.__dict__.copy()
        if isinstance(self.tokens, np.memmap):
            state["tokens"] = (self.tokens.filename, self.tokens.dtype, self.tokens.shape)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(self.tokens, tuple):
            file, dtype, shape = self.tokens
            self.tokens = np.memmap(file, dtype, mode="r", shape=shape)

    def __getitem__(self, start: int) -> dict[str, Tensor]:
        return {name: batch[0] for name, batch in self.__getitems__([start]).items()}

    def __getitems__(self, starts: Sequence[int]) -> dict[str, Tensor]:
        """Cuts a whole batch at once: all ``(B, T)`` int64, but ``num_bytes`` ``(B,)`` int64."""
        cut = np.full((len(starts), self.seq_len + 1), IGNORED, dtype=np.int64)
        span = np.searchsorted(self.span_ends[:-1], starts, side="right")
        ends = self.span_ends[span].tolist()
        tokens = np.asarray(self.tokens)  # slices of a memory map cost more than those of an array
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            window = tokens[start : min(start + self.seq_len + 1, end)]
            cut[row, : len(window)] = window
        inputs, labels = cut[:, :-1].copy(), cut[:, 1:].copy()
        if labels[:, -1].min() == IGNORED:  # of a full window, no label is
            inputs[labels == IGNORED] = 0
        batch = {"input_ids": torch.from_numpy(inputs), "labels": torch.from_numpy(labels)}
        if self.document_starts is not None:
            positions = np.add.outer(starts, np.arange(self.seq_len + 1))  # (B, T + 1)
            documents = np.searchsorted(self.document_starts, positions, side="right") - 1
            labels[documents[:, 1:] != documents[:, :-1]] = IGNORED
            batch["document_ids"] = torch.from_numpy(documents[:, :-1].copy())
        if self.num_bytes is not None:
            sizes = self.num_bytes[np.maximum(labels, 0)] * (labels != IGNORED)
            whole = np.rint(sizes.sum(axis=1)).astype(np.int64)  # of means, where they are measured
            batch["num_bytes"] = torch.from_numpy(whole)
        return batch


def consecutive_starts(spans: Sequence[Span], seq_len: int) -> list[int]:
    """Starts of windows whose labels are every token of the spans but the first of each, once."""
    return [start for first, end in spans for start in range(first, end - 1, seq_len)]
