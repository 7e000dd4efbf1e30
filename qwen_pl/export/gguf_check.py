"""Reads a GGUF file back and compares it with the network and tokenizer it was written from."""

import unicodedata
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from qwen_pl.export.findings import Finding
from qwen_pl.export.gguf import gguf_tensors, import_gguf
from qwen_pl.export.gguf_vocabulary import NORMAL, UNUSED, normalizes
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.qwen_tokenizer import END_OF_TEXT, QWEN_PATTERN

if TYPE_CHECKING:
    from gguf import GGUFReader
    from llama_cpp import Llama

PROMPTS = (
    "It is a truth universally acknowledged",
    "  In 1813 they'd 27 pounds,\n\n",
    "“Tränen”, sagte er; 真理は правда.",
    "\tdef main():\r\n    return x != 3.14",
    f"The end.{END_OF_TEXT}He couldn't know",
)
LONGEST_PROMPT = 64
NUM_NEW_TOKENS = 24

ROUNDING = {"F32": 0.0, "F16": 2**-11, "BF16": 2**-8, "Q8_0": 0.5 / 127 + 2**-11}
"""How far a weight may be from the network's, as a share of the largest in its tensor."""

TIE = 1e-4
"""Logits this close, as a share of the largest where that is above 1, are as good as equal."""


def check_gguf(
    file: Path,
    network: Qwen3ForCausalLM,
    tokenizer: Tokenizer,
    *,
    dtype: str,
    texts: Sequence[str] = (),
) -> list[Finding]:
    """Compares sizes, every weight, token ids, also of ``texts``, and the end token.

    Where ``llama-cpp-python`` is installed, llama.cpp cuts and continues the texts too. In f32 it
    has to write the same; the other dtypes round, so how much is the same is only told.

    Raises:
        InputError: If the package ``gguf`` is missing.
    """
    gguf = import_gguf()
    try:
        reader = gguf.GGUFReader(file)
    except Exception as error:  # whatever a damaged file makes it raise
        return [Finding("loading", f"fails: {' '.join(str(error).split())}", False)]
    texts = [text for text in (*PROMPTS, *texts) if text]
    findings = [
        _compare_sizes(reader, network.config),
        _compare_weights(reader, network, dtype),
        _compare_tokens(reader, tokenizer, texts),
        _compare_end(reader, tokenizer),
    ]
    if find_spec("llama_cpp") is not None and all(finding.agrees for finding in findings):
        findings += _compare_with_llama_cpp(file, network, tokenizer, texts, exact=dtype == "f32")
    return findings


def _value(reader: "GGUFReader", name: str) -> Any:
    field = reader.get_field(name)
    return None if field is None else field.contents()


def _differing(reader: "GGUFReader", prefix: str, expected: dict[str, Any]) -> str:
    """Names the values that are not those expected; floats are float32 in the file."""
    differing = []
    for name, value in expected.items():
        read = _value(reader, f"{prefix}.{name}")
        if read != (float(np.float32(value)) if isinstance(value, float) else value):
            differing.append(f"{name} is {read} and not {value}")
    return ", ".join(differing)


def _compare_sizes(reader: "GGUFReader", config: Qwen3Config) -> Finding:
    scaling = config.rope_scaling
    sizes = {
        "vocab_size": config.vocab_size,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.key_length": config.head_dim,
        "attention.value_length": config.head_dim,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "rope.dimension_count": config.head_dim,
        "rope.freq_base": config.rope_theta,
        "rope.scaling.type": scaling and scaling.rope_type,
        "rope.scaling.factor": scaling and scaling.factor,
        "rope.scaling.original_context_length": (
            scaling and scaling.original_max_position_embeddings
        ),
    }
    differing = _differing(reader, "qwen3", sizes)
    return Finding("sizes", differing or f"{len(sizes)} equal", not differing)


def _compare_weights(reader: "GGUFReader", network: Qwen3ForCausalLM, dtype: str) -> Finding:
    gguf = import_gguf()
    expected = {tensor.name: tensor for tensor in gguf_tensors(network, dtype)}
    read = {tensor.name: tensor for tensor in reader.tensors}
    if missing := sorted(read.keys() ^ expected.keys()):
        return Finding("weights", f"missing or left over: {', '.join(missing)}", False)
    largest = 0.0
    for name, weight, kind in expected.values():
        tensor = read[name]
        shape = tensor.shape.tolist()[::-1]
        if (shape, tensor.tensor_type) != (list(weight.shape), kind):
            what = f"{name} is {tensor.tensor_type.name} {shape}"
            return Finding("weights", f"{what} and not {kind.name} {list(weight.shape)}", False)
        values = torch.from_numpy(gguf.dequantize(tensor.data, kind).copy())
        weight = weight.detach().to("cpu", torch.float32)
        error = float((values - weight).abs().max() / weight.abs().max().clamp(min=1e-9))
        if not error <= ROUNDING[kind.name]:
            return Finding("weights", f"{name} is off by {error:.1e} of its largest", False)
        largest = max(largest, error)
    what = f"off by at most {largest:.1e} of their largest" if largest else "equal"
    return Finding("weights", f"{len(expected)} tensors {what}", True)


