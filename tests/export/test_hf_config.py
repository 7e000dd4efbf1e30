"""config.json: what Transformers reads from it is what we read, in both directions."""

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from qwen_pl.errors import InputError
from qwen_pl.export.hf_config import TRANSFORMERS_DEFAULTS, config_from_json, config_to_json
from qwen_pl.model.config import Qwen3Config, RopeScaling

SMALL: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "vocab_size": 97,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "max_position_embeddings": 64,
}
PUBLISHED_0_6B: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 1024,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "max_position_embeddings": 40960,
    "max_window_layers": 28,
    "model_type": "qwen3",
    "num_attention_heads": 16,
    "num_hidden_layers": 28,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": None,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.51.0",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
ROPES: list[dict[str, Any]] = [
    {},
    {"rope_theta": 5000},
    {"rope_theta": 5000.0, "rope_scaling": None},
    {"rope_theta": 5000.0, "rope_scaling": {"rope_type": "default"}},
    {"rope_theta": 5000.0, "rope_scaling": YARN},
    {"rope_theta": 5000.0, "rope_scaling": {"type": "yarn", "factor": 2}},
    {"rope_theta": 5000.0, "rope_scaling": YARN | {"beta_fast": 20.0, "beta_slow": 2.0}},
    {"rope_theta": 5000.0, "rope_scaling": YARN | {"attention_factor": 1.5}},
    {"rope_theta": 5000.0, "rope_scaling": YARN | {"mscale": 0.7, "mscale_all_dim": 1.3}},
    {"rope_parameters": {"rope_type": "default", "rope_theta": 7000.0}},
    {"rope_parameters": YARN | {"rope_theta": 7000.0}},
    {"rope_parameters": {"rope_type": "default", "rope_theta": 7000.0}, "rope_theta": 5000.0},
    {"rope_parameters": {"rope_type": "default"}, "rope_theta": 5000.0},
    {"rope_parameters": {"rope_theta": 7000.0}, "rope_scaling": YARN},
]


def rotation_of_transformers(given: dict[str, Any]) -> tuple[torch.Tensor, float]:
    """Turns per token of each pair, and the factor on cosines and sines."""
    from transformers.models.qwen3.modeling_qwen3 import Qwen3RotaryEmbedding

    config = transformers.Qwen3Config.from_dict(json.loads(json.dumps(given)))
    rotary = Qwen3RotaryEmbedding(config)
    return rotary.inv_freq, rotary.attention_scaling


def test_the_published_file_describes_the_published_network() -> None:
    assert config_from_json(PUBLISHED_0_6B) == Qwen3Config()


def test_what_a_file_leaves_out_is_what_transformers_takes() -> None:
    theirs = transformers.Qwen3Config()
    ours = config_from_json({"model_type": "qwen3"})
    for name in TRANSFORMERS_DEFAULTS:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.rope_theta == theirs.rope_parameters["rope_theta"]
    assert ours.rope_scaling is None


@pytest.mark.parametrize("rope", ROPES, ids=str)
def test_rotary_embedding_is_read_as_transformers_reads_it(rope: dict[str, Any]) -> None:
    expected = rotation_of_transformers(SMALL | rope)
    # Ours is written flat, so Transformers tells whether it means the same.
    again = rotation_of_transformers(config_to_json(config_from_json(SMALL | rope)))
    torch.testing.assert_close(again[0], expected[0], rtol=0, atol=0)
    assert again[1] == pytest.approx(expected[1], rel=1e-12)


@pytest.mark.parametrize(
    "config",
    [
        Qwen3Config(),
        Qwen3Config(
            vocab_size=97,
            hidden_size=24,
            intermediate_size=40,
            num_hidden_layers=3,
            num_attention_heads=6,
            num_key_value_heads=2,
            head_dim=10,
            max_position_embeddings=64,
            rms_norm_eps=1e-5,
            rope_theta=5000.0,
            rope_scaling=RopeScaling(4.0, 16, 20.0, 2.0, 1.5),
            tie_word_embeddings=False,
            initializer_range=0.03,
        ),
    ],
    ids=["published", "small"],
)
def test_what_is_written_is_read_again(config: Qwen3Config, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config_to_json(config, dtype="bfloat16", eos_token_id=5)))
    assert config_from_json(file) == config
    assert config_from_json(tmp_path) == config


def test_transformers_reads_what_is_written() -> None:
    ours = dataclasses.replace(config_from_json(SMALL), rms_norm_eps=1e-5, initializer_range=0.03)
    written = config_to_json(ours, dtype="bfloat16", eos_token_id=5, bos_token_id=4, pad_token_id=3)
    theirs = transformers.Qwen3Config.from_dict(json.loads(json.dumps(written)))
    for field in dataclasses.fields(Qwen3Config):
        if field.name not in ("rope_theta", "rope_scaling"):
            assert getattr(theirs, field.name) == getattr(ours, field.name), field.name
    assert theirs.dtype == torch.bfloat16
    assert (theirs.eos_token_id, theirs.bos_token_id, theirs.pad_token_id) == (5, 4, 3)
    assert theirs.architectures == ["Qwen3ForCausalLM"]
    assert set(theirs.layer_types) == {"full_attention"}


