"""YaRN stretches rotary embedding as Transformers does."""

import pytest
import torch
import transformers

from qwen_pl.errors import InputError
from qwen_pl.model.config import Qwen3Config, RopeScaling
from qwen_pl.model.qwen3 import Qwen3ForCausalLM, rotary_angles

SIZES = {
    "vocab_size": 97,
    "hidden_size": 40,
    "intermediate_size": 56,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "tie_word_embeddings": True,
}
SCALINGS = {
    "as published": ({"factor": 4.0, "original_max_position_embeddings": 64}, 16, 1e6),
    "wide heads": ({"factor": 2.5, "original_max_position_embeddings": 4096}, 128, 1e6),
    "other turns": (
        {
            "factor": 8.0,
            "original_max_position_embeddings": 32,
            "beta_fast": 4.0,
            "beta_slow": 0.5,
            "attention_factor": 1.3,
        },
        24,
        500.0,
    ),
    "no pair turns slowly": (
        {"factor": 4.0, "original_max_position_embeddings": 4096, "beta_fast": 1024.0},
        8,
        10.0,
    ),
    "no stretch": ({"factor": 1.0, "original_max_position_embeddings": 64}, 10, 1e4),
}


@pytest.mark.parametrize(("scaling", "head_dim", "theta"), SCALINGS.values(), ids=SCALINGS)
def test_logits_and_gradients_are_those_of_transformers(scaling, head_dim, theta) -> None:
    torch.manual_seed(0)
    config = Qwen3Config(
        **SIZES, head_dim=head_dim, rope_theta=theta, rope_scaling=RopeScaling(**scaling)
    )
    model = Qwen3ForCausalLM(config)
    rope = {"rope_type": "yarn", "rope_theta": theta} | scaling
    reference = transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(**SIZES, head_dim=head_dim, rope_parameters=rope)
    )
    reference.load_state_dict(model.state_dict())
    input_ids = torch.randint(0, 97, (2, 150))  # beyond the original context
    logits, expected = model(input_ids), reference(input_ids).logits
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=2e-5)
    for output in (logits, expected):
        (output * torch.arange(97)).sum().backward()
    for (name, parameter), theirs in zip(
        model.named_parameters(), reference.parameters(), strict=True
    ):
        assert (parameter.grad - theirs.grad).norm() < 1e-4 * theirs.grad.norm(), name


def test_fast_pairs_keep_their_speed_and_slow_ones_lose_the_whole_factor() -> None:
    scaling = RopeScaling(factor=4.0, original_max_position_embeddings=1024, attention_factor=1.0)
    position = torch.tensor([1000])
    plain = rotary_angles(position, 64, 1e6)[1][0, 32:]  # the sines of the 32 pairs
    stretched = rotary_angles(position, 64, 1e6, scaling)[1][0, 32:]
    assert plain[0] == stretched[0]
    assert plain[31].item() > 1e-3
    assert stretched[31].asin() * 4 == pytest.approx(plain[31].asin().item(), rel=1e-4)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("factor", 0.5),
        ("factor", float("nan")),
        ("original_max_position_embeddings", 0),
        ("beta_slow", 0.0),
        ("beta_fast", 0.5),
        ("attention_factor", -1.0),
        ("rope_type", "longrope"),
    ],
)
def test_an_impossible_stretch_is_refused_in_one_line_with_its_value(setting, value) -> None:
    usual = {"factor": 4.0, "original_max_position_embeddings": 64}
    with pytest.raises(InputError) as error:
        RopeScaling(**usual | {setting: value})
    assert setting in str(error.value)
    assert str(value) in str(error.value)


def test_a_plain_dictionary_of_a_checkpoint_becomes_a_scaling() -> None:
    config = Qwen3Config(rope_scaling={"factor": 2.0, "original_max_position_embeddings": 64})
    assert config.rope_scaling == RopeScaling(2.0, 64)
