"""The chunked loss is the plain loss, in less memory."""

import math

import pytest
import torch
import torch.nn.functional as F
from distances import ROUNDED_OTHERWISE, SUMMED_OTHERWISE, distance
from torch.utils._python_dispatch import TorchDispatchMode

from qwen_pl.model import loss as loss_module
from qwen_pl.model.loss import (
    CHUNK_LOGITS,
    _compare,
    _compare_in_place,
    _compiled_compare,
    linear_cross_entropy,
)

N, V, D = 23, 61, 12


@pytest.fixture
def problem(device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(N, D, generator=generator).to(device).requires_grad_()
    weight = torch.randn(V, D, generator=generator).to(device).requires_grad_()
    labels = torch.randint(0, V, (N,), generator=generator).to(device)
    labels[4:9] = -100
    return hidden, weight, labels


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("chunk_size", [1, 7, N, 100, None])
def test_loss_and_gradients_are_those_of_cross_entropy(problem, reduction, chunk_size) -> None:
    hidden, weight, labels = problem
    loss = linear_cross_entropy(hidden, weight, labels, reduction, chunk_size)
    expected = F.cross_entropy(hidden @ weight.T, labels, reduction=reduction)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    gradients = torch.autograd.grad(3 * loss, [hidden, weight])
    expected = torch.autograd.grad(3 * expected, [hidden, weight])
    assert distance(gradients, expected) < SUMMED_OTHERWISE


@pytest.mark.parametrize("chunk_size", [7, None])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_z_loss_adds_the_square_of_the_log_of_the_sum(problem, reduction, chunk_size) -> None:
    hidden, weight, labels = problem
    loss = linear_cross_entropy(hidden, weight, labels, reduction, chunk_size, z_loss=0.03)
    logits = hidden @ weight.T
    squares = logits.logsumexp(-1).square()[labels != -100]
    expected = F.cross_entropy(logits, labels, reduction=reduction)
    expected = expected + 0.03 * (squares.mean() if reduction == "mean" else squares.sum())
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    gradients = torch.autograd.grad(3 * loss, [hidden, weight])
    expected = torch.autograd.grad(3 * expected, [hidden, weight])
    assert distance(gradients, expected) < SUMMED_OTHERWISE


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("z_loss", [0.0, 0.03])
def test_what_is_compiled_compares_as_what_is_not(problem, device, dtype, z_loss) -> None:
    hidden, weight, labels = problem
    logits = (hidden @ weight.T).detach().to(dtype)
    compare = _compiled_compare() if device.type == "cuda" else _compare
    (loss, gradient), (expected, theirs) = (
        function(logits.clone(), labels, z_loss, True) for function in (compare, _compare_in_place)
    )
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    assert gradient.dtype == theirs.dtype == dtype
    assert distance([gradient], [theirs]) < (
        SUMMED_OTHERWISE if dtype == torch.float32 else ROUNDED_OTHERWISE
    )
    alone, nothing = compare(logits, labels, z_loss, False)
    torch.testing.assert_close(alone, loss, rtol=1e-6, atol=1e-6)
    assert nothing is None


def test_many_logits_are_compared_by_what_is_compiled(problem, device, monkeypatch) -> None:
    hidden, weight = problem[:2]
    expected = torch.autograd.grad(linear_cross_entropy(*problem), [hidden, weight])
    monkeypatch.setattr(loss_module, "COMPILED_FROM", 1)
    used = []
    compiled = _compiled_compare() if device.type == "cuda" else _compare
    monkeypatch.setattr(
        loss_module, "_compiled_compare", lambda: lambda *a: used.append(1) or compiled(*a)
    )
    gradients = torch.autograd.grad(linear_cross_entropy(*problem, chunk_size=7), [hidden, weight])
    assert len(used) == (4 if device.type == "cuda" else 0)
    assert distance(gradients, expected) < SUMMED_OTHERWISE


def test_huge_logits_neither_overflow_nor_vanish(problem) -> None:
    hidden, weight, labels = problem
    loss = linear_cross_entropy(1e3 * hidden, weight, labels)
    expected = F.cross_entropy(1e3 * hidden @ weight.T, labels)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, [hidden, weight]))


def test_rows_without_a_label_get_no_gradient(problem) -> None:
    hidden, weight, labels = problem
    linear_cross_entropy(hidden, weight, labels).backward()
    assert (hidden.grad[4:9] == 0).all()
    assert hidden.grad[[3, 9]].any()


