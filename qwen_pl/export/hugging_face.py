"""A network as the folder that ``AutoModelForCausalLM.from_pretrained`` and its like read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from qwen_pl.export.hf_config import config_to_json
from qwen_pl.export.weights import MAX_SHARD_BYTES, dtype_name, write_weights
from qwen_pl.files import write_text
from qwen_pl.model.qwen3 import Qwen3ForCausalLM


def write_hugging_face(
    network: Qwen3ForCausalLM,
    folder: Path,
    *,
    dtype: torch.dtype,
    end_of_text: int,
    num_tokens: int,
    sampling: Mapping[str, Any],
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> None:
    """Writes the weights, ``config.json`` and ``generation_config.json``.

    The tokenizer's files and the model card belong into the same folder; others write them.

    Args:
        folder: Is there already.
        end_of_text: The id that ends a text, and that padding is made of, as in Qwen's own.
        num_tokens: Ids of the tokenizer; rows of the embedding above them are padding.
        sampling: How to write unless asked otherwise: ``temperature``, ``top_k``, ``top_p``.

    Raises:
        InputError: If ``dtype`` cannot hold a weight.
    """
    special = {
        "bos_token_id": end_of_text,  # which a document has before it in training
        "eos_token_id": end_of_text,
        "pad_token_id": end_of_text,
    }
    config = config_to_json(network.config, dtype=dtype_name(dtype), **special)
    _write_json(folder / "config.json", config)
    generation = {**special, "do_sample": True, **sampling}
    if padding := list(range(num_tokens, network.config.vocab_size)):
        generation["suppress_tokens"] = padding  # no text stands for them
    _write_json(folder / "generation_config.json", generation)
    write_weights(network, folder, dtype=dtype, max_shard_bytes=max_shard_bytes)


def _write_json(file: Path, values: Mapping[str, Any]) -> None:
    write_text(file, json.dumps(values, indent=2, ensure_ascii=False) + "\n", flush=False)
