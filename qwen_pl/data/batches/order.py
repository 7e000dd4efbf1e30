"""The order that windows of training tokens come in, a pure function of seed and position.

It stands apart from ``windows.py``, so that a sample can be looked up without loading PyTorch.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np

from qwen_pl.data.tokens.token_file import Span, TokenFile


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
    """

    spans: tuple[Span, ...]
    seq_len: int
    stride: int
    seed: int

    @property
    def per_epoch(self) -> int:
        """Windows in an epoch, the same in each: what still fits when all are shifted the most."""
        return int(self._ends[-1])

    def start(self, position: int) -> int:
        """The first token of the window that comes at ``position`` (from 0, over all epochs)."""
        return self.starts(range(position, position + 1))[0]

    def starts(self, positions: range) -> list[int]:
        """The first tokens of the windows that come at these positions."""
        found: list[int] = []
        per_epoch = self.per_epoch
        for epoch, own in groupby(positions, key=lambda position: position // per_epoch):
            found += self._shuffled(epoch)[np.array([*own]) % per_epoch].tolist()
        return found

    @cached_property
    def _ends(self) -> np.ndarray:
        """Windows of an epoch up to the end of each span, ``(num_spans,)`` int64."""
        if not self.spans:
            return np.zeros(1, np.int64)
        first, end = np.array(self.spans, dtype=np.int64).T
        spare = end - first - (self.seq_len + 1)  # places that a window may move by
        return np.cumsum(np.where(spare < 0, 0, np.maximum(1, (spare + 1) // self.stride)))

    def _shuffled(self, epoch: int) -> np.ndarray:
        """First token of each window of an epoch, in their order, ``(per_epoch,)`` int64."""
        if epoch in self._last_epoch:
            return self._last_epoch[epoch]
        self._last_epoch.clear()
        random = np.random.Generator(np.random.PCG64([self.seed, epoch]))
        first, end = np.array(self.spans, dtype=np.int64).T
        counts = np.diff(self._ends, prepend=0)
        spare = end - first - (self.seq_len + 1) - (counts - 1) * self.stride
        most = np.clip(np.minimum(spare, self.stride - 1), 0, None)
        firsts = first + random.integers(most + 1)
        # Windows are numbered through all spans; those of a span begin at its own first token.
        offsets = np.repeat(firsts - (self._ends - counts) * self.stride, counts)
        starts = offsets + np.arange(len(offsets)) * self.stride
        self._last_epoch[epoch] = starts[random.permutation(len(starts))]
        return self._last_epoch[epoch]

    @cached_property
    def _last_epoch(self) -> dict[int, np.ndarray]:
        return {}


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
