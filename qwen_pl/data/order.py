"""The order that windows of training tokens come in, a pure function of seed and position.

It stands apart from ``windows.py``, so that a sample can be looked up without loading PyTorch.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from qwen_pl.data.tokens import Span, TokenFile


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
