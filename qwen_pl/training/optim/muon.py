"""Muon for hidden matrices and AdamW for all else, as one optimizer to whoever holds it."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from qwen_pl.training.devices.sharding import sharded_like, whole

MOMENTUM = 0.95
RMS_OF_ADAMW = 0.2
"""About the root mean square of AdamW's updates, times the learning rate."""
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5


class MuonAndAdamW(Optimizer):
    """Moves matrices by the nearest orthogonal matrix to their averaged gradient.

    For a matrix ``W`` of ``A`` rows and ``B`` columns, with gradient ``G`` and momentum ``M``::

        M ← μ M + (1 - μ) G
        U = orthogonal((1 - μ) G + μ M)                       Nesterov's look ahead
        W ← (1 - lr · weight_decay) W - lr · 0.2 √max(A, B) · U

    The entries of ``U`` have root mean square ``1 / √max(A, B)``. The factor makes that 0.2, which
    is AdamW's, so that one learning rate and one weight decay serve both.

    ``param_groups`` are one of matrices and then AdamW's own, the same dicts, and the state is one,
    so that whoever schedules, clips, scales, saves or restores sees a single optimizer. Moments
    have the dtype of their weights. Of a sharded matrix every process computes the whole update
    and keeps its shard: ``U`` depends on all of ``G``.

    ``torch.optim.Muon`` has the same formula, but rounds to bfloat16 on a CPU too, and gathers each
    sharded matrix fifteen times a step instead of once.

    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/; the factor and the
    decay: Liu et al. 2025, "Muon is scalable for LLM training", https://arxiv.org/abs/2502.16982
    """

    def __init__(
        self,
        matrices: list[tuple[str, nn.Parameter]],
        adamw: AdamW,
        *,
        lr: float,
        weight_decay: float,
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": MOMENTUM}
        super().__init__([{"params": matrices}], defaults)
        self.adamw = adamw
        self.param_groups += adamw.param_groups
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        group = self.param_groups[0]
        for matrix in group["params"]:
            if matrix.grad is not None:
                self._move(matrix, matrix.grad, group)
        self.adamw.step()
        return loss

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._share()  # restoring a state replaces the dicts

    def _move(self, matrix: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> None:
        """Updates one matrix and its momentum, both ``(A, B)``, whole or sharded."""
        state, momentum = self.state[matrix], group["momentum"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        average = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        ahead = gradient.lerp(average, momentum)
        update = sharded_like(orthogonal(whole(ahead)), matrix).to(matrix.dtype)
        matrix.mul_(1 - group["lr"] * group["weight_decay"])
        scale = RMS_OF_ADAMW * math.sqrt(max(matrix.shape))
        matrix.add_(update, alpha=-group["lr"] * scale)

    def _share(self) -> None:
        """Makes AdamW's groups and state those that are seen from outside."""
        self.adamw.param_groups = self.param_groups[1:]
        self.adamw.state = self.state


def orthogonal(matrix: Tensor) -> Tensor:
    """About ``U Vᵀ`` of the singular value decomposition ``U S Vᵀ``, of the same shape ``(A, B)``.

    Each step maps every singular value ``s`` to ``a s + b s³ + c s⁵``. The coefficients bring all
    of them near 1 in five steps, between 0.7 and 1.2, and that is near enough. The result is
    bfloat16 where matrix products are faster so, on accelerators, and float32 on a CPU.

    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/
    """
    a, b, c = NEWTON_SCHULZ
    x = matrix.float() if matrix.device.type == "cpu" else matrix.bfloat16()
    is_tall = x.shape[0] > x.shape[1]
    x = x.T if is_tall else x  # the products below are then the smaller ones
    x = x / x.norm().clamp(min=1e-7)  # no singular value is above 1
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if is_tall else x
