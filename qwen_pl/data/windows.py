"""Windows of tokens: how they lie on the token file, in which order they come, and how one is cut.

Shape letters: ``B`` windows in a batch, ``T`` tokens in a window (``seq_len``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from qwen_pl.data.tokens import Span, TokenFile

IGNORED = -100  # the label that no loss counts, as in PyTorch and Transformers


@dataclass(frozen=True)
class WindowOrder:
    """An endless, shuffled order of window starts, a pure function of the seed and the position.

    Every epoch shifts all windows by a random offset below ``stride``, so that their borders move,
    and visits them in a new order. The position is all there is to save for an exact resume, and
    the order does not depend on how many processes share it.

    Args:
        spans: Where the training tokens lie; no window crosses a border. Spans shorter than a
            window give none.
        seq_len: Tokens per window; a window also needs the token behind it, its last label.
        stride: Tokens between window starts; ``seq_len`` gives windows that do not overlap.
        seed: Any integer.

    >>> order = WindowOrder(spans=((100, 141), (200, 222)), seq_len=10, stride=10, seed=0)
    >>> order.per_epoch, sorted(order.start(i) for i in range(4))
    (4, [108, 118, 128, 206])
    """

    spans: tuple[Span, ...]
    seq_len: int
    stride: int
    seed: int

    @property
    def per_epoch(self) -> int:
        """Windows in an epoch, the same in each: what still fits when all are shifted the most."""
        return int(_counts(self)[-1])

    def start(self, position: int) -> int:
        """The first token of the window that comes at ``position`` (from 0, over all epochs)."""
        ends = _counts(self)
        epoch, number = divmod(position, int(ends[-1]))
        firsts, permutation = _shuffled(self, epoch)
        window = int(permutation[number])
        span = int(np.searchsorted(ends, window, side="right"))
        in_span = window - (int(ends[span - 1]) if span else 0)
        return int(firsts[span]) + in_span * self.stride


@lru_cache(maxsize=2)
def _counts(order: WindowOrder) -> np.ndarray:
    """Windows of an epoch up to the end of each span, ``(num_spans,)`` int64."""
    first, end = np.array(order.spans, dtype=np.int64).reshape(-1, 2).T
    spare = end - first - (order.seq_len + 1)  # places that a window may move by
    counts = np.where(spare < 0, 0, np.maximum(1, (spare + 1) // order.stride))
    return np.cumsum(counts) if len(counts) else np.zeros(1, np.int64)


@lru_cache(maxsize=1)
def _shuffled(order: WindowOrder, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """First window of each span, ``(num_spans,)`` int64, and the order, ``(per_epoch,)`` int64."""
    random = np.random.Generator(np.random.PCG64([order.seed, epoch]))
    first, end = np.array(order.spans, dtype=np.int64).T
    counts = np.diff(_counts(order), prepend=0)
    spare = end - first - (order.seq_len + 1) - (counts - 1) * order.stride
    most = np.clip(np.minimum(spare, order.stride - 1), 0, None)
    return first + random.integers(most + 1), random.permutation(order.per_epoch)


class TokenWindows(Dataset[dict[str, Tensor]]):
    """Cuts windows out of a token stream; an item is a window, its index the window's first token.

    Each window has ``input_ids`` and ``labels``, the same tokens shifted by one: ``labels[t]``
    is the token that follows ``input_ids[t]``. Where its span ends first, the window is filled with
    zeros and its labels with -100.

    Args:
        tokens: Token ids, ``(num_tokens,)`` of any integer type, possibly a memory map.
        seq_len: Tokens per window.
        spans: Where windows may lie, in order; no token behind a window's span is read, not even
            as a label.
        num_bytes: UTF-8 bytes per id, ``(vocab_size,)``; with it, windows also have ``num_bytes``,
            the bytes that their labels stand for.

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
    ) -> None:
        self.tokens = tokens
        self.seq_len = seq_len
        self.span_ends = np.array([end for _, end in spans], dtype=np.int64)
        self.num_bytes = num_bytes

    def __getstate__(self) -> dict[str, Any]:
        """A worker process that does not share our memory maps the file again."""
        state = self.__dict__.copy()
        if isinstance(self.tokens, np.memmap):
            state["tokens"] = (self.tokens.filename, self.tokens.dtype)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(self.tokens, tuple):
            file, dtype = self.tokens
            self.tokens = np.memmap(file, dtype, mode="r")

    def __getitem__(self, start: int) -> dict[str, Tensor]:
        return {name: batch[0] for name, batch in self.__getitems__([start]).items()}

    def __getitems__(self, starts: Sequence[int]) -> dict[str, Tensor]:
        """Cuts a whole batch at once: ``(B, T)`` int64, and ``num_bytes`` ``(B,)`` int64."""
        cut = np.full((len(starts), self.seq_len + 1), IGNORED, dtype=np.int64)
        span = np.searchsorted(self.span_ends, starts, side="right")
        ends = np.append(self.span_ends, 0)[span].tolist()  # behind the last span is nothing
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            tokens = self.tokens[start : min(start + self.seq_len + 1, end)]
            cut[row, : len(tokens)] = tokens
        labels = cut[:, 1:].copy()
        inputs = np.where(labels == IGNORED, 0, cut[:, :-1])
        batch = {"input_ids": torch.from_numpy(inputs), "labels": torch.from_numpy(labels)}
        if self.num_bytes is not None:
            sizes = self.num_bytes[np.maximum(labels, 0)] * (labels != IGNORED)
            batch["num_bytes"] = torch.from_numpy(sizes.sum(axis=1))
        return batch


def consecutive_starts(spans: Sequence[Span], seq_len: int) -> list[int]:
    """Starts of windows whose labels are every token of the spans but the first of each, once.

    >>> consecutive_starts([(10, 18), (30, 32)], seq_len=3)
    [10, 13, 16, 30]
    """
    return [start for first, end in spans for start in range(first, end - 1, seq_len)]


def with_gaps(tokens: TokenFile, seq_len: int) -> tuple[Span, ...]:
    """The training spans, less ``seq_len`` tokens beside text of the same document held out."""
    end_of_text = tokens.end_of_text
    spans = []
    for first, end in tokens.split("train"):
        if first > 0 and tokens.tokens[first - 1] != end_of_text:
            first += seq_len
        if end < len(tokens.tokens) and tokens.tokens[end - 1] != end_of_text:
            end -= seq_len
        if first < end:
            spans.append((first, end))
    return tuple(spans)
