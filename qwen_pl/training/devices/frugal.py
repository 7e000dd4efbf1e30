"""A feed-forward block that keeps half as much for the backward pass, laid over a network."""

import torch
from torch import Tensor, nn
from torch.nn.modules import module as every_module

from qwen_pl.model.by_hand import Linear, gated_product
from qwen_pl.model.qwen3 import MLP, Qwen3ForCausalLM


def make_frugal(network: Qwen3ForCausalLM) -> None:
    """Lets the feed-forward blocks of a network compute their middle again in backward.

    Blocks are changed where they stand, so that parameters keep their names, and hooks their place.
    """
    for block in network.modules():
        if type(block) is MLP:
            block.__class__ = FrugalMLP


class FrugalMLP(MLP):
    """``down(silu(gate(x)) * up(x))`` in one step, where nothing asks for what is between.

    A hook on ``down_proj`` asks, and so does whatever multiplies in another way (float8, pruning,
    an adapter in its place): then the block computes as it reads. So do compilers, which find out
    by themselves what need not be kept.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(B, T, D)`` to the same shape."""
        is_learning = torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if not is_learning or not _is_plain(self.down_proj):
            return super().forward(x)
        return gated_product(self.gate_proj(x), self.up_proj(x), self.down_proj.weight)


def _is_plain(linear: nn.Module) -> bool:
    """Whether a call of the module is its product and nothing besides."""
    hooks = (
        linear._forward_pre_hooks,
        linear._forward_hooks,
        linear._backward_pre_hooks,
        linear._backward_hooks,
    )
    is_watched = any(hooks) or every_module._has_any_global_hook()
    return type(linear) is Linear and not is_watched
