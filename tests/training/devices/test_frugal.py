"""A frugal feed-forward keeps less, and whoever looks at it sees nothing of that."""

import copy

import pytest
import torch
import torch.nn.functional as F
from distances import ROUNDED_OTHERWISE, SUMMED_OTHERWISE, distance
from small_networks import build
from torch import Tensor
from torch.nn.modules.module import register_module_forward_hook

from qwen_pl.model.qwen3 import MLP, Qwen3ForCausalLM
from qwen_pl.training.devices.layers import make_frugal

KEPT = (2, 7, 56)
"""The shape of what is between the projections."""


@pytest.fixture
def network(device) -> Qwen3ForCausalLM:
    network = build().to(device)
    make_frugal(network)
    return network


@pytest.fixture
def mlp(network: Qwen3ForCausalLM) -> MLP:
    return network.model.layers[1].mlp


def entering(mlp: MLP) -> Tensor:
    return torch.randn(2, 7, 40, device=mlp.down_proj.weight.device, requires_grad=True)


def number_kept(mlp: MLP) -> int:
    """Tensors of the inner width that a pass keeps for backward."""
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.shape) or tensor, lambda tensor: tensor
    ):
        mlp(entering(mlp))
    return kept.count(KEPT) + kept.count((14, 56))  # the product is kept with its rows in a line


@pytest.mark.parametrize("autocast", [False, True])
def test_it_computes_its_middle_again(mlp, autocast) -> None:
    x = entering(mlp)
    with torch.autocast(x.device.type, torch.bfloat16, enabled=autocast):
        assert number_kept(mlp) == 2
        y = mlp(x)
        plain = mlp.down_proj(F.silu(mlp.gate_proj(x)) * mlp.up_proj(x))
    assert torch.equal(y, plain)
    inputs = [x, *mlp.parameters()]
    gradients = torch.autograd.grad(y.float().square().sum(), inputs)
    expected = torch.autograd.grad(plain.float().square().sum(), inputs)
    most = ROUNDED_OTHERWISE if autocast else SUMMED_OTHERWISE
    assert distance(gradients, expected) < most


def test_backward_inside_autocast_gives_the_same_gradients(network, device) -> None:
    input_ids, gradients = torch.randint(0, 97, (2, 9), device=device), []
    for backward_inside in (False, True):
        network.zero_grad()
        with torch.autocast(device.type, torch.bfloat16):
            loss = network(input_ids, input_ids)
            if backward_inside:
                loss.backward()
        if not backward_inside:
            loss.backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


def test_a_network_that_nothing_is_laid_over_keeps_what_autograd_keeps() -> None:
    assert number_kept(build().model.layers[1].mlp) == 4


def test_names_and_weights_stay_and_it_is_laid_over_once(network, device) -> None:
    plain = build().to(device)
    make_frugal(network)
    assert network.state_dict().keys() == plain.state_dict().keys()
    assert [n for n, _ in network.named_parameters()] == [n for n, _ in plain.named_parameters()]
    network.load_state_dict(plain.state_dict())
    input_ids = torch.randint(0, 97, (2, 9), device=device)
    assert torch.equal(network(input_ids), plain(input_ids))
    assert number_kept(copy.deepcopy(network).model.layers[0].mlp) == 2


@pytest.mark.parametrize(
    "kind", ["forward", "forward_pre", "full_backward", "full_backward_pre", "all modules"]
)
def test_a_hook_sees_what_goes_through_and_the_block_is_frugal_again_without_it(mlp, kind) -> None:
    seen = []
    if kind == "all modules":
        hook = register_module_forward_hook(
            lambda module, *given: seen.append(given) if module is mlp.down_proj else None
        )
    else:
        register = getattr(mlp.down_proj, f"register_{kind}_hook")
        hook = register(lambda _, *given: seen.append(given))
    x = entering(mlp)
    y = mlp(x)
    y.sum().backward()
    hook.remove()
    [given] = seen
    first = given[0][0]
    expected = {
        "full_backward": torch.ones(14, 40, device=x.device) @ mlp.down_proj.weight,
        "full_backward_pre": torch.ones(2, 7, 40, device=x.device),
    }.get(kind, F.silu(mlp.gate_proj(x)) * mlp.up_proj(x))
    torch.testing.assert_close(first, expected.view_as(first))
    assert number_kept(mlp) == 2


def test_what_a_hook_changes_is_what_is_learned_from(mlp) -> None:
    mlp.down_proj.register_forward_pre_hook(lambda _, args: (args[0] * 0,))
    mlp(entering(mlp)).sum().backward()
    assert not mlp.down_proj.weight.grad.any()


@pytest.mark.parametrize("setting", [False, True, "selective"])
def test_checkpointed_and_compiled_layers_compute_the_same(network, setting, device) -> None:
    input_ids, gradients = torch.randint(0, 97, (2, 9), device=device), []
    for compiled in (False, True):
        network.zero_grad()
        network.gradient_checkpointing = setting
        if compiled:
            for layer in network.model.layers:
                layer.compile(backend="aot_eager", fullgraph=True, dynamic=False)
        network(input_ids, input_ids).backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    torch.testing.assert_close(*gradients)
