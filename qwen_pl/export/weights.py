"""Weights as safetensors: one file, or several with an index that says what is where."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from qwen_pl.errors import InputError
from qwen_pl.files import write_text
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

MAX_SHARD_BYTES = 5_000_000_000
"""What Hugging Face's tools put into one file at most, so that a download can be continued."""


def write_weights(
    network: Qwen3ForCausalLM,
    folder: Path,
    *,
    dtype: torch.dtype,
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> None:
    """Writes ``model.safetensors``, or numbered parts and ``model.safetensors.index.json``.

    Only one part at a time is in memory in another ``dtype`` than the network's. A tied head is
    the embedding and not written again.

    Raises:
        InputError: If a weight is no number, or is none any more in ``dtype``.
    """
    weights = network.state_dict()
    if network.config.tie_word_embeddings:
        del weights["lm_head.weight"]
    shards = list(_shards(weights, dtype.itemsize, max_shard_bytes))
    if len(shards) == 1:
        _write_shard(folder / "model.safetensors", weights, shards[0], dtype)
        return
    weight_map = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _write_shard(folder / file, weights, names, dtype)
        weight_map |= dict.fromkeys(names, file)
    total_size = sum(weight.numel() for weight in weights.values()) * dtype.itemsize
    index = {"metadata": {"total_size": total_size}, "weight_map": weight_map}
    text = json.dumps(index, indent=2) + "\n"
    write_text(folder / "model.safetensors.index.json", text, flush=False)


def _shards(weights: dict[str, Tensor], itemsize: int, limit: int) -> Iterator[list[str]]:
    """Names in their order, cut where ``limit`` bytes would be exceeded."""
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
    """What a dtype is called in configs and on the command line.

    >>> dtype_name(torch.bfloat16)
    'bfloat16'
    """
    return str(dtype).removeprefix("torch.")
