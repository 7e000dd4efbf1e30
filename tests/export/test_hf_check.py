"""The check of an exported folder: it passes what is right and finds what is not."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from random_network import random_network
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from qwen_pl.any_tokenizer import unused_ids
from qwen_pl.data.tokens.tokenizer import train_tokenizer, write_tokenizer
from qwen_pl.errors import InputError
from qwen_pl.export.hf_check import check_hugging_face, transformers_version
from qwen_pl.export.hugging_face import write_hugging_face
from qwen_pl.qwen_tokenizer import END_OF_TEXT


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(["It is a truth. She's gone, they've 12 pounds.\n"] * 5, vocab_size=290)


@pytest.fixture
def folder(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    write_tokenizer(tokenizer, tmp_path)
    write_hugging_face(random_network(vocab_size=320), tmp_path, **settings(tokenizer))
    return tmp_path


def settings(tokenizer: Tokenizer, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    return {
        "dtype": dtype,
        "end_of_text": tokenizer.token_to_id(END_OF_TEXT),
        "unused_ids": unused_ids(tokenizer, 320),
        "sampling": {"temperature": 0.8},
    }


def differing(folder: Path, tokenizer: Tokenizer, **changes: Any) -> dict[str, str]:
    """What the check says of the folder, where it does not agree with the original."""
    findings = check_hugging_face(
        folder,
        random_network(vocab_size=320),
        tokenizer,
        **{
            "dtype": torch.float32,
            "end_of_text": tokenizer.token_to_id(END_OF_TEXT),
            "texts": ["A passage of its own."],
        }
        | changes,
    )
    return {finding.what: finding.figure for finding in findings if not finding.agrees}


def edit(file: Path, **changes: Any) -> None:
    values = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(values | changes), encoding="utf-8")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_an_untouched_export_agrees(folder: Path, tokenizer: Tokenizer, dtype: torch.dtype) -> None:
    network = random_network(vocab_size=320)
    write_hugging_face(network, folder, **settings(tokenizer, dtype))
    assert differing(folder, tokenizer, dtype=dtype) == {}


def test_a_stretched_context_agrees(folder: Path, tokenizer: Tokenizer) -> None:
    scaling = {"factor": 4.0, "original_max_position_embeddings": 16}
    network = random_network(vocab_size=320, rope_scaling=scaling)
    write_hugging_face(network, folder, **settings(tokenizer))
    assert "logits" in differing(folder, tokenizer)  # another network than without
    end_of_text = tokenizer.token_to_id(END_OF_TEXT)
    findings = check_hugging_face(
        folder, network, tokenizer, dtype=torch.float32, end_of_text=end_of_text
    )
    assert all(finding.agrees for finding in findings)


def test_nothing_is_asked_of_a_network(
    folder: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("the check has gone to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert differing(folder, tokenizer) == {}


def test_one_changed_weight_is_found(folder: Path, tokenizer: Tokenizer) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    name = "model.layers.1.mlp.down_proj.weight"
    changed = weights[name].clone()
    changed[3, 5] *= 1 + 1e-6
    save_file(weights | {name: changed}, file, metadata={"format": "pt"})
    assert name in differing(folder, tokenizer)["weights"]


def test_a_missing_weight_is_named(folder: Path, tokenizer: Tokenizer) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "missing model.norm.weight" in differing(folder, tokenizer)["weights"]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"rope_theta": 10_000.0}, "logits"),
        ({"rms_norm_eps": 1e-6}, "config"),
        ({"max_position_embeddings": 128}, "config"),
        ({"eos_token_id": 3}, "end token"),
        ({"torch_dtype": "bfloat16", "dtype": "bfloat16"}, "weights"),
        ({"num_key_value_heads": 3}, "loading"),
        ({"model_type": "nothing"}, "loading"),
    ],
)
def test_a_changed_config_is_found(
    folder: Path, tokenizer: Tokenizer, changes: dict[str, Any], what: str
) -> None:
    edit(folder / "config.json", **changes)
    assert what in differing(folder, tokenizer)


def test_two_exchanged_tokens_are_found(folder: Path, tokenizer: Tokenizer) -> None:
    values = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = values["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    edit(folder / "tokenizer.json", model=values["model"])
    found = differing(folder, tokenizer)
    assert {"vocabulary", "token ids"} <= found.keys()


def test_a_merge_too_few_is_found(folder: Path, tokenizer: Tokenizer) -> None:
    values = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    values["model"]["merges"].pop(0)
    edit(folder / "tokenizer.json", model=values["model"])
    assert "token ids" in differing(folder, tokenizer)


def test_a_text_that_would_not_end_is_found(folder: Path, tokenizer: Tokenizer) -> None:
    edit(folder / "generation_config.json", eos_token_id=None)
    assert "generation_config.json says None" in differing(folder, tokenizer)["end token"]
    edit(folder / "generation_config.json", eos_token_id=tokenizer.token_to_id(END_OF_TEXT))
    edit(folder / "tokenizer_config.json", eos_token="<|im_end|>")
    says = f"tokenizer_config.json says {tokenizer.token_to_id('<|im_end|>')}"
    assert says in differing(folder, tokenizer)["end token"]


def test_greedy_text_that_is_written_otherwise_is_found(folder: Path, tokenizer: Tokenizer) -> None:
    edit(folder / "generation_config.json", suppress_tokens=list(range(200)))
    assert "greedy text" in differing(folder, tokenizer)


def test_damaged_weights_are_found(folder: Path, tokenizer: Tokenizer) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert "fails" in differing(folder, tokenizer)["loading"]


def test_missing_transformers_are_told_with_the_way_to_get_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(InputError, match=r'pip install "transformers>=5.20,<6", or give --no-ch'):
        transformers_version()
