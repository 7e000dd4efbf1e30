"""What is there for speed alone: the numbers of the plain formulas, with less memory or time.

Gradients are written by hand where autograd keeps more, or walks through memory more often, than
the formula asks for. Compilers find that out by themselves, so it is for eager computing. There is
no gradient of these gradients.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules import module as every_module

MOST_ROWS = 4
"""Above this many rows, the usual product is as fast."""

SMALLEST_MATRIX = 2**14
"""Elements; smaller ones are in a cache, where one core reads them as fast."""


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """``x / sqrt(mean(x²) + eps) * weight``, over the last dimension; shape and dtype of ``x``."""
    is_eager = x.device.type == "cpu" and not torch.compiler.is_compiling()
    if is_eager and torch.is_grad_enabled():
        return _RMSNorm.apply(x, weight, eps)
    return F.rms_norm(x, weight.shape, weight, eps)


def gated_product(gate: Tensor, up: Tensor, weight: Tensor) -> Tensor:
    """``(silu(gate) * up) @ weight.T``: maps twice ``(..., F)`` and ``(D, F)`` to ``(..., D)``."""
    return _GatedProduct.apply(gate, up, weight)


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
            and weight.is_contiguous()
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


def is_plain(linear: nn.Module) -> bool:
    """Whether a call of the module is its product and nothing besides.

    A hook wants to see what goes through, and pruning, a parametrization or an adapter in its place
    multiply in another way: then it has to be called, and may not be computed together with others.
    """
    hooks = (
        linear._forward_pre_hooks,
        linear._forward_hooks,
        linear._backward_pre_hooks,
        linear._backward_hooks,
    )
    is_watched = any(hooks) or every_module._has_any_global_hook()
    return type(linear) is Linear and "forward" not in vars(linear) and not is_watched


class _RMSNorm(torch.autograd.Function):
    """RMSNorm in a third of the passes over memory that autograd would make.

    With ``s = 1 / sqrt(mean(x²) + eps)`` and ``g`` the gradient of the result, that of ``x`` is
    ``s g weight - x s³ mean(g weight x)``. CUDA has a kernel of its own; on a CPU it is done by
    hand.

    Source: the gradient of Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        scale = torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)  # (..., 1)
        ctx.save_for_backward(x, weight, scale)
        return (x * scale).mul_(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight, scale = ctx.saved_tensors
        with torch.autocast("cpu", enabled=False):
            product = grad * x
            weight_grad = scale.flatten() @ product.reshape(-1, len(weight))
            # Through the scale, every element of a row pulls on all others of it.
            pull = (product @ weight).unsqueeze(-1) * scale.pow(3) / -len(weight)
            x_grad = (grad * scale).mul_(weight).addcmul_(x, pull)
        return x_grad, weight_grad, None


class _GatedProduct(torch.autograd.Function):
    """``(silu(gate) * up) @ weight.T`` that keeps two tensors for backward instead of four.

    What is between them is cheap to compute again; a quarter of all activations need not be kept.

    Source: recomputation as in Chen et al. 2016, https://arxiv.org/abs/1604.06174
    """

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up, weight)
        return F.linear(F.silu(gate) * up, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        gate, up, weight = ctx.saved_tensors
        with torch.autocast(grad.device.type, enabled=False):
            activated = F.silu(gate)
            middle = (activated * up).reshape(-1, weight.shape[1])
            weight_grad = grad.reshape(-1, weight.shape[0]).T @ middle
            product_grad = grad @ weight.to(grad.dtype)
            up_grad = activated.mul_(product_grad)
            gate_grad = torch.ops.aten.silu_backward(product_grad.mul_(up), gate)
        return gate_grad, up_grad, weight_grad.to(weight.dtype)
