"""Decoder layers that multiply in float8."""

import logging

import pytest
import torch

from qwen_pl.errors import InputError
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.training.devices.layers import check_fp8, compile_layers, multiply_in_fp8
from qwen_pl.training.module import Qwen3Module

SIZES = Qwen3Config(
    vocab_size=89,
    hidden_size=48,
    intermediate_size=80,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=32,
)


@pytest.fixture(autouse=True)
def quiet_torchao() -> None:
    pytest.importorskip("torchao")
    logging.getLogger("torchao").setLevel(logging.ERROR)


def networks() -> tuple[Qwen3ForCausalLM, Qwen3ForCausalLM]:
    torch.manual_seed(0)
    plain, rounded = Qwen3ForCausalLM(SIZES), Qwen3ForCausalLM(SIZES)
    rounded.load_state_dict(plain.state_dict())
    multiply_in_fp8(rounded, emulate=True)
    return plain, rounded


def test_float8_changes_loss_and_gradients_a_little() -> None:
    plain, rounded = networks()
    input_ids = torch.randint(0, SIZES.vocab_size, (3, 7))
    losses = []
    for network in (plain, rounded):
        losses.append(network(input_ids, input_ids.roll(-1, 1)))
        losses[-1].backward()
    assert losses[0] != losses[1]
    torch.testing.assert_close(losses[1], losses[0], rtol=0.01, atol=0)
    for (name, ours), theirs in zip(rounded.named_parameters(), plain.parameters(), strict=True):
        cosine = torch.cosine_similarity(ours.grad.flatten(), theirs.grad.flatten(), dim=0)
        assert cosine > 0.97, name


def test_every_matrix_of_the_layers_multiplies_in_float8_and_the_head_does_not() -> None:
    _, rounded = networks()
    kinds = {name: type(module).__name__ for name, module in rounded.named_modules()}
    in_float8 = {name for name, kind in kinds.items() if kind == "Float8Linear"}
    assert in_float8 == {name for name in kinds if name.endswith("_proj")}
    assert kinds["lm_head"] == "Linear"


def test_parameters_keep_their_names_and_ties() -> None:
    plain, rounded = networks()
    assert rounded.state_dict().keys() == plain.state_dict().keys()
    assert rounded.lm_head.weight is rounded.model.embed_tokens.weight


def test_sizes_that_do_not_fit_are_refused() -> None:
    odd = Qwen3Config(vocab_size=89, hidden_size=24, intermediate_size=40, head_dim=12)
    with pytest.raises(InputError, match="multiples of 16"):
        multiply_in_fp8(Qwen3ForCausalLM(odd), emulate=True)


def test_a_device_that_cannot_is_refused_before_anything_is_built() -> None:
    with pytest.raises(InputError, match="Hopper generation or newer, and this is cpu"):
        Qwen3Module(SIZES, fp8=True).configure_model()


@pytest.mark.gpu
@pytest.mark.parametrize("is_compiled", [False, True])
def test_a_hopper_multiplies_in_float8(is_compiled: bool) -> None:
    device = torch.device("cuda")
    check_fp8(device)
    plain, rounded = networks()
    multiplying = Qwen3ForCausalLM(SIZES)
    multiplying.load_state_dict(plain.state_dict())
    multiply_in_fp8(multiplying)
    multiplying.to(device)
    if is_compiled:
        compile_layers(multiplying, device)
    input_ids = torch.randint(0, SIZES.vocab_size, (3, 7), device=device)
    with torch.autocast("cuda", torch.bfloat16):
        loss = multiplying(input_ids, input_ids)
    loss.backward()
    assert loss.item() == pytest.approx(rounded.cuda()(input_ids, input_ids).item(), rel=0.02)
    assert all(parameter.grad.isfinite().all() for parameter in multiplying.parameters())
