"""The network computes what the published Qwen3 computes."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
import transformers
from distances import distance
from torch.utils.flop_counter import FlopCounterMode

from qwen_pl.errors import InputError
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Attention, Qwen3ForCausalLM, RMSNorm, rotary_angles, rotate
from qwen_pl.training.devices.layers import make_frugal

EMBEDDING = "model.embed_tokens.weight"
TINY = {
    "vocab_size": 97,
    "hidden_size": 40,
    "intermediate_size": 56,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
}

CONFIGS = {
    "tied": TINY,
    "untied": TINY | {"tie_word_embeddings": False, "vocab_size": 113},
    "one key/value head": TINY | {"num_attention_heads": 5, "num_key_value_heads": 1},
    "no groups": TINY | {"num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 14},
    "wide heads": TINY | {"hidden_size": 24, "head_dim": 32, "rope_theta": 500.0},
    "large eps": TINY | {"rms_norm_eps": 0.1, "intermediate_size": 18, "num_hidden_layers": 2},
}


def build(sizes: dict, seed: int = 0) -> Qwen3ForCausalLM:
    torch.manual_seed(seed)
    model = Qwen3ForCausalLM(Qwen3Config(**sizes))
    for name, parameter in model.named_parameters():
        if "norm" in name:  # gains of one would hide a gain that is not applied
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model


def reference_sizes(config: Qwen3Config) -> dict:
    """The same sizes as Transformers takes them."""
    sizes = dict(vars(config))
    sizes["rope_parameters"] = {"rope_type": "default", "rope_theta": sizes.pop("rope_theta")}
    del sizes["rope_scaling"]
    return sizes


def build_reference(model: Qwen3ForCausalLM) -> transformers.Qwen3ForCausalLM:
    """Transformers' network with the same sizes and weights."""
    reference = transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(**reference_sizes(model.config), attn_implementation="eager")
    )
    reference.load_state_dict(model.state_dict())
    return reference.eval().to(model.lm_head.weight.device)


@pytest.fixture
def model(device) -> Qwen3ForCausalLM:
    return build(TINY).to(device)


@pytest.fixture
def input_ids(device) -> torch.Tensor:
    return torch.randint(0, 97, (2, 13), generator=torch.Generator().manual_seed(1)).to(device)


@pytest.fixture
def labels(device) -> torch.Tensor:
    labels = torch.randint(0, 97, (2, 13), generator=torch.Generator().manual_seed(2)).to(device)
    labels[1, 3:6] = -100
    return labels


@pytest.mark.parametrize(
    ("precision", "is_compiled"),
    [("32-true", False), ("bf16-mixed", False), ("bf16-true", False), ("bf16-mixed", True)],
)
def test_loss_and_gradients_are_those_of_float32_on_a_cpu(
    precision, is_compiled, device, input_ids, labels
) -> None:
    sizes = CONFIGS["wide heads"]  # which attention's fast kernels take
    exact = build(sizes)
    expected = exact(input_ids.cpu(), labels.cpu())
    expected.backward()
    model = build(sizes).to(device)
    make_frugal(model)
    if precision == "bf16-true":
        model.bfloat16()
    if is_compiled:
        torch._dynamo.reset()
        backend = "aot_eager" if device.type == "cpu" else "inductor"
        for layer in model.model.layers:
            layer.compile(backend=backend, fullgraph=True, dynamic=False)
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
        loss = model(input_ids, labels)
    loss.backward()
    assert loss.dtype == torch.float32
    most = 2e-5 if precision == "32-true" else 0.05
    assert loss.item() == pytest.approx(expected.item(), rel=most)
    ours = [parameter.grad.float().cpu() for parameter in model.parameters()]
    assert distance(ours, [parameter.grad for parameter in exact.parameters()]) < 4 * most


