"""A product with a matrix that a CPU's cores read together when there are only a few rows."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOST_ROWS = 4
"""Above this many rows, the usual product is as fast."""

SMALLEST_MATRIX = 2**14
"""Elements; smaller ones are in a cache, where one core reads them as fast."""


class Linear(nn.Linear):
    """``y = x @ weight.T``, without a bias; in writing, twice as fast on a CPU.

    Writing one token is a walk through all the weights, so its time is that of reading memory. For
    a single row BLAS walks alone and for two to four it takes the way of many; a batch of products
    with parts of the matrix reads them in all threads::

        weight (V, D)  ─▶  parts (P, V / P, D)  @  x.T (D, rows)  ─▶  (V, rows)

    It is the same memory: nothing is copied but the rows. ``benchmarks/generation.py`` measures it.

    Source: our own measurements with Intel's MKL; other libraries lose nothing.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(..., in_features)`` to ``(..., out_features)``."""
        if torch.is_grad_enabled() or not self._is_walk(x):
            return F.linear(x, self.weight)
        parts, rows = self._parts(), x.numel() // self.in_features
        # The rows have to come as columns of a row-major matrix: the other way round it is slow.
        columns = x.contiguous().as_strided(
            (parts, self.in_features, rows), (0, 1, self.in_features)
        )
        y = torch.bmm(self.weight.view(parts, -1, self.in_features), columns)  # (P, V / P, rows)
        if rows > 1:
            y = y.view(self.out_features, rows).t().contiguous()
        return y.view(*x.shape[:-1], self.out_features)

    def _is_walk(self, x: Tensor) -> bool:
        weight = self.weight
        return (
            x.device.type == "cpu"
            and 0 < x.numel() <= MOST_ROWS * self.in_features
            and weight.numel() >= SMALLEST_MATRIX
            and x.dtype == weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
        )

    def _parts(self) -> int:
        """As many as there are threads, and at least two, if the matrix can be cut so."""
        parts = max(2, torch.get_num_threads())
        while self.out_features % parts:
            parts -= 1
        return parts
