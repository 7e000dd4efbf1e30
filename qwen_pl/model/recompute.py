"""What a decoder layer keeps for the backward pass, and what it computes again there."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

GradientCheckpointing = bool | int | Literal["selective"]
"""False or 0 for no layer, True for every one, n for every n-th, or ``selective``."""

Recompute = Literal["nothing", "all", "selective"]
"""``selective`` keeps what products and attention gave and computes again what is cheap."""

aten = torch.ops.aten
KEPT = {
    aten.mm.default,
    aten.addmm.default,
    aten.bmm.default,
    aten._scaled_dot_product_flash_attention_for_cpu.default,
    aten._scaled_dot_product_flash_attention.default,
    aten._scaled_dot_product_efficient_attention.default,
    aten._scaled_dot_product_cudnn_attention.default,
    aten._scaled_dot_product_attention_math.default,
    torch.ops.higher_order.flex_attention,
}
"""Nearly all of a layer's arithmetic; the rest takes little time, and half of the memory."""


def recompute_of(layer: int, setting: GradientCheckpointing) -> Recompute:
    """What the layer of that number, counted from 0, computes again.

    >>> [recompute_of(layer, 3) for layer in range(4)]
    ['nothing', 'nothing', 'all', 'nothing']
    >>> recompute_of(0, True), recompute_of(0, False), recompute_of(0, "selective")
    ('all', 'nothing', 'selective')
    """
    if setting == "selective":
        return "selective"
    every = int(setting)  # True is 1
    return "all" if every and (layer + 1) % every == 0 else "nothing"


def recomputable(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Lets the ``forward`` of a module take ``recompute``, and backward call it again by that.

    It is inside of the module and not around it, so that a compiled layer plans it and a sharded
    one has its weights together.

    Source: Chen et al. 2016, https://arxiv.org/abs/1604.06174; what to keep: Korthikanti et al.
    2022, https://arxiv.org/abs/2205.05198
    """

    @wraps(forward)
    def recomputing(self: nn.Module, *arguments: Any, recompute: Recompute = "nothing") -> Tensor:
        if recompute == "nothing":
            return forward(self, *arguments)
        computing = partial(forward, self)
        if recompute == "all":
            return checkpoint(computing, *arguments, use_reentrant=False)
        contexts = partial(create_selective_checkpoint_contexts, _policy)
        return checkpoint(computing, *arguments, use_reentrant=False, context_fn=contexts)

    return recomputing


def _policy(context: Any, operation: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    is_kept = operation in KEPT
    return CheckpointPolicy.MUST_SAVE if is_kept else CheckpointPolicy.PREFER_RECOMPUTE
