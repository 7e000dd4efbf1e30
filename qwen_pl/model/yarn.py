"""YaRN: rotary frequencies for contexts longer than those trained on."""

import math

import torch
from torch import Tensor

from qwen_pl.model.config import RopeScaling


def stretched_frequencies(frequencies: Tensor, theta: float, scaling: RopeScaling) -> Tensor:
    """Slows the pairs that turn slowly, and leaves those alone that tell neighbours apart.

    With ``r`` the turns that a pair makes in the original context::

        turns r      beta_slow              beta_fast
        ─────────────────┼──────────────────────┼───────────────▶
         frequency / factor    a mix of both         frequency

    Positions far away then meet at angles that training has seen, and near ones at the same angles
    as before. The mix is linear in the index of the pair; its ends are whole indices, as in
    Transformers.

    Source: Peng et al. 2023, https://arxiv.org/abs/2309.00071, section 3.2

    Args:
        frequencies: Radians per token of each pair, ``(H / 2,)`` float32, fastest first.
        theta: The base they were made with.

    >>> scaling = RopeScaling(factor=4.0, original_max_position_embeddings=64)
    >>> frequencies = 100.0 ** -(torch.arange(8) / 8)
    >>> frequencies / stretched_frequencies(frequencies, 100.0, scaling)
    tensor([1.0000, 1.1765, 1.4286, 1.8182, 2.5000, 4.0000, 4.0000, 4.0000])
    """
    pairs = len(frequencies)
    context = scaling.original_max_position_embeddings

    def pair_that_turns(times: float) -> float:
        return pairs * math.log(context / (times * 2 * math.pi)) / math.log(theta)

    first = max(math.floor(pair_that_turns(scaling.beta_fast)), 0)
    last = min(math.ceil(pair_that_turns(scaling.beta_slow)), 2 * pairs - 1)
    width = last - first or 0.001
    index = torch.arange(pairs, device=frequencies.device, dtype=torch.float32)
    slowed = ((index - first) / width).clamp(0, 1)  # 0 for the fast pairs, 1 for the slow ones
    return frequencies / scaling.factor * slowed + frequencies * (1 - slowed)


def attention_factor(scaling: RopeScaling) -> float:
    """What queries and keys are multiplied by, so that attention stays as sharp in more tokens.

    Source: Peng et al. 2023, https://arxiv.org/abs/2309.00071, section 3.4
    """
    if scaling.attention_factor is not None:
        return scaling.attention_factor
    return 0.1 * math.log(scaling.factor) + 1.0