def test_no_labels_at_all_give_a_loss_of_zero_and_not_nan(problem) -> None:
    hidden, weight, _ = problem
    loss = linear_cross_entropy(hidden, weight, torch.full((N,), -100, device=hidden.device))
    loss.backward()
    assert loss.item() == 0
    assert not hidden.grad.any()
    assert not weight.grad.any()


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_frozen_side_gets_no_gradient_and_the_other_the_same(problem, frozen) -> None:
    inputs, labels = list(problem[:2]), problem[2]
    expected = torch.autograd.grad(linear_cross_entropy(*inputs, labels), inputs[1 - frozen])
    inputs[frozen] = inputs[frozen].detach()
    gradient = torch.autograd.grad(linear_cross_entropy(*inputs, labels), inputs[1 - frozen])
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("chunk_size", [7, N])
def test_bf16_autocast_multiplies_in_bf16_and_sums_in_float32(problem, chunk_size) -> None:
    hidden, weight, labels = problem
    with torch.autocast(hidden.device.type, dtype=torch.bfloat16):
        loss = linear_cross_entropy(hidden, weight, labels, chunk_size=chunk_size)
        expected = F.cross_entropy(F.linear(hidden, weight), labels)
    assert loss.dtype == torch.float32
    # On CUDA another kernel may round a logit to the other side.
    rtol = 1e-6 if hidden.device.type == "cpu" else 1e-3
    torch.testing.assert_close(loss, expected, rtol=rtol, atol=1e-6)
    gradients = torch.autograd.grad(loss, [hidden, weight])
    expected = torch.autograd.grad(expected, [hidden, weight])
    assert distance(gradients, expected) < ROUNDED_OTHERWISE


def test_weights_in_bf16_get_a_gradient_in_bf16(problem) -> None:
    hidden, weight, labels = (tensor.detach() for tensor in problem)
    hidden, weight = (tensor.bfloat16().requires_grad_() for tensor in (hidden, weight))
    loss = linear_cross_entropy(hidden, weight, labels, chunk_size=7)
    loss.backward()
    assert loss.dtype == torch.float32
    assert weight.grad.dtype == hidden.grad.dtype == torch.bfloat16


class LargestTensor(TorchDispatchMode):
    """Remembers the most elements that any operation returned."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.numel = max(self.numel, result.numel())
        return result


class Operations(TorchDispatchMode):
    """Counts the operations by name."""

    def __init__(self) -> None:
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_validation_multiplies_once_and_prepares_no_gradient(problem) -> None:
    with torch.no_grad(), Operations() as operations:
        linear_cross_entropy(*problem, chunk_size=N)
    products = [name for name in operations.names if "mm" in name]
    assert products == ["mm"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_tensor_is_larger_than_the_logits_of_one_chunk(problem, dtype) -> None:
    hidden, weight, labels = problem
    with LargestTensor() as largest:
        loss = linear_cross_entropy(hidden.to(dtype), weight.to(dtype), labels, chunk_size=13)
        loss.backward()
    assert largest.numel == 13 * V < N * V


def test_backward_keeps_nothing_of_the_size_of_the_logits(problem) -> None:
    hidden, weight, labels = problem
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda tensor: tensor):
        linear_cross_entropy(hidden, weight, labels, chunk_size=7)
    assert sum(1 for tensor in saved if tensor is not None) > 0
    assert max(tensor.numel() for tensor in saved if tensor is not None) == V * D < N * V


def test_a_small_problem_is_one_chunk_and_a_large_one_is_not() -> None:
    assert CHUNK_LOGITS // 4096 >= 8 * 256
    assert CHUNK_LOGITS // 151_936 < 8 * 256


def test_a_chunk_has_as_many_rows_as_there_may_be_logits(problem, monkeypatch) -> None:
    rows, mm = [], torch.mm
    is_cuda = problem[0].is_cuda
    monkeypatch.setattr(loss_module, "CHUNK_LOGITS", 7 * V + 3)
    monkeypatch.setattr(loss_module, "CUDA_CHUNK_LOGITS", 7 * V + 3)
    monkeypatch.setattr(
        loss_module.torch, "mm", lambda a, b, **how: rows.append(len(a)) or mm(a, b, **how)
    )
    with torch.no_grad():
        linear_cross_entropy(*problem)
    assert rows == ([4, 4, 4, 4, 4, 3] if is_cuda else [7, 7, 7, 2])


def test_a_second_backward_is_refused_and_not_wrong(problem) -> None:
    hidden, weight, labels = problem
    loss = linear_cross_entropy(hidden, weight, labels, reduction="sum")
    (2 * loss).backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()


def test_equal_logits_cost_the_logarithm_of_the_vocabulary() -> None:
    loss = linear_cross_entropy(torch.zeros(N, D), torch.ones(V, D), torch.arange(N))
    assert loss.item() == pytest.approx(math.log(V))
