"""GGUF, the one file that llama.cpp and Ollama take, and the ``Modelfile`` that Ollama asks for."""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from qwen_pl.errors import InputError
from qwen_pl.export.gguf_vocabulary import Vocabulary, gguf_vocabulary
from qwen_pl.files import whole_file
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.model.yarn import attention_factor
from qwen_pl.qwen_tokenizer import END_OF_TEXT
from qwen_pl.terminal import tell

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer

DTYPES = ("f32", "f16", "bf16", "q8_0")
BLOCK = 32
"""Weights that share one scale in q8_0."""
LARGEST = {"F32": 3.4028235e38, "BF16": 3.3895314e38, "F16": 65504.0, "Q8_0": 127 * 65504.0}
"""The largest weight that each type holds."""

# What ``generate`` does when nothing else is asked for, so that both write alike. Ollama's own
# defaults would punish repetition and never stop.
PARAMETERS = {
    "temperature": 0.8,
    "top_k": 50,
    "top_p": 0.95,
    "min_p": 0.0,
    "repeat_penalty": 1.0,
    "num_predict": 128,
}


class GGUFTensor(NamedTuple):
    """One tensor of the file, under llama.cpp's name, such as ``blk.0.attn_q.weight``."""

    name: str
    weight: Tensor
    """The network's own, of any floating dtype."""
    kind: Any
    """What it becomes, a ``gguf.GGMLQuantizationType``."""


def write_gguf(
    network: Qwen3ForCausalLM, tokenizer: "Tokenizer", file: Path, *, dtype: str, name: str
) -> None:
    """Writes a network and its tokenizer as one GGUF file, whole or not at all.

    Matrices are stored in ``dtype``: f32, f16, bf16 or q8_0 (8 bits, with a scale for each 32
    weights of a row); vectors always in float32. Memory holds the network and one tensor more.

    Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

    Raises:
        InputError: If llama.cpp would not compute or cut text as this network and its tokenizer
            do, a weight does not fit the dtype, or the package ``gguf`` is missing.
    """
    gguf = import_gguf()
    tensors = list(gguf_tensors(network, dtype))
    vocabulary = gguf_vocabulary(tokenizer, network.config.vocab_size)
    _say_what_stays(tensors, dtype)
    with whole_file(file) as unfinished:
        # The writer opens the file by its name; it is flushed and renamed when that is closed.
        writer = gguf.GGUFWriter(unfinished.name, "qwen3")
        try:
            _add_sizes(writer, network.config)
            _add_vocabulary(writer, vocabulary)
            _add_tensors(writer, tensors)
            _add_description(writer, name, dtype)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for tensor in tensors:
                writer.write_tensor_data(converted(tensor))
        finally:
            writer.close()


def modelfile_text(gguf_name: str, *, num_ctx: int) -> str:
    """The text of a ``Modelfile`` for a base model, which continues a prompt and does not chat.

    It stands beside the GGUF file; ``num_ctx`` are the tokens of prompt and answer together.

    Source: https://docs.ollama.com/modelfile

    Raises:
        InputError: If there is no room for a token, or the name is more than one line.
    """
    if num_ctx < 1:
        raise InputError(f"num_ctx is {num_ctx}: give 1 token or more")
    if not gguf_name.isprintable():
        raise InputError(f"a Modelfile cannot name {gguf_name!r}: choose a name that can be shown")
    settings = {"num_ctx": num_ctx, **PARAMETERS}
    parameters = "\n".join(f"PARAMETER {name} {value}" for name, value in settings.items())
    return f"""\
# ollama create MODEL -f Modelfile
# ollama run MODEL "It is a truth"

FROM ./{gguf_name}

# A base model has no roles: the prompt goes in as it is, and the model goes on from it. Write é as
# one character (Unicode's NFC, the usual form), as in the training text: Ollama does not see to it.
TEMPLATE \"\"\"{{{{ .Prompt }}}}\"\"\"

{parameters}
PARAMETER stop "{END_OF_TEXT}"
"""


def import_gguf() -> ModuleType:
    """The package ``gguf``, which not everyone needs; an InputError if it is not installed."""
    try:
        import gguf
    except ImportError:
        raise InputError("GGUF needs the package gguf: pip install gguf") from None
    return gguf


