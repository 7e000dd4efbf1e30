"""A network as the folder that ``AutoModelForCausalLM.from_pretrained`` and its like read."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from qwen_pl.errors import InputError
from qwen_pl.export.hf_config import config_to_json
from qwen_pl.files import write_text
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

MAX_SHARD_BYTES = 5_000_000_000
"""What Hugging Face's tools put into one file at most, so that a download can be continued."""


def write_hugging_face(
    network: Qwen3ForCausalLM,
    folder: Path,
    *,
    dtype: torch.dtype,
    end_of_text: int,
    sampling: Mapping[str, Any],
    bos_token_id: int | None = None,
    unused_ids: Sequence[int] = (),
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> None:
    """Writes the weights, ``config.json`` and ``generation_config.json``.

    The tokenizer's files and the model card belong into the same folder; others write them.

    Args:
        end_of_text: The id that ends a text, and that padding is made of, as in Qwen's own.
        bos_token_id: What a document has before it in training; by default the end of another.
        unused_ids: Rows of the embedding that no text stands for, which are never to be written.
        sampling: How to write unless asked otherwise: ``temperature``, ``top_k``, ``top_p``.

    Raises:
        InputError: If a weight is no number, or ``dtype`` cannot hold it.
    """
    special = {
        "bos_token_id": end_of_text if bos_token_id is None else bos_token_id,
        "eos_token_id": end_of_text,
        "pad_token_id": end_of_text,
    }
    config = config_to_json(network.config, dtype=dtype_name(dtype), **special)
    _write_json(folder / "config.json", config)
    generation = {**special, "do_sample": True, **sampling}
    if unused_ids:
        generation["suppress_tokens"] = list(unused_ids)
    _write_json(folder / "generation_config.json", generation)
    _write_weights(network, folder, dtype=dtype, max_shard_bytes=max_shard_bytes)


def _write_weights(
    network: Qwen3ForCausalLM, folder: Path, *, dtype: torch.dtype, max_shard_bytes: int
) -> None:
    """Writes ``model.safetensors``, or numbered parts and ``model.safetensors.index.json``.

    Only one part at a time is in memory in another ``dtype`` than the network's. A tied head is
    the embedding and not written again.
    """
    weights = network.state_dict()
    if network.config.tie_word_embeddings:
        del weights["lm_head.weight"]
    shards = list(_shards(weights, dtype.itemsize, max_shard_bytes))
    if len(shards) == 1:
        _write_shard(folder / "model.safetensors", weights, shards[0], dtype)
        return
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _write_shard(folder / file, weights, names, dtype)
        weight_map |= dict.fromkeys(names, file)
    total_size = sum(weight.numel() for weight in weights.values()) * dtype.itemsize
    index = {"metadata": {"total_size": total_size}, "weight_map": weight_map}
    _write_json(folder / "model.safetensors.index.json", index)


def _shards(weights: dict[str, Tensor], itemsize: int, limit: int) -> Iterator[list[str]]:
    """Names in their order, in parts of up to ``limit`` bytes."""
    names: list[str] = []
    size = 0
    for name, weight in weights.items():
        num_bytes = weight.numel() * itemsize
        if names and size + num_bytes > limit:
            yield names
            names, size = [], 0
        names.append(name)
        size += num_bytes
    yield names


def _write_shard(
    file: Path, weights: dict[str, Tensor], names: list[str], dtype: torch.dtype
) -> None:
    shard = {name: _converted(name, weights[name], dtype) for name in names}
    file.touch()
    mode = file.stat().st_mode
    # Without this line in the header, Transformers does not know whose layout it is.
    save_file(shard, file, metadata={"format": "pt"})
    file.chmod(mode)  # safetensors leaves a file that only its owner can read


def _converted(name: str, weight: Tensor, dtype: torch.dtype) -> Tensor:
    converted = weight.to(dtype)
    if converted.isfinite().all():
        return converted.contiguous()
    if not weight.isfinite().all():
        raise InputError(
            f"{name} holds values that are no numbers: training has gone wrong before this "
            "checkpoint, give an earlier one with --ckpt_path FILE"
        )
    raise InputError(
        f"{name} holds {weight.abs().max():,.0f}, more than {dtype_name(dtype)} can: "
        "give --dtype bfloat16 or float32"
    )


def dtype_name(dtype: torch.dtype) -> str:
    """What a dtype is called in configs and on the command line: ``bfloat16``."""
    return str(dtype).removeprefix("torch.")


def _write_json(file: Path, values: Mapping[str, Any]) -> None:
    write_text(file, json.dumps(values, indent=2, ensure_ascii=False) + "\n", flush=False)
