"""What the sizes promise, and which sizes are refused."""

import subprocess
import sys

import pytest
import torch

from qwen_pl.errors import InputError
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({}, 596_049_920),
        ({"num_hidden_layers": 20, "vocab_size": 30_000}, 345_339_904),
        ({"tie_word_embeddings": False}, 596_049_920 + 151_936 * 1024),
    ],
)
def test_published_sizes_have_their_published_number_of_parameters(sizes, expected) -> None:
    config = Qwen3Config(**sizes)
    with torch.device("meta"):
        model = Qwen3ForCausalLM(config)
    assert config.num_parameters() == expected
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_parameters_are_counted_right_when_all_sizes_differ() -> None:
    config = Qwen3Config(
        vocab_size=97,
        hidden_size=40,
        intermediate_size=56,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=10,
        tie_word_embeddings=False,
    )
    model = Qwen3ForCausalLM(config)
    assert config.num_parameters() == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("vocab_size", 0),
        ("hidden_size", -8),
        ("num_hidden_layers", 0),
        ("num_key_value_heads", 3),
        ("num_key_value_heads", 0),
        ("head_dim", 7),
        ("max_position_embeddings", 0),
        ("rms_norm_eps", 0.0),
        ("rope_theta", float("nan")),
        ("initializer_range", -0.02),
    ],
)
def test_an_impossible_size_is_refused_in_one_line_with_its_value(setting, value) -> None:
    with pytest.raises(InputError) as error:
        Qwen3Config(**{setting: value})
    message = str(error.value)
    assert setting in message
    assert str(value) in message
    assert "\n" not in message


def test_the_config_does_not_import_torch() -> None:
    code = "import sys, qwen_pl.model.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
