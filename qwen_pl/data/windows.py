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

IGNORED = -100  # the label that no loss counts, as in PyTorch and Transformers


@dataclass(frozen=True)
class WindowOrder:
    """An endless, shuffled order of window starts, a pure function of the seed and the position.

    Every epoch shifts all windows by a random offset below ``stride``, so that their borders move,
    and visits them in a new order. The position is all there is to save for an exact resume, and
    the order does not depend on how many processes share it.

    Args:
        first: First token of the training split.
        end: The token behind its last.
        seq_len: Tokens per window; a window also needs the token behind it, its last label.
        stride: Tokens between window starts; ``seq_len`` gives windows that do not overlap.
        seed: Any integer.

    >>> order = WindowOrder(first=100, end=141, seq_len=10, stride=10, seed=0)
    >>> order.per_epoch, sorted(order.start(i) for i in range(3))
    (3, [108, 118, 128])
    """

    first: int
    end: int
    seq_len: int
    stride: int
    seed: int

    @property
    def per_epoch(self) -> int:
        """Windows in an epoch, the same in each: what still fits when all are shifted the most."""
        last_start = self.end - self.first - (self.seq_len + 1)
        return max(1, (last_start - (self.stride - 1)) // self.stride + 1)

    def start(self, position: int) -> int:
        """The first token of the window that comes at ``position`` (from 0, over all epochs)."""
        epoch, number = divmod(position, self.per_epoch)
        offset, permutation = _shuffled(self, epoch)
        return self.first + offset + int(permutation[number]) * self.stride


@lru_cache(maxsize=1)
def _shuffled(order: WindowOrder, epoch: int) -> tuple[int, np.ndarray]:
    """The offset of an epoch's windows and the order in which they come, ``(per_epoch,)`` int64."""
    random = np.random.Generator(np.random.PCG64([order.seed, epoch]))
    reach = order.seq_len + 1 + (order.per_epoch - 1) * order.stride
    spare = order.end - order.first - reach
    offset = int(random.integers(min(spare, order.stride - 1) + 1))
    return offset, random.permutation(order.per_epoch)


class TokenWindows(Dataset[dict[str, Tensor]]):
    """Cuts windows out of a token stream; an item is a window, its index the window's first token.

    Each window has ``input_ids`` and ``labels``, the same tokens shifted by one: ``labels[t]``
    is the token that follows ``input_ids[t]``. Where ``end`` comes first, the window is filled with
    zeros and its labels with -100.

    Args:
        tokens: Token ids, ``(num_tokens,)`` of any integer type, possibly a memory map.
        seq_len: Tokens per window.
        end: No token from here on is read, not even as a label.
        num_bytes: UTF-8 bytes per id, ``(vocab_size,)``; with it, windows also have ``num_bytes``,
            the bytes that their labels stand for.

    >>> windows = TokenWindows(np.arange(8), seq_len=3, end=7)
    >>> windows[2]["input_ids"].tolist(), windows[2]["labels"].tolist()
    ([2, 3, 4], [3, 4, 5])
    >>> windows[5]["input_ids"].tolist(), windows[5]["labels"].tolist()
    ([5, 0, 0], [6, -100, -100])
    """

    def __init__(
        self, tokens: np.ndarray, seq_len: int, *, end: int, num_bytes: np.ndarray | None = None
    ) -> None:
        self.tokens = tokens
        self.seq_len = seq_len
        self.end = end
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
        for row, start in enumerate(starts):
            tokens = self.tokens[start : min(start + self.seq_len + 1, self.end)]
            cut[row, : len(tokens)] = tokens
        labels = cut[:, 1:].copy()
        inputs = np.where(labels == IGNORED, 0, cut[:, :-1])
        batch = {"input_ids": torch.from_numpy(inputs), "labels": torch.from_numpy(labels)}
        if self.num_bytes is not None:
            sizes = self.num_bytes[np.maximum(labels, 0)] * (labels != IGNORED)
            batch["num_bytes"] = torch.from_numpy(sizes.sum(axis=1))
        return batch


def consecutive_starts(first: int, end: int, seq_len: int) -> list[int]:
    """Starts of windows whose labels are every token of ``[first, end)`` but the first, once each.

    >>> consecutive_starts(first=10, end=18, seq_len=3)
    [10, 13, 16]
    """
    return list(range(first, end - 1, seq_len))