@pytest.mark.parametrize("sizes", CONFIGS.values(), ids=CONFIGS)
def test_logits_are_those_of_transformers(sizes, input_ids) -> None:
    model = build(sizes).to(input_ids.device)
    with torch.no_grad():
        logits, expected = model(input_ids), build_reference(model)(input_ids).logits
    assert expected.std() > 0.5, "logits this small would agree whatever the network does"
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sizes", CONFIGS.values(), ids=CONFIGS)
def test_gradients_are_those_of_transformers(sizes, input_ids, labels) -> None:
    model = build(sizes).to(input_ids.device)
    reference = build_reference(model)
    model(input_ids, labels).backward()
    logits = reference(input_ids).logits
    F.cross_entropy(logits.flatten(0, 1), labels.flatten()).backward()
    expected = {name: parameter.grad for name, parameter in reference.named_parameters()}
    for name, parameter in model.named_parameters():
        error = (parameter.grad - expected[name]).norm() / expected[name].norm()
        assert error < 1e-4, name


@pytest.mark.parametrize("sizes", CONFIGS.values(), ids=CONFIGS)
def test_parameters_have_the_names_shapes_and_order_of_transformers(sizes) -> None:
    model = build(sizes)
    expected = build_reference(model).state_dict()
    state_dict = model.state_dict()
    assert [(k, v.shape) for k, v in state_dict.items()] == [
        (k, v.shape) for k, v in expected.items()
    ]


