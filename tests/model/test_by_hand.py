"""What is computed by hand is what the plain formula gives, and so are its gradients."""

import pytest
import torch
import torch.nn.functional as F

from qwen_pl.model import by_hand
from qwen_pl.model.by_hand import MOST_ROWS, SMALLEST_MATRIX, Linear, gated_product, rms_norm


def plain_rms_norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 0.1).sqrt() * weight


def plain_gated_product(gate: torch.Tensor, up: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return (gate / (1 + (-gate).exp()) * up) @ weight.T


BY_HAND = {  # the function, the plain one, and the shapes of what they take
    "rms_norm": (lambda x, weight: rms_norm(x, weight, 0.1), plain_rms_norm, [(2, 3, 7), (7,)]),
    "gated_product": (gated_product, plain_gated_product, [(2, 3, 7), (2, 3, 7), (5, 7)]),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_values_and_gradients_are_those_of_the_plain_formula(name) -> None:
    ours, plain, shapes = BY_HAND[name]
    torch.manual_seed(0)
    inputs = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]
    y, expected = ours(*inputs), plain(*inputs)
    torch.testing.assert_close(y, expected)
    grad = torch.randn_like(y)
    torch.testing.assert_close(
        torch.autograd.grad(y, inputs, grad), torch.autograd.grad(expected, inputs, grad)
    )
    assert torch.autograd.gradcheck(ours, inputs)
    with torch.no_grad():
        torch.testing.assert_close(ours(*inputs), expected)


@pytest.mark.parametrize("name", BY_HAND)
def test_backward_inside_autocast_is_as_precise_as_outside(name) -> None:
    ours, plain, shapes = BY_HAND[name]
    inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
    y = ours(*inputs)
    outside = torch.autograd.grad(y.sum(), inputs, retain_graph=True)
    with torch.autocast("cpu", torch.bfloat16):
        inside = torch.autograd.grad(y.sum(), inputs)
    torch.testing.assert_close(inside, outside, rtol=0, atol=0)
    torch.testing.assert_close(inside, torch.autograd.grad(plain(*inputs).sum(), inputs))


@pytest.mark.parametrize(
    ("name", "kept"), [("rms_norm", [7, 42, 6]), ("gated_product", [42, 42, 35])]
)
def test_no_more_is_kept_for_backward_than_the_formula_asks_for(name, kept) -> None:
    ours, _, shapes = BY_HAND[name]
    inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
    seen = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: seen.append(tensor.numel()), lambda _: None
    ):
        ours(*inputs)
    assert sorted(seen) == sorted(kept)


SIZES = [(512, 258), (300, 1001), (131_073, 1)]  # in, out


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of parts of each product in parts."""
    seen = []
    bmm = torch.bmm
    monkeypatch.setattr(
        by_hand.torch, "bmm", lambda parts, x: seen.append(len(parts)) or bmm(parts, x)
    )
    return seen


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (3, 1), (1, 4), (2, 2)])
def test_a_few_rows_give_what_the_usual_product_gives(products, sizes, shape) -> None:
    torch.manual_seed(0)
    layer = Linear(*sizes)
    x = torch.randn(*shape, sizes[0])
    with torch.no_grad():
        y = layer(x)
    assert len(products) == 1
    assert y.is_contiguous()
    torch.testing.assert_close(y, F.linear(x, layer.weight), rtol=1e-5, atol=1e-5)


def test_rows_that_do_not_lie_together_are_taken(products) -> None:
    layer = Linear(512, 258)
    x = torch.randn(512, 3).t()
    with torch.no_grad():
        torch.testing.assert_close(layer(x), F.linear(x, layer.weight))
    assert products


def test_a_matrix_is_cut_into_as_many_parts_as_threads_where_that_divides(
    products, monkeypatch
) -> None:
    for threads in (1, 3, 4):
        monkeypatch.setattr(by_hand.torch, "get_num_threads", lambda threads=threads: threads)
        with torch.no_grad():
            Linear(512, 258)(torch.randn(1, 512))
    assert products == [2, 3, 3]  # 258 = 2 * 3 * 43


@pytest.mark.parametrize(
    "case", ["training", "many rows", "no row", "small", "bfloat16", "autocast", "meta"]
)
def test_everything_else_is_the_usual_product(products, case) -> None:
    rows = {"many rows": MOST_ROWS + 1, "no row": 0}.get(case, 1)
    size = 16 if case == "small" else 512
    assert 512 * 258 >= SMALLEST_MATRIX > 16 * 258
    dtype = torch.bfloat16 if case == "bfloat16" else torch.float32
    with torch.device("meta" if case == "meta" else "cpu"):
        layer, x = Linear(size, 258).to(dtype), torch.randn(rows, size, dtype=dtype)
    with (
        torch.set_grad_enabled(case == "training"),
        torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"),
    ):
        y = layer(x)
    assert y.shape == (rows, 258)
    assert not products