def test_what_transformers_writes_is_read(tmp_path: Path) -> None:
    theirs = transformers.Qwen3Config.from_dict(
        SMALL | {"rope_theta": 5000.0, "rope_scaling": YARN}
    )
    theirs.save_pretrained(tmp_path)
    ours = config_from_json(tmp_path)
    assert ours == config_from_json(SMALL | {"rope_theta": 5000.0, "rope_scaling": YARN})


def test_sliding_windows_that_no_layer_uses_are_read() -> None:
    unused = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 3}
    assert config_from_json(SMALL | unused) == config_from_json(SMALL)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"model_type": "qwen3_moe"}, "qwen3_moe"),
        ({"model_type": None}, "null"),
        ({"architectures": ["Qwen3ForSequenceClassification"]}, "Qwen3ForSequenceClassification"),
        ({"attention_bias": True}, "attention_bias"),
        ({"hidden_act": "gelu"}, "gelu"),
        ({"use_sliding_window": True, "max_window_layers": 2}, "sliding"),
        ({"layer_types": ["full_attention", "full_attention", "sliding_attention"]}, "sliding"),
        ({"quantization_config": {"quant_method": "fp8"}}, "quantised"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "llama3"),
        ({"rope_scaling": {"type": "linear", "factor": 8.0}}, "linear"),
        ({"rope_scaling": YARN | {"truncate": False}}, "truncate"),
        ({"rope_scaling": YARN | {"factor": "4"}}, 'factor is "4"'),
        ({"rope_scaling": 4}, "rope_scaling is 4"),
        ({"rope_parameters": {"full_attention": {"rope_theta": 1e4}}}, "layer types"),
        ({"layer_types": 3}, "layer_types is 3"),
        ({"architectures": "Qwen3ForCausalLM"}, "architectures is"),
        ({"partial_rotary_factor": 0.5}, "0.5"),
        ({"rope_theta": "1e6"}, 'rope_theta is "1e6"'),
        ({"hidden_size": "24"}, 'hidden_size is "24"'),
        ({"hidden_size": 24.5}, "hidden_size is 24.5"),
        ({"hidden_size": None}, "hidden_size is null"),
        ({"num_hidden_layers": True}, "num_hidden_layers is true"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings is 1"),
        ({"num_attention_heads": 5}, "num_attention_heads is 5"),
        ({"head_dim": 0}, "head_dim is 0"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_not_computed_is_refused_in_a_line(given: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError) as refused:
        config_from_json(SMALL | given)
    assert named in str(refused.value)
    assert str(refused.value).startswith("config.json: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b"", b"[" * 100_000])
def test_a_file_that_is_no_config_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(InputError, match=r"config\.json"):
        config_from_json(tmp_path)


def test_a_folder_without_a_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config .*config\.json"):
        config_from_json(tmp_path)


def test_reading_a_config_needs_no_pytorch() -> None:
    program = "import sys, qwen_pl.export.hf_config; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


NESTED: Any = []
for _ in range(900):
    NESTED = [NESTED]
VALUES: list[Any] = [10**12, 10**400, -1, -(10**400), 0, 0.0, -0.5, 1e30, 1e308, math.nan, math.inf]
VALUES += [-math.inf, "8", "\x1b[31m\n" * 99, "", True, False, None, [], [[]], ["x"], {}, NESTED]
ROPE = YARN | {"beta_fast": 32.0, "beta_slow": 1.0, "attention_factor": 1.0, "rope_theta": 500.0}
ROPE |= {"truncate": True, "mscale": 0.7, "mscale_all_dim": 1.3, "partial_rotary_factor": 1}
SIZES = [*TRANSFORMERS_DEFAULTS, "rope_theta"]
OTHERS = [
    "model_type",
    "architectures",
    "hidden_act",
    "attention_bias",
    "layer_types",
    "rope_scaling",
]
OTHERS += ["rope_parameters", "use_sliding_window", "sliding_window", "max_window_layers"]
OTHERS += ["original_max_position_embeddings", "partial_rotary_factor", "quantization_config"]


def read(given: dict[str, Any]) -> str | Qwen3Config:
    """The complaint, or the sizes if there is none."""
    try:
        return config_from_json(given)
    except InputError as error:
        message = str(error)
        assert message.isprintable() and len(message) < 300
        return message


@pytest.mark.parametrize("key", [*SIZES, *OTHERS])
def test_any_value_of_any_key_is_read_or_refused_in_a_line(key: str) -> None:
    for value in VALUES:
        made = read(SMALL | {key: value})
        read(SMALL | {"use_sliding_window": True, key: value})
        read(SMALL | {"rope_scaling": {"type": "yarn"}, key: value})
        if key in SIZES and not (value is None and key == "num_key_value_heads"):
            is_bool = key == "tie_word_embeddings" and isinstance(value, bool)
            small_enough = key == "rms_norm_eps" and value is True
            assert is_bool == isinstance(made, Qwen3Config) or small_enough, (key, value, made)


@pytest.mark.parametrize("key", ROPE)
def test_any_value_of_rope_scaling_is_read_or_refused_in_a_line(key: str) -> None:
    for value in VALUES:
        for given in (ROPE | {key: value}, YARN | {key: value}):
            for name in ("rope_scaling", "rope_parameters"):
                made = read(SMALL | {name: given})
                if isinstance(made, Qwen3Config):
                    network_sizes = made.rope_scaling
                    assert network_sizes is None or network_sizes.factor <= 2**20