def test_logits_of_the_full_shape_are_those_of_transformers() -> None:
    torch.manual_seed(0)
    with torch.device("meta"):
        model = Qwen3ForCausalLM(Qwen3Config())
    model.to_empty(device="cpu").init_weights()
    with torch.device("meta"):
        reference = transformers.Qwen3ForCausalLM(
            transformers.Qwen3Config(**reference_sizes(model.config))
        )
    # The same memory for both; the frequencies of rotary embedding are in no state dict.
    reference.load_state_dict(model.state_dict(), assign=True)
    reference.model.rotary_emb = type(reference.model.rotary_emb)(reference.config)
    input_ids = torch.randint(0, 151_936, (1, 19))
    with torch.no_grad():
        logits, expected = model(input_ids), reference.eval()(input_ids).logits
    assert expected.std() > 0.1
    torch.testing.assert_close(logits, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("sizes", CONFIGS.values(), ids=CONFIGS)
def test_bf16_errs_no_more_than_transformers_in_bf16(sizes, input_ids) -> None:
    model = build(sizes).to(input_ids.device)
    exact, reference = model(input_ids), build_reference(model).bfloat16()
    theirs = (reference(input_ids).logits - exact).norm() / exact.norm()
    ours = (model.bfloat16()(input_ids) - exact).norm() / exact.norm()
    assert 1e-3 < ours < 1.2 * theirs


def test_positions_can_be_given_for_each_row(model, input_ids) -> None:
    position_ids = torch.stack([torch.arange(13) * 2, torch.arange(13) + 5]).to(input_ids.device)
    expected = build_reference(model)(input_ids, position_ids=position_ids).logits
    torch.testing.assert_close(
        model(input_ids, position_ids=position_ids), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("start", [63, 50_000, 1_000_000])
def test_no_position_is_too_far(model, input_ids, start) -> None:
    position_ids = torch.arange(start, start + 13, device=input_ids.device)
    logits = model(input_ids, position_ids=position_ids)
    expected = build_reference(model)(input_ids, position_ids=position_ids.unsqueeze(0)).logits
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)


def test_a_token_never_sees_the_future(model, input_ids) -> None:
    changed = input_ids.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % 97
    torch.testing.assert_close(model(changed)[:, :7], model(input_ids)[:, :7])


def test_a_token_sees_the_whole_past(model, input_ids) -> None:
    changed = input_ids.clone()
    changed[:, 0] = (changed[:, 0] + 1) % 97
    assert (model(changed) != model(input_ids)).any(-1).all()


def test_the_first_loss_is_that_of_guessing(input_ids, labels) -> None:
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(Qwen3Config(**TINY | {"initializer_range": 0.02}))
    model.to(input_ids.device)
    assert model(input_ids, labels).item() == pytest.approx(math.log(97), abs=0.1)


def test_matrices_start_normal_and_gains_at_one() -> None:
    sizes = TINY | {"hidden_size": 120, "initializer_range": 0.05}
    for name, parameter in Qwen3ForCausalLM(Qwen3Config(**sizes)).named_parameters():
        if "norm" in name:
            assert (parameter == 1).all(), name
        else:
            assert parameter.std().item() == pytest.approx(0.05, rel=0.1), name
            assert abs(parameter.mean().item()) < 0.005, name


def test_the_loss_is_that_of_the_logits(model, input_ids, labels) -> None:
    logits = model(input_ids).flatten(0, 1)
    for reduction in ("mean", "sum"):
        torch.testing.assert_close(
            model(input_ids, labels, reduction=reduction),
            F.cross_entropy(logits, labels.flatten(), reduction=reduction),
        )


def test_logits_of_the_last_tokens_can_be_asked_for_alone(model, input_ids) -> None:
    torch.testing.assert_close(model(input_ids, logits_to_keep=3), model(input_ids)[:, -3:])


@pytest.mark.parametrize("setting", [True, 2, "selective"])
def test_gradient_checkpointing_leaves_loss_and_gradients_equal(
    model, input_ids, labels, setting
) -> None:
    recomputing = copy.deepcopy(model)
    recomputing.gradient_checkpointing = setting
    for network in (model, recomputing):
        network(input_ids, labels).backward()
    for expected, parameter in zip(model.parameters(), recomputing.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("setting", "recomputed"), [(False, []), (True, [0, 1, 2]), (2, [1]), ("selective", [0, 1, 2])]
)
def test_gradient_checkpointing_recomputes_the_layers_it_names_only_in_training(
    model, input_ids, setting, recomputed
) -> None:
    calls = []
    for number, layer in enumerate(model.model.layers):
        layer.post_attention_layernorm.register_forward_pre_hook(
            lambda *_, number=number: calls.append(number)
        )
    model.gradient_checkpointing = setting
    model(input_ids, input_ids).backward()
    assert sorted(calls) == sorted([0, 1, 2, *recomputed])
    calls.clear()
    model.eval()(input_ids, input_ids).backward()
    assert calls == [0, 1, 2]


def test_selective_checkpointing_repeats_no_product(model, input_ids) -> None:
    def products(setting: bool | str) -> int:
        model.gradient_checkpointing = setting
        with FlopCounterMode(display=False) as counter:
            model(input_ids, input_ids).backward()
        return counter.get_total_flops()

    assert products("selective") == products(False) < products(True)


def test_bf16_autocast_gives_bf16_logits_and_a_float32_loss(model, input_ids, labels) -> None:
    exact = model(input_ids, labels)
    with torch.autocast(input_ids.device.type, dtype=torch.bfloat16):
        logits, loss = model(input_ids), model(input_ids, labels)
    loss.backward()
    assert logits.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=0.05)
    assert all(p.grad.dtype == torch.float32 and p.grad.any() for p in model.parameters())


def test_backward_inside_autocast_gives_the_same_gradients(model, input_ids, labels) -> None:
    gradients = []
    for backward_inside in (False, True):
        model.zero_grad()
        with torch.autocast(input_ids.device.type, dtype=torch.bfloat16):
            loss = model(input_ids, labels)
            if backward_inside:
                loss.backward()
        if not backward_inside:
            loss.backward()
        gradients.append(model.model.norm.weight.grad)
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


def test_a_network_in_bf16_keeps_its_norms_and_rotations_precise(input_ids) -> None:
    model = build(TINY).to(input_ids.device)
    exact = model(input_ids)
    rounded = model.bfloat16()(input_ids)
    assert rounded.dtype == torch.bfloat16
    assert F.cosine_similarity(rounded.float(), exact, dim=-1).min() > 0.99


