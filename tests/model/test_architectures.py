"""The dense Qwen3 family: names, sizes and counts as published."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from qwen_pl.errors import InputError
from qwen_pl.model.architectures import ARCHITECTURES, check_architecture, named_config
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

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


def test_names_need_no_pytorch() -> None:
    program = "import sys, qwen_pl.model.architectures; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
