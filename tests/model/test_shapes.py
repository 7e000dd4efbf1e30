"""A shape in a docstring is a promise: it holds without rows, for one token, and for a vector."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from small_networks import build

from qwen_pl.model.attention import document_mask, document_positions
from qwen_pl.model.by_hand import Linear, gated_product
from qwen_pl.model.cache import KeyValueCache
from qwen_pl.model.loss import cross_entropy, linear_cross_entropy
from qwen_pl.model.qwen3 import RMSNorm, rotary_angles, rotate
from qwen_pl.training.devices.layers import make_frugal

LEADING = [(), (1,), (0,), (3,), (2, 5), (2, 0, 5), (2, 3, 4, 5)]
BATCHES = [*product((0, 1, 2), (0, 1, 7))]


@pytest.mark.parametrize("leading", LEADING, ids=str)
@pytest.mark.parametrize("learns", [True, False], ids=["by hand", "fused"])
def test_the_norm_takes_any_dimensions_before_its_own(leading: tuple, learns: bool) -> None:
    norm = RMSNorm(10, 1e-6)
    torch.nn.init.uniform_(norm.weight)
    x = torch.randn(*leading, 10, requires_grad=learns)
    with torch.set_grad_enabled(learns):
        y = norm(x)
    expected = F.rms_norm(x, (10,), norm.weight, 1e-6)
    torch.testing.assert_close(y, expected)
    assert norm(x.bfloat16()).dtype == torch.bfloat16
    if learns:
        given = torch.randn_like(y)
        got = torch.autograd.grad(y, (x, norm.weight), given)
        wanted = torch.autograd.grad(expected, (x, norm.weight), given)
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("leading", LEADING, ids=str)
def test_a_matrix_and_the_gated_product_take_any_dimensions(leading: tuple) -> None:
    linear = Linear(128, 130)
    x = torch.randn(*leading, 128)
    with torch.no_grad():
        torch.testing.assert_close(linear(x), F.linear(x, linear.weight))
        linear.weight = torch.nn.Parameter(linear.weight.t().contiguous().t())  # not in rows
        torch.testing.assert_close(linear(x), F.linear(x, linear.weight))
    gate, up = (torch.randn(*leading, 128, requires_grad=True) for _ in range(2))
    weights = (gate, up, linear.weight)
    plain, by_hand = F.linear(F.silu(gate) * up, linear.weight), gated_product(*weights)
    torch.testing.assert_close(by_hand, plain)
    given = torch.randn_like(plain)
    got, wanted = (torch.autograd.grad(y, weights, given) for y in (by_hand, plain))
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("shape", BATCHES, ids=str)
@pytest.mark.parametrize("setting", [False, True, "selective"])
@pytest.mark.parametrize("with_documents", [False, True])
def test_the_network_takes_any_batch(shape: tuple, setting: object, with_documents: bool) -> None:
    network = build(num_hidden_layers=2)
    make_frugal(network)
    network.gradient_checkpointing = setting
    ids = torch.randint(0, 97, shape)
    more = {"document_ids": torch.zeros_like(ids)} if with_documents else {}
    assert network(ids, **more).shape == (*shape, 97)
    for keep in (0, 1, 9):
        assert network(ids, logits_to_keep=keep, **more).shape == (
            shape[0],
            min(keep, shape[1]),
            97,
        )
    loss = network(ids, ids, **more)
    loss.backward()
    assert loss.shape == () and loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert (loss == 0) == (not ids.numel())


@pytest.mark.parametrize("shape", BATCHES, ids=str)
def test_masks_positions_and_a_cache_take_any_batch(shape: tuple) -> None:
    ids = torch.zeros(shape, dtype=torch.long)
    assert document_positions(ids).shape == shape
    assert document_mask(ids, in_blocks=False).shape == (shape[0], 1, shape[1], shape[1])
    cos, sin = rotary_angles(ids, 10, 100.0)
    assert cos.shape == sin.shape == (shape[0], 1, shape[1], 10)
    x = torch.randn(shape[0], 3, shape[1], 10)
    assert rotate(x, (cos, sin)).shape == x.shape
    network = build(num_hidden_layers=2).eval()
    with torch.no_grad():
        cache = KeyValueCache(network.config, shape[0], 9)
        assert network(ids, cache=cache).shape == (*shape, 97)
        assert cache.length == (shape[1] if shape[0] else 0)
        assert network(ids[:, :1], cache=cache).shape == (shape[0], min(1, shape[1]), 97)


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("z_loss", [0.0, 0.1])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_both_losses_take_any_number_of_rows(rows: int, z_loss: float, reduction: str) -> None:
    hidden, weight = torch.randn(rows, 6, requires_grad=True), torch.randn(11, 6)
    labels = torch.randint(0, 11, (rows,))
    labels[2:4] = -100
    chunked = linear_cross_entropy(hidden, weight, labels, reduction, 2, z_loss)
    plain = cross_entropy(hidden @ weight.T, labels, reduction, z_loss)
    torch.testing.assert_close(plain, chunked)
    got, wanted = (torch.autograd.grad(loss, hidden)[0] for loss in (plain, chunked))
    torch.testing.assert_close(got, wanted)