def test_a_tied_head_may_be_missing_from_a_state_dict(model, input_ids) -> None:
    weights = model.state_dict()
    del weights["lm_head.weight"]
    other = build(TINY, seed=5).to(input_ids.device)
    other.load_state_dict(weights)
    assert other.lm_head.weight is other.model.embed_tokens.weight
    torch.testing.assert_close(other(input_ids), model(input_ids))


def test_an_untied_head_may_not_be_missing() -> None:
    model = build(CONFIGS["untied"])
    weights = model.state_dict()
    del weights["lm_head.weight"]
    with pytest.raises(RuntimeError, match=r"lm_head\.weight"):
        model.load_state_dict(weights)


def test_a_tied_head_may_be_missing_inside_another_module(model) -> None:
    weights = {f"network.{name}": weight for name, weight in model.state_dict().items()}
    del weights["network.lm_head.weight"]
    torch.nn.ModuleDict({"network": build(TINY, seed=5)}).load_state_dict(weights)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("assign", [True, False])
def test_two_matrices_are_not_loaded_into_one(model, device, strict, assign) -> None:
    settings = {"strict": strict, "assign": assign}
    untied = build(TINY | {"tie_word_embeddings": False}, seed=5).to(device)
    weights = {f"model.{name}": weight for name, weight in untied.state_dict().items()}
    outer, before = torch.nn.ModuleDict({"model": model}), copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match=r"model\.lm_head\.weight differ"):
        outer.load_state_dict(weights, **settings)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    # The same twice is one, whatever its dtype, and also where a run has diverged.
    weights["model.lm_head.weight"] = weights["model.model.embed_tokens.weight"].double()
    for name in ("model.model.embed_tokens.weight", "model.lm_head.weight"):
        weights[name][3] = float("nan")
    outer.load_state_dict(weights, **settings)
    model.load_state_dict({name: before[name] for name in before if name != EMBEDDING})
    assert torch.equal(model.model.embed_tokens.weight, before["lm_head.weight"])


def test_one_matrix_is_loaded_into_two(model, input_ids) -> None:
    untied = build(TINY | {"tie_word_embeddings": False}, seed=5).to(input_ids.device)
    untied.load_state_dict(model.state_dict())
    assert untied.lm_head.weight is not untied.model.embed_tokens.weight
    torch.testing.assert_close(untied(input_ids), model(input_ids))


def test_weights_stay_tied_when_a_network_leaves_the_meta_device(input_ids) -> None:
    with torch.device("meta"):
        model = Qwen3ForCausalLM(Qwen3Config(**TINY))
    model.to_empty(device=input_ids.device)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    model.init_weights()
    assert model(input_ids, input_ids).isfinite()


@pytest.mark.parametrize("setting", [False, True, "selective"])
def test_a_compiled_layer_computes_the_same(model, input_ids, labels, setting) -> None:
    expected = model(input_ids, labels)
    expected.backward()
    gradient = model.model.layers[0].input_layernorm.weight.grad.clone()
    model.zero_grad()
    model.gradient_checkpointing = setting
    for layer in model.model.layers:
        layer.compile(backend="aot_eager", fullgraph=True, dynamic=False)
    loss = model(input_ids, labels)
    loss.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(model.model.layers[0].input_layernorm.weight.grad, gradient)


