"""Linear layer and cross-entropy in one, by chunks: all logits never exist at once."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from qwen_pl.model.compilers import lacks_to_compile

IGNORE_INDEX = -100
"""A label that asks for no prediction."""

CHUNK_LOGITS = 2**24
"""Logits that exist at once: 64 MB in float32."""

CUDA_CHUNK_LOGITS = 2**29
"""As many on CUDA: a gigabyte in bfloat16. With fewer, its time would go into reading the weights
and adding up their gradients, which each chunk does once."""

COMPILED_FROM = 2**26
"""Logits of a batch from which CUDA compiles what comes between the products. It takes seconds."""


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    labels: Tensor,
    reduction: Literal["mean", "sum"] = "mean",
    chunk_size: int | None = None,
    z_loss: float = 0.0,
) -> Tensor:
    """``cross_entropy(hidden @ weight.T, labels)`` without keeping the logits, a float32 scalar.

    One chunk of rows at a time becomes logits, adds to the loss, turns in place into the gradient
    of the logits and leaves its share of the gradients of ``hidden`` and ``weight``. Backward only
    scales those, so nothing is computed twice: three matrix products, like the plain loss. There
    is no gradient of the gradient.

    Source: Cut Cross-Entropy (Wijmans et al. 2024, https://arxiv.org/abs/2411.09009) and Liger
    Kernel (Hsu et al. 2024, https://arxiv.org/abs/2410.10989).

    Args:
        hidden: ``(N, D)``, one row per prediction.
        weight: ``(V, D)``, one row per token of the vocabulary.
        labels: ``(N,)`` int64; -100 asks for no prediction.
        reduction: ``mean`` over the rows that have a label (0 where none has), or their ``sum``.
        chunk_size: Rows per chunk; by default as many as make ``CHUNK_LOGITS`` logits, on CUDA
            a power of two within ``CUDA_CHUNK_LOGITS``, as what is compiled is for one size.
        z_loss: Weight of ``log(sum(exp(logits)))²``, which is added for each label. It keeps logits
            from drifting away; 1e-4 is usual (Chowdhery et al. 2022,
            https://arxiv.org/abs/2204.02311, section 5).
    """
    device = hidden.device.type
    autocast = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if autocast else hidden.dtype
    if chunk_size is None and device == "cuda":
        chunk_size = 2 ** (max(1, CUDA_CHUNK_LOGITS // weight.shape[0]).bit_length() - 1)
    elif chunk_size is None:
        chunk_size = max(1, CHUNK_LOGITS // weight.shape[0])
    if not torch.is_grad_enabled():
        # Otherwise the function below, which cannot know, would prepare gradients.
        hidden, weight = hidden.detach(), weight.detach()
    with torch.autocast(device, enabled=False):
        loss = _ChunkedLoss.apply(hidden.to(dtype), weight, labels, chunk_size, z_loss)
        if reduction == "mean":
            loss = loss / labels.ne(IGNORE_INDEX).sum().clamp(min=1)
    return loss


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    reduction: Literal["mean", "sum"] = "mean",
    z_loss: float = 0.0,
) -> Tensor:
    """The same of ``(N, V)`` logits that are there already."""
    logits, labelled = logits.float(), labels.ne(IGNORE_INDEX)
    z = logits.logsumexp(-1)  # (N,)
    target = logits.gather(-1, labels.where(labelled, 0).unsqueeze(-1)).squeeze(-1)
    loss = ((z - target + z_loss * z.square()) * labelled).sum()
    return loss / labelled.sum().clamp(min=1) if reduction == "mean" else loss


class _ChunkedLoss(torch.autograd.Function):
    """The sum over rows of ``log(sum(exp(logits))) - logits[label]``, with ``z_loss`` added.

    Its gradient by the logits is ``softmax(logits) - one_hot(label)``. Products are in the dtype of
    ``hidden``, statistics and sums in float32.

    Source: as ``linear_cross_entropy``.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, chunk_size: int, z_loss: float
    ) -> Tensor:
        wants_hidden, wants_weight = ctx.needs_input_grad[:2]
        hidden_grad = torch.empty_like(hidden) if wants_hidden else None
        weight_grad = torch.zeros_like(weight, dtype=torch.float32) if wants_weight else None
        matrix = weight.to(hidden.dtype)
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        # One buffer for all chunks: fresh ones would cost page faults on a CPU.
        buffer = hidden.new_empty(min(chunk_size, len(hidden)), len(matrix))
        compare: Compare = _compare_in_place
        # Products of 16 bits can be added up in float32 while they are computed.
        sums_in_float32 = hidden.is_cuda and hidden.itemsize == 2 and torch.version.hip is None
        is_large = len(hidden) * len(matrix) >= COMPILED_FROM
        if is_large and hidden.is_cuda and lacks_to_compile(hidden.device) is None:
            compare = _compiled_compare()

        for start in range(0, len(hidden), chunk_size):
            rows = slice(start, start + chunk_size)
            chunk = hidden[rows]  # (C, D)
            logits = torch.mm(chunk, matrix.T, out=buffer[: len(chunk)])  # (C, V)
            with_gradient = wants_hidden or wants_weight
            added, logits_grad = compare(logits, labels[rows], z_loss, with_gradient)
            loss += added
            if logits_grad is None:
                continue
            if hidden_grad is not None:
                torch.mm(logits_grad, matrix, out=hidden_grad[rows])
            if weight_grad is not None and hidden.dtype == torch.float32:
                weight_grad.addmm_(logits_grad.T, chunk)
            elif weight_grad is not None and sums_in_float32:
                torch.addmm(
                    weight_grad, logits_grad.T, chunk, out_dtype=torch.float32, out=weight_grad
                )
            elif weight_grad is not None:
                weight_grad += logits_grad.T @ chunk

        if weight_grad is not None:
            weight_grad = weight_grad.to(weight.dtype)
        ctx.save_for_backward(hidden_grad, weight_grad)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, loss_grad: Tensor) -> tuple[Tensor | None, ...]:
        # In place, as the larger one is as big as the embedding; autograd refuses a second call.
        scaled = [None if grad is None else grad.mul_(loss_grad) for grad in ctx.saved_tensors]
        return *scaled, None, None, None


Compare = Callable[[Tensor, Tensor, float, bool], tuple[Tensor, Tensor | None]]
"""The loss of ``(C, V)`` logits with ``(C,)`` labels, summed, and if asked for its gradient by the
logits, in their dtype: softmax minus one-hot, and softmax times 2z from the square; zero where
there is no label."""


def _compare_in_place(
    logits: Tensor, labels: Tensor, z_loss: float, with_gradient: bool
) -> tuple[Tensor, Tensor | None]:
    """A ``Compare`` of few passes, each of which writes where it reads."""
    dtype, labelled = logits.dtype, labels.ne(IGNORE_INDEX).unsqueeze(-1)  # (C, 1)
    target = labels.unsqueeze(-1).where(labelled, 0)  # (C, 1)
    logits = logits.float()
    largest = logits.amax(-1, keepdim=True)
    logits -= largest
    target_logit = logits.gather(-1, target)
    exponentials = logits.exp_()
    total = exponentials.sum(-1, keepdim=True)
    log_total = total.log()
    z = log_total + largest  # (C, 1), log(sum(exp(logits)))
    loss = ((log_total - target_logit + z_loss * z.square()) * labelled).sum()
    if not with_gradient:
        return loss, None
    scaled = exponentials.mul_(labelled * (1 + 2 * z_loss * z) / total)
    return loss, scaled.scatter_add_(-1, target, -labelled.float()).to(dtype)


def _compare(
    logits: Tensor, labels: Tensor, z_loss: float, with_gradient: bool
) -> tuple[Tensor, Tensor | None]:
    """A ``Compare`` as a compiler likes it, which makes two passes of it, the second in place."""
    place, labelled = logits, labels.ne(IGNORE_INDEX).unsqueeze(-1)  # (C, 1)
    target = labels.unsqueeze(-1).where(labelled, 0)  # (C, 1)
    logits = logits.float()
    largest = logits.amax(-1, keepdim=True)
    z = (logits - largest).exp().sum(-1, keepdim=True).log() + largest
    loss = ((z - logits.gather(-1, target) + z_loss * z.square()) * labelled).sum()
    if not with_gradient:
        return loss, None
    is_target = torch.arange(logits.shape[-1], device=logits.device) == target  # (C, V)
    softmax = (logits - z).exp()
    return loss, place.copy_((softmax * (1 + 2 * z_loss * z) - is_target.float()) * labelled)


@lru_cache(maxsize=1)
def _compiled_compare() -> Compare:
    return torch.compile(_compare, dynamic=False)
