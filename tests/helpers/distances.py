"""How far tensors lie apart, against their size."""

from collections.abc import Sequence

from torch import Tensor

SUMMED_OTHERWISE = 2e-6
"""What float32 allows: each of some dozens of terms is rounded by 2**-24 of the sum so far."""
ROUNDED_OTHERWISE = 2**-7
"""What bfloat16 allows: a number moves by up to 2**-9 each time that it is rounded."""


def distance(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """The norm of a difference over the norm of what it should be, the largest of all pairs.

    A tolerance of each number by itself would have to let pass whatever is as small as it.
    """
    pairs = list(zip(ours, theirs, strict=True))
    assert all(one.shape == other.shape for one, other in pairs)
    return max(((one - other).norm() / other.norm()).item() for one, other in pairs)