class TestRMSNorm:
    def test_the_output_has_unit_root_mean_square_whatever_the_scale(self) -> None:
        # Without the root, the output would shrink as the input grows.
        x = torch.randn(3, 5, 40) * torch.tensor([0.1, 1.0, 100.0]).view(3, 1, 1)
        rms = RMSNorm(40, eps=1e-12)(x).square().mean(-1).sqrt()
        torch.testing.assert_close(rms, torch.ones(3, 5))

    def test_its_gradients_are_those_autograd_finds(self) -> None:
        torch.manual_seed(0)
        norm = RMSNorm(7, eps=0.1)
        torch.nn.init.normal_(norm.weight)
        x, grad = torch.randn(2, 3, 5, 7, requires_grad=True), torch.randn(2, 3, 5, 7)
        norm(x).backward(grad)
        x2, weight = x.detach().requires_grad_(), norm.weight.detach().requires_grad_()
        (x2 / (x2.square().mean(-1, keepdim=True) + 0.1).sqrt() * weight).backward(grad)
        torch.testing.assert_close(x.grad, x2.grad)
        torch.testing.assert_close(norm.weight.grad, weight.grad)

    def test_statistics_are_float32_in_bf16(self) -> None:
        x = torch.full((2, 40), 2.0**70, dtype=torch.bfloat16)
        assert RMSNorm(40, eps=1e-6).bfloat16()(x / 2.0**10).eq(1).all()

    def test_other_devices_compute_the_same(self) -> None:
        norm, x = RMSNorm(7, eps=0.1), torch.randn(3, 7)
        compiled = torch.compile(norm, backend="eager")  # takes the path that is not for CPUs
        torch.testing.assert_close(compiled(x), norm(x))


class TestRotaryEmbedding:
    def test_scores_depend_on_the_distance_alone(self) -> None:
        query, key = torch.randn(2, 1, 1, 1, 16)

        def score(m: int, n: int) -> torch.Tensor:
            turned_query = rotate(query, rotary_angles(torch.tensor([m]), 16, 1e4))
            turned_key = rotate(key, rotary_angles(torch.tensor([n]), 16, 1e4))
            return (turned_query * turned_key).sum()

        torch.testing.assert_close(score(9, 4), score(105, 100), rtol=1e-4, atol=1e-4)
        assert not torch.isclose(score(9, 4), score(9, 5), rtol=1e-3)

    def test_logits_stay_when_all_positions_move(self, model, input_ids) -> None:
        moved = model(input_ids, position_ids=torch.arange(50, 63, device=input_ids.device))
        torch.testing.assert_close(moved, model(input_ids), rtol=1e-4, atol=1e-4)

    def test_positions_beyond_the_limit_work(self, model, input_ids) -> None:
        beyond = 3 * model.config.max_position_embeddings
        spread = torch.arange(beyond, beyond + 13, device=input_ids.device)
        moved = model(input_ids, position_ids=spread)
        torch.testing.assert_close(moved, model(input_ids), rtol=1e-3, atol=1e-3)

    def test_a_pair_turns_by_its_position(self) -> None:
        x = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 1, 4)
        turned = rotate(x, rotary_angles(torch.tensor([3]), 4, 100.0)).flatten()
        angles = torch.tensor([3.0, 0.3])  # one radian per token, then 100 ** -0.5
        torch.testing.assert_close(turned, torch.cat([angles.cos(), angles.sin()]))

    def test_lengths_do_not_change(self) -> None:
        x = torch.randn(2, 3, 5, 8)
        turned = rotate(x, rotary_angles(torch.arange(5), 8, 1e6))
        torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))


def test_query_heads_read_the_key_value_head_of_their_group() -> None:
    config = Qwen3Config(**TINY)  # six query heads, two key/value heads
    torch.manual_seed(0)
    attention = Attention(config, layer=0)
    x = torch.randn(1, 4, 40)
    angles = rotary_angles(torch.arange(4), 10, 1e6)
    per_head = []
    attention.o_proj.register_forward_pre_hook(
        lambda _, args: per_head.append(args[0].view(4, 6, 10))
    )
    attention(x, angles)
    with torch.no_grad():
        attention.v_proj.weight[10:] += 1.0  # key/value head 1
    attention(x, angles)
    before, after = per_head
    changed = (before != after).flatten(2).any(-1).any(0)
    assert changed.tolist() == [False] * 3 + [True] * 3