def gguf_tensors(network: Qwen3ForCausalLM, dtype: str) -> Iterator[GGUFTensor]:
    """The tensors of the file, in the order of the network; a tied head is left out.

    Queries and keys stay as they are: llama.cpp turns the same pairs of a Qwen3 as this network,
    dimension ``i`` of both halves, unlike those of a Llama.

    Raises:
        InputError: If there is no such dtype.
    """
    if dtype not in DTYPES:
        raise InputError(f"dtype is {dtype}: GGUF is written in {', '.join(DTYPES)}")
    gguf = import_gguf()
    kinds = gguf.GGMLQuantizationType
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, network.config.num_hidden_layers)
    for parameter_name, weight in network.named_parameters():
        if parameter_name == "lm_head.weight" and network.config.tie_word_embeddings:
            continue
        kind = kinds[dtype.upper()]
        if weight.dim() == 1:
            kind = kinds.F32
        elif kind == kinds.Q8_0 and weight.shape[-1] % BLOCK:
            kind = kinds.F16
        yield GGUFTensor(names.get_name(parameter_name, (".weight",)), weight, kind)


def converted(tensor: GGUFTensor) -> "np.ndarray":
    """The weight as the file holds it, bfloat16 as its bits; rounded to the nearest.

    Raises:
        InputError: If a value is not finite, or too large for the type.
    """
    weight = tensor.weight.detach().to("cpu", torch.float32).contiguous()
    low, high = (bound.item() for bound in weight.aminmax())
    if not max(-low, high) <= LARGEST[tensor.kind.name]:
        raise InputError(
            f"{tensor.name} holds weights from {low:g} to {high:g}, which {tensor.kind.name} "
            "cannot hold: give another --dtype, or a checkpoint of a run that did not diverge"
        )
    if tensor.kind.name == "BF16":
        return weight.to(torch.bfloat16).view(torch.int16).numpy()
    return import_gguf().quantize(weight.numpy(), tensor.kind)


def _add_description(writer: Any, name: str, dtype: str) -> None:
    gguf = import_gguf()
    file_type = "ALL_F32" if dtype == "f32" else f"MOSTLY_{dtype.upper()}"
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    writer.add_size_label(gguf.size_label(*writer.get_total_parameter_count()))
    writer.add_file_type(gguf.LlamaFileType[file_type])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_sizes(writer: Any, config: Qwen3Config) -> None:
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_theta)
    if (scaling := config.rope_scaling) is None:
        return
    if (scaling.beta_fast, scaling.beta_slow) != (32, 1):
        raise InputError(
            f"rope_scaling has beta_fast {scaling.beta_fast:g} and beta_slow {scaling.beta_slow:g}:"
            " llama.cpp takes a Qwen3's to be 32 and 1, so this model cannot be written as GGUF"
        )
    writer.add_rope_scaling_type(import_gguf().RopeScalingType.YARN)
    writer.add_rope_scaling_factor(scaling.factor)
    writer.add_rope_scaling_orig_ctx_len(scaling.original_max_position_embeddings)
    if scaling.attention_factor is not None:
        # llama.cpp multiplies this with the default, which it always applies.
        default = 0.1 * math.log(scaling.factor) + 1
        writer.add_rope_scaling_attn_factors(attention_factor(scaling) / default)


def _add_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(vocabulary.merges)
    writer.add_add_bos_token(False)
    # Without one, llama.cpp takes token 11 for the beginning.
    writer.add_bos_token_id(vocabulary.end_id)
    writer.add_eos_token_id(vocabulary.end_id)
    writer.add_eot_token_id(vocabulary.end_id)
    writer.add_pad_token_id(vocabulary.end_id)


def _add_tensors(writer: Any, tensors: list[GGUFTensor]) -> None:
    sizes = import_gguf().GGML_QUANT_SIZES
    for tensor in tensors:
        block, num_bytes = sizes[tensor.kind]
        writer.add_tensor_info(
            tensor.name,
            tuple(tensor.weight.shape),
            None,  # the numpy dtype, which the kind replaces
            tensor.weight.numel() // block * num_bytes,
            raw_dtype=tensor.kind,
        )


def _say_what_stays(tensors: list[GGUFTensor], dtype: str) -> None:
    """Names the matrices whose rows cannot be cut into blocks."""
    rows = [t.weight.shape[-1] for t in tensors if dtype == "q8_0" and t.kind.name == "F16"]
    if rows:
        tell(
            f"{len(rows)} matrices are in f16, not q8_0: their rows of "
            f"{', '.join(map(str, sorted(set(rows))))} are no multiple of {BLOCK}",
            file=sys.stderr,
        )
