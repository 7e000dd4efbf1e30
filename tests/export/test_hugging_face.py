"""The folder for Transformers: what is in it, and that it computes the same there."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from random_network import random_network
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from qwen_pl.errors import InputError
from qwen_pl.export.hugging_face import write_hugging_face
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

NUM_TOKENS = 120  # of the 131 rows
END = 117


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(network: Qwen3ForCausalLM, **settings: object) -> Path:
        defaults = {
            "dtype": torch.float32,
            "end_of_text": END,
            "unused_ids": range(NUM_TOKENS, 131),
            "sampling": {"temperature": 0.7, "top_k": 40, "top_p": 0.9},
        }
        write_hugging_face(network, tmp_path, **defaults | settings)
        return tmp_path

    return write


def stored(folder: Path) -> dict[str, torch.Tensor]:
    weights = {}
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            assert opened.metadata() == {"format": "pt"}
            weights |= {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    return weights


@pytest.mark.parametrize("tied", [True, False])
def test_transformers_computes_the_same_logits(write: Callable[..., Path], tied: bool) -> None:
    network = random_network(tie_word_embeddings=tied)
    theirs = AutoModelForCausalLM.from_pretrained(write(network))
    ids = torch.randint(0, 131, (2, 47))
    with torch.no_grad():
        torch.testing.assert_close(theirs(ids).logits, network(ids), rtol=1e-5, atol=1e-5)
    assert type(theirs).__name__ == "Qwen3ForCausalLM"


def test_a_tied_head_is_not_written_twice(write: Callable[..., Path]) -> None:
    assert "lm_head.weight" not in stored(write(random_network()))
    assert "lm_head.weight" in stored(write(random_network(tie_word_embeddings=False)))


@pytest.mark.parametrize("tied", [True, False])
def test_shards_load_like_one_file(write: Callable[..., Path], tied: bool) -> None:
    network = random_network(tie_word_embeddings=tied)
    folder = write(network, max_shard_bytes=20_000)
    files = sorted(file.name for file in folder.glob("*.safetensors"))
    assert len(files) > 2
    assert files[0] == f"model-00001-of-{len(files):05d}.safetensors"
    assert not (folder / "model.safetensors").exists()

    index = json.loads((folder / "model.safetensors.index.json").read_text())
    weights = stored(folder)
    assert index["weight_map"].keys() == weights.keys()
    assert index["metadata"]["total_size"] == sum(w.nbytes for w in weights.values())
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.randint(0, 131, (1, 33))
    with torch.no_grad():
        torch.testing.assert_close(theirs(ids).logits, network(ids), rtol=1e-5, atol=1e-5)


def test_no_shard_is_larger_than_the_limit_unless_one_tensor_is(
    write: Callable[..., Path],
) -> None:
    folder = write(random_network(), max_shard_bytes=9_000)
    files = sorted(folder.glob("*.safetensors"))
    assert len(files) > 2
    for file in files:
        with safe_open(file, "pt") as opened:
            sizes = [opened.get_tensor(name).nbytes for name in opened.keys()]  # noqa: SIM118
        assert sum(sizes) <= 9_000 or len(sizes) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_are_rounded_to_the_dtype_and_loaded_in_it(
    write: Callable[..., Path], dtype: torch.dtype
) -> None:
    network = random_network()
    before = network.model.norm.weight.clone()
    folder = write(network, dtype=dtype)
    for name, weight in stored(folder).items():
        assert torch.equal(weight, network.state_dict()[name].to(dtype))
    assert AutoModelForCausalLM.from_pretrained(folder, dtype="auto").dtype == dtype
    assert torch.equal(network.model.norm.weight, before)


def test_generate_writes_no_token_that_is_padding(write: Callable[..., Path]) -> None:
    network = random_network(tie_word_embeddings=False)
    prompt = torch.tensor([[3, 1, 4]])
    with torch.no_grad():
        last = network.model(prompt)[0, -1]
        network.lm_head.weight[NUM_TOKENS + 5] = last  # by far the likeliest
        assert int(network(prompt)[0, -1].argmax()) == NUM_TOKENS + 5
    theirs = AutoModelForCausalLM.from_pretrained(write(network))
    ids = theirs.generate(prompt, do_sample=False, max_new_tokens=6)
    assert int(ids.max()) < NUM_TOKENS


def test_the_sampling_of_the_folder_is_what_was_asked_for(write: Callable[..., Path]) -> None:
    generation = AutoModelForCausalLM.from_pretrained(write(random_network())).generation_config
    assert (generation.do_sample, generation.temperature) == (True, 0.7)
    assert (generation.top_k, generation.top_p) == (40, 0.9)
    assert generation.eos_token_id == generation.pad_token_id == END


def test_a_weight_that_float16_cannot_hold_is_named(write: Callable[..., Path]) -> None:
    network = random_network()
    with torch.no_grad():
        network.model.layers[1].mlp.up_proj.weight[2, 3] = -70_000
    write(network, dtype=torch.bfloat16)
    with pytest.raises(InputError, match=r"layers.1.mlp.up_proj.weight holds 70,000, more than"):
        write(network, dtype=torch.float16)


def test_a_network_that_has_diverged_is_not_written(write: Callable[..., Path]) -> None:
    network = random_network()
    with torch.no_grad():
        network.model.layers[2].self_attn.q_norm.weight[0] = float("nan")
    with pytest.raises(InputError, match=r"layers.2.self_attn.q_norm.weight holds values that"):
        write(network)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_others_may_read_what_they_may_read_elsewhere(write: Callable[..., Path]) -> None:
    folder = write(random_network())
    weights, config = folder / "model.safetensors", folder / "config.json"
    assert weights.stat().st_mode == config.stat().st_mode
