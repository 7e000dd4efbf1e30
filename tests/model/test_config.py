"""What the sizes promise, which are refused, and those of the dense Qwen3 family as published."""

import dataclasses
import math
import subprocess
import sys

import pytest
import torch

from qwen_pl.errors import InputError
from qwen_pl.model.config import (
    ARCHITECTURES,
    Qwen3Config,
    RopeScaling,
    check_architecture,
    named_config,
)
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


YARN = {"factor": 4.0, "original_max_position_embeddings": 64}
ABSURD = [10**12, 10**400, -1, -1.0, 0, math.nan, math.inf, -math.inf, 1e30, "8", "", [], {}, True]


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Qwen3Config)])
@pytest.mark.parametrize("value", [*ABSURD, None], ids=lambda value: repr(value)[:16])
def test_absurd_sizes_are_refused(name: str, value: object) -> None:
    if (name, value) in [("rope_scaling", None), ("tie_word_embeddings", True)]:
        return
    values = dataclasses.asdict(Qwen3Config()) | {name: value}
    with pytest.raises(InputError) as error:
        Qwen3Config.of(values, "some.ckpt")
    assert name in str(error.value) or name == "rope_scaling"
    assert str(error.value).isprintable() and len(str(error.value)) < 200


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(RopeScaling)])
@pytest.mark.parametrize("value", ABSURD, ids=lambda value: repr(value)[:16])
def test_absurd_settings_of_yarn_are_refused(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"{name} is"):
        Qwen3Config(rope_scaling=YARN | {name: value})


@pytest.mark.parametrize("values", [None, [], 5, "x", {"hidden": 5}, {"rope_scaling": {"x": 1}}])
def test_what_names_no_sizes_is_refused(values: object) -> None:
    with pytest.raises(InputError, match=r"some\.ckpt"):
        Qwen3Config.of(values, "some.ckpt")


def test_sizes_that_no_machine_holds_are_refused() -> None:
    with pytest.raises(InputError, match="parameters"):
        Qwen3Config(hidden_size=2**17, intermediate_size=2**19, num_hidden_layers=1000)


def test_the_config_does_not_import_torch() -> None:
    code = "import sys, qwen_pl.model.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The published safetensors hold these many parameters; the model cards round them, and give those
# without embeddings: 0.44, 1.4, 3.6, 6.95, 13.2 and 31.2 billion.
PUBLISHED = {
    "qwen3-0.6b": (596_049_920, 0.44),
    "qwen3-1.7b": (1_720_574_976, 1.4),
    "qwen3-4b": (4_022_468_096, 3.6),
    "qwen3-8b": (8_190_735_360, 6.95),
    "qwen3-14b": (14_768_307_200, 13.2),
    "qwen3-32b": (32_762_123_264, 31.2),
}


def test_the_whole_family_is_known() -> None:
    assert list(ARCHITECTURES) == list(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_network_has_the_parameters_of_its_model_card(name: str) -> None:
    config = named_config(name)
    total, billions_without_embeddings = PUBLISHED[name]
    with torch.device("meta"):
        network = Qwen3ForCausalLM(config)
    assert config.num_parameters() == total
    assert sum(parameter.numel() for parameter in network.parameters()) == total
    matrices = 1 if config.tie_word_embeddings else 2
    body = total - matrices * config.vocab_size * config.hidden_size
    digits = len(str(billions_without_embeddings).split(".")[1])
    assert round(body / 1e9, digits) == billions_without_embeddings


def test_the_smallest_is_our_default() -> None:
    assert named_config("qwen3-0.6b") == Qwen3Config()


@pytest.mark.parametrize("name", ["Qwen3-8B", "Qwen/Qwen3-8B", "QWEN3-8b"])
def test_a_name_may_be_written_as_on_the_hub(name: str) -> None:
    assert named_config(name) is ARCHITECTURES["qwen3-8b"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("qwen3-17b", "did you mean qwen3-1.7b?"),
        ("qwen3_0_6b", "did you mean qwen3-0.6b?"),
        ("gpt", "known are qwen3-0.6b, qwen3-1.7b"),
        ("", "known are"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(InputError) as refused:
        named_config(name)
    assert hint in str(refused.value)


def test_sizes_that_contradict_are_all_named() -> None:
    published = named_config("qwen3-0.6b")
    theirs = dataclasses.replace(published, hidden_size=512, num_hidden_layers=4, vocab_size=99)
    with pytest.raises(InputError) as refused:
        check_architecture(theirs, published, "qwen3-0.6b")
    for words in ("hidden_size is 512, not 1024", "num_hidden_layers is 4, not 28", "qwen3-0.6b"):
        assert words in str(refused.value)
    assert "vocab_size" not in str(refused.value)
    check_architecture(dataclasses.replace(published, vocab_size=99), published, "qwen3-0.6b")