def _compare_tokens(reader: "GGUFReader", tokenizer: Tokenizer, texts: Sequence[str]) -> Finding:
    """The ids of texts and what they decode to, by a tokenizer made of what the file holds."""
    theirs = _tokenizer_in(reader, nfc=normalizes(tokenizer))
    count = 0
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        decoded, read_back = (t.decode(ids, skip_special_tokens=False) for t in (tokenizer, theirs))
        if theirs.encode(text).ids != ids or read_back != decoded:
            return Finding("token ids", f"{text!r} is cut into other tokens", False)
        count += len(ids)
    return Finding("token ids", f"{len(texts)} texts of {count:,} tokens equal", True)


def _tokenizer_in(reader: "GGUFReader", *, nfc: bool) -> Tokenizer:
    """A tokenizer of nothing but what the file holds, and NFC, which it has no place for."""
    tokens = _value(reader, "tokenizer.ggml.tokens")
    types = _value(reader, "tokenizer.ggml.token_type")
    used = {token: index for index, token in enumerate(tokens) if types[index] != UNUSED}
    merges = [tuple(merge.split(" ")) for merge in _value(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(used, [pair for pair in merges if "".join(pair) in used]))
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    added = [token for token, index in used.items() if types[index] != NORMAL]
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in added])
    return tokenizer


def _compare_end(reader: "GGUFReader", tokenizer: Tokenizer) -> Finding:
    end_id = tokenizer.token_to_id(END_OF_TEXT)
    expected = {"eos_token_id": end_id, "eot_token_id": end_id, "add_bos_token": False}
    differing = _differing(reader, "tokenizer.ggml", expected)
    return Finding("end token", differing or f"{END_OF_TEXT} is {end_id}", not differing)


def _compare_with_llama_cpp(
    file: Path,
    network: Qwen3ForCausalLM,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    exact: bool,
) -> list[Finding]:
    """What llama.cpp makes of the texts, and how it goes on from their beginnings.

    As long as each of its tokens is our likeliest, our text is the same.
    """
    room = min(LONGEST_PROMPT + NUM_NEW_TOKENS, network.config.max_position_embeddings)
    try:
        from llama_cpp import GGML_TYPE_F32, Llama

        cache = {"type_k": GGML_TYPE_F32, "type_v": GGML_TYPE_F32}  # as exact as the weights allow
        llama = Llama(str(file), n_ctx=room, n_gpu_layers=0, verbose=False, **cache)
    except (ValueError, ImportError, OSError, RuntimeError) as error:
        return [Finding("llama.cpp", f"fails: {' '.join(str(error).split())}", False)]
    same = total = 0
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        if normalizes(tokenizer):
            text = unicodedata.normalize("NFC", text)
        if llama.tokenize(text.encode(), add_bos=False, special=True) != ids:
            return [Finding("llama.cpp", f"cuts {text!r} into other tokens", False)]
        prompt = ids[: min(LONGEST_PROMPT, room // 2)]
        new = _continued(llama, prompt, room - len(prompt))
        same += _likeliest(network, prompt, new)
        total += len(new)
    figure = f"{same:,} of {total:,} greedy tokens equal after {len(texts)} prompts"
    return [
        Finding("llama.cpp", f"cuts {len(texts)} texts into the same tokens", True),
        Finding("llama.cpp", figure, same == total or not exact),
    ]


def _continued(llama: "Llama", ids: list[int], room: int) -> list[int]:
    """The greedy continuation, up to and with the end token."""
    new: list[int] = []
    for token in islice(llama.generate(ids, temp=0.0), min(NUM_NEW_TOKENS, room)):
        new.append(token)
        if token == llama.token_eos():
            break
    return new


@torch.no_grad()
def _likeliest(network: Qwen3ForCausalLM, prompt: list[int], new: list[int]) -> int:
    """How many of the new tokens are the likeliest to the network, or as good as that."""
    device = network.lm_head.weight.device
    input_ids = torch.tensor([[*prompt, *new[:-1]]], device=device)
    logits = network(input_ids, logits_to_keep=len(new))[0].float()  # (new, V)
    chosen = logits.gather(-1, torch.tensor(new, device=device).unsqueeze(-1)).squeeze(-1)
    tie = TIE * logits.abs().amax().clamp(min=1.0)
    return int((logits.amax(-1) - chosen <= tie).sum())
