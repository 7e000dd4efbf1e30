import json
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors

from qwen_pl.data.tokens.tokenizer import train_tokenizer
from qwen_pl.errors import InputError
from qwen_pl.export.gguf import DTYPES, write_gguf
from qwen_pl.export.gguf_check import check_gguf
from qwen_pl.export.gguf_vocabulary import gguf_vocabulary
from qwen_pl.model.config import Qwen3Config, RopeScaling
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.qwen_tokenizer import END_OF_TEXT

TEXT = ["“Tränen”, sagte er; 1813 waren's zwölf. Это правда. 真理は 普遍的に。 they'd"] * 5
VOCAB_SIZE, USED = 331, 320
SIZES = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 64,
    "intermediate_size": 40,  # no multiple of 32
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "head_dim": 16,
    "max_position_embeddings": 77,
    "rope_theta": 5678.0,
}
KINDS = gguf.GGMLQuantizationType


@pytest.fixture
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXT, vocab_size=USED)


@pytest.fixture
def network() -> Qwen3ForCausalLM:
    return random_network()


def random_network(**changes: object) -> Qwen3ForCausalLM:
    """A network in which every weight differs from every other, gains too."""
    torch.manual_seed(0)
    network = Qwen3ForCausalLM(Qwen3Config(**SIZES | changes))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return network


def written(
    folder: Path, network: Qwen3ForCausalLM, tokenizer: Tokenizer, dtype: str = "f32"
) -> gguf.GGUFReader:
    write_gguf(network, tokenizer, folder / "it.gguf", dtype=dtype, name="it")
    return gguf.GGUFReader(folder / "it.gguf")


def value(reader: gguf.GGUFReader, name: str) -> object:
    field = reader.get_field(name)
    return None if field is None else field.contents()


def changed(tokenizer: Tokenizer, **parts: object) -> Tokenizer:
    """The tokenizer with other entries in the description of its model."""
    description = json.loads(tokenizer.to_str())
    description["model"] |= parts
    return Tokenizer.from_str(json.dumps(description))


def test_the_sizes_are_the_networks(
    tmp_path: Path, network: Qwen3ForCausalLM, tokenizer: Tokenizer
) -> None:
    reader = written(tmp_path, network, tokenizer)
    assert value(reader, "general.architecture") == "qwen3"
    assert value(reader, "general.name") == "it"
    assert value(reader, "qwen3.block_count") == 2
    assert value(reader, "qwen3.context_length") == 77
    assert value(reader, "qwen3.embedding_length") == 64
    assert value(reader, "qwen3.feed_forward_length") == 40
    assert value(reader, "qwen3.attention.head_count") == 6
    assert value(reader, "qwen3.attention.head_count_kv") == 3
    assert value(reader, "qwen3.attention.key_length") == 16
    assert value(reader, "qwen3.attention.value_length") == 16
    assert value(reader, "qwen3.attention.layer_norm_rms_epsilon") == np.float32(1e-6)
    assert value(reader, "qwen3.rope.freq_base") == 5678.0
    assert value(reader, "qwen3.rope.scaling.type") is None
    assert value(reader, "qwen3.vocab_size") == VOCAB_SIZE


def test_weights_in_f32_are_the_networks(
    tmp_path: Path, network: Qwen3ForCausalLM, tokenizer: Tokenizer
) -> None:
    tensors = {tensor.name: tensor.data for tensor in written(tmp_path, network, tokenizer).tensors}
    assert len(tensors) == 2 + 2 * 11
    layer = network.model.layers[1]
    for name, weight in {
        "token_embd": network.model.embed_tokens.weight,
        "output_norm": network.model.norm.weight,
        "blk.1.attn_norm": layer.input_layernorm.weight,
        "blk.1.attn_q": layer.self_attn.q_proj.weight,
        "blk.1.attn_k": layer.self_attn.k_proj.weight,
        "blk.1.attn_v": layer.self_attn.v_proj.weight,
        "blk.1.attn_output": layer.self_attn.o_proj.weight,
        "blk.1.attn_q_norm": layer.self_attn.q_norm.weight,
        "blk.1.attn_k_norm": layer.self_attn.k_norm.weight,
        "blk.1.ffn_norm": layer.post_attention_layernorm.weight,
        "blk.1.ffn_gate": layer.mlp.gate_proj.weight,
        "blk.1.ffn_up": layer.mlp.up_proj.weight,
        "blk.1.ffn_down": layer.mlp.down_proj.weight,
    }.items():
        np.testing.assert_array_equal(tensors[f"{name}.weight"], weight.detach().numpy())


@pytest.mark.parametrize(
    ("dtype", "file_type", "kind", "bound"),
    [
        ("f16", 1, KINDS.F16, 2**-11),
        ("bf16", 32, KINDS.BF16, 2**-8),
        ("q8_0", 7, KINDS.Q8_0, 0.5 / 127 + 2**-11),
    ],
)
def test_matrices_are_rounded_and_vectors_are_not(
    dtype: str,
    file_type: int,
    kind: gguf.GGMLQuantizationType,
    bound: float,
    tmp_path: Path,
    network: Qwen3ForCausalLM,
    tokenizer: Tokenizer,
) -> None:
    reader = written(tmp_path, network, tokenizer, dtype)
    assert value(reader, "general.file_type") == file_type
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    assert tensors["blk.0.attn_q.weight"].tensor_type == kind
    assert all(
        (tensor.tensor_type == KINDS.F32) == ("norm" in name) for name, tensor in tensors.items()
    )
    q_proj = tensors["blk.0.attn_q.weight"]
    read = gguf.dequantize(q_proj.data, q_proj.tensor_type)
    weight = network.model.layers[0].self_attn.q_proj.weight.detach().numpy()
    assert 0 < np.abs(read - weight).max() <= bound * np.abs(weight).max()


def test_rows_that_q8_0_cannot_cut_into_blocks_are_f16_and_named(
    tmp_path: Path,
    network: Qwen3ForCausalLM,
    tokenizer: Tokenizer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reader = written(tmp_path, network, tokenizer, "q8_0")
    kinds = {tensor.name: tensor.tensor_type for tensor in reader.tensors}
    assert kinds["blk.1.ffn_down.weight"] == KINDS.F16
    assert "2 matrices are in f16, not q8_0: their rows of 40" in capsys.readouterr().err


def test_an_untied_head_is_written_and_a_tied_one_is_not(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    untied = random_network(tie_word_embeddings=False)
    tensors = {tensor.name: tensor.data for tensor in written(tmp_path, untied, tokenizer).tensors}
    np.testing.assert_array_equal(tensors["output.weight"], untied.lm_head.weight.detach().numpy())
    tied = written(tmp_path, random_network(), tokenizer)
    assert "output.weight" not in {tensor.name for tensor in tied.tensors}


def test_a_network_in_bfloat16_is_written_exactly(
    tmp_path: Path, network: Qwen3ForCausalLM, tokenizer: Tokenizer
) -> None:
    network.to(torch.bfloat16)
    for dtype in ("f32", "bf16"):
        [embedding] = [
            tensor
            for tensor in written(tmp_path, network, tokenizer, dtype).tensors
            if tensor.name == "token_embd.weight"
        ]
        read = gguf.dequantize(embedding.data, embedding.tensor_type)
        np.testing.assert_array_equal(read, network.lm_head.weight.detach().float().numpy())


def test_yarn_is_written(tmp_path: Path, tokenizer: Tokenizer) -> None:
    scaling = RopeScaling(factor=4.0, original_max_position_embeddings=19, attention_factor=1.7)
    reader = written(tmp_path, random_network(rope_scaling=scaling), tokenizer)
    assert value(reader, "qwen3.rope.scaling.type") == "yarn"
    assert value(reader, "qwen3.rope.scaling.factor") == 4.0
    assert value(reader, "qwen3.rope.scaling.original_context_length") == 19
    # llama.cpp multiplies it with 0.1 ln(4) + 1.
    assert value(reader, "qwen3.rope.scaling.attn_factor") == pytest.approx(1.7 / 1.138629)


def test_yarn_that_llama_cpp_would_compute_otherwise_is_refused(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    scaling = RopeScaling(factor=4.0, original_max_position_embeddings=19, beta_fast=20.0)
    with pytest.raises(InputError, match="beta_fast 20"):
        written(tmp_path, random_network(rope_scaling=scaling), tokenizer)
    assert not list(tmp_path.iterdir())


def test_the_tokens_are_in_the_order_of_ids_one_for_each_row(
    tmp_path: Path, network: Qwen3ForCausalLM, tokenizer: Tokenizer
) -> None:
    tokenizer.add_tokens([AddedToken("<think>", normalized=False), "<|fim_prefix|>"])
    reader = written(tmp_path, network, tokenizer)
    tokens = value(reader, "tokenizer.ggml.tokens")
    types = value(reader, "tokenizer.ggml.token_type")
    assert tokens[: USED + 2] == [tokenizer.id_to_token(i) for i in range(USED + 2)]
    assert tokens[USED + 2 :] == [f"[PAD{i}]" for i in range(USED + 2, VOCAB_SIZE)]
    normal, control = [1] * (USED - 3), [3] * 3
    assert types == [*normal, *control, 4, 3, *[5] * (VOCAB_SIZE - USED - 2)]


def test_the_file_says_how_text_is_cut_and_where_it_ends(
    tmp_path: Path, network: Qwen3ForCausalLM, tokenizer: Tokenizer
) -> None:
    reader = written(tmp_path, network, tokenizer)
    assert value(reader, "tokenizer.ggml.model") == "gpt2"
    assert value(reader, "tokenizer.ggml.pre") == "qwen2"
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    assert value(reader, "tokenizer.ggml.merges") == [" ".join(pair) for pair in merges]
    end = tokenizer.token_to_id(END_OF_TEXT)
    for name in ("eos", "eot", "bos", "padding"):
        assert value(reader, f"tokenizer.ggml.{name}_token_id") == end
    assert value(reader, "tokenizer.ggml.add_bos_token") is False
    assert value(reader, "tokenizer.chat_template") is None


def test_merges_may_be_strings(tokenizer: Tokenizer) -> None:
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    old_form = changed(tokenizer, merges=[" ".join(pair) for pair in merges])
    assert gguf_vocabulary(old_form, VOCAB_SIZE) == gguf_vocabulary(tokenizer, VOCAB_SIZE)


def test_padding_never_has_the_name_of_a_token(tokenizer: Tokenizer) -> None:
    tokenizer.add_tokens([f"[PAD{USED + 3}]"])
    tokens = gguf_vocabulary(tokenizer, VOCAB_SIZE).tokens
    assert len(set(tokens)) == VOCAB_SIZE


def other_tokenizers() -> dict[str, Tokenizer]:
    """Tokenizers that llama.cpp would take for Qwen's and be wrong, by what names them."""
    ours = train_tokenizer(TEXT, vocab_size=300).to_str()
    names = ["ByteLevel", r"Split\(\\d\)", "none", "Lowercase", "1 special tokens", "Metaspace"]
    names += [r"token <s>, .* white space", "ignore_merges", "'\u2581x'", "lacks 1 of the 256"]
    others = {name: Tokenizer.from_str(ours) for name in names}
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    others["ByteLevel"].pre_tokenizer = pre_tokenizers.ByteLevel()
    split = pre_tokenizers.Split(r"\d", "isolated")
    others[r"Split\(\\d\)"].pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    description = json.loads(ours) | {"pre_tokenizer": None}
    others["none"] = Tokenizer.from_str(json.dumps(description))
    others["Lowercase"].normalizer = normalizers.Lowercase()
    others["1 special tokens"].post_processor = processors.TemplateProcessing(
        single=f"{END_OF_TEXT} $A", special_tokens=[(END_OF_TEXT, 297)]
    )
    others["Metaspace"].decoder = decoders.Metaspace()
    others[r"token <s>, .* white space"].add_tokens([AddedToken("<s>", lstrip=True)])
    others["ignore_merges"] = changed(others["ignore_merges"], ignore_merges=True)
    vocabulary = json.loads(ours)["model"]["vocab"]
    others["'\u2581x'"] = changed(others["'\u2581x'"], vocab=vocabulary | {"\u2581x": 297})
    without_q = {"q!" if token == "q" else token: i for token, i in vocabulary.items()}
    others["lacks 1 of the 256"] = changed(others["lacks 1 of the 256"], vocab=without_q)
    return others


@pytest.mark.parametrize(("name", "other"), other_tokenizers().items())
def test_a_tokenizer_that_llama_cpp_would_take_for_another_is_refused(
    name: str, other: Tokenizer, tmp_path: Path, network: Qwen3ForCausalLM
) -> None:
    with pytest.raises(InputError, match=name):
        written(tmp_path, network, other)
    assert not list(tmp_path.iterdir())


def test_a_tokenizer_without_an_end_or_with_more_ids_than_rows_is_refused(
    tokenizer: Tokenizer,
) -> None:
    with pytest.raises(InputError, match="ids up to 319, the model an embedding of 319 rows"):
        gguf_vocabulary(tokenizer, 319)
    nameless = Tokenizer.from_str(tokenizer.to_str().replace(END_OF_TEXT, "<|end|>"))
    with pytest.raises(InputError, match=r"has no <\|endoftext\|>"):
        gguf_vocabulary(nameless, VOCAB_SIZE)


def test_weights_that_do_not_fit_are_refused_and_nothing_is_left(
    tmp_path: Path, network: Qwen3ForCausalLM, tokenizer: Tokenizer
) -> None:
    down_proj = network.model.layers[1].mlp.down_proj.weight
    with torch.no_grad():
        down_proj[3, 5] = 70_000.0
    with pytest.raises(InputError, match=r"blk\.1\.ffn_down\.weight .* 70000, which F16 cannot"):
        written(tmp_path, network, tokenizer, "f16")
    assert not list(tmp_path.iterdir())
    written(tmp_path, network, tokenizer, "bf16")
    before = (tmp_path / "it.gguf").read_bytes()
    with torch.no_grad():
        down_proj[3, 5] = torch.nan
    with pytest.raises(InputError, match="nan"):
        written(tmp_path, network, tokenizer, "bf16")
    assert (tmp_path / "it.gguf").read_bytes() == before


def test_an_unknown_dtype_is_refused(
    tmp_path: Path, network: Qwen3ForCausalLM, tokenizer: Tokenizer
) -> None:
    with pytest.raises(InputError, match=r"dtype is q4_0: .* f32, f16, bf16, q8_0"):
        written(tmp_path, network, tokenizer, "q4_0")


def test_without_the_package_the_way_out_is_named(
    tmp_path: Path,
    network: Qwen3ForCausalLM,
    tokenizer: Tokenizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(InputError, match="pip install gguf"):
        write_gguf(network, tokenizer, tmp_path / "it.gguf", dtype="f32", name="it")


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_check_finds_nothing_in_a_file_just_written(
    dtype: str, tmp_path: Path, network: Qwen3ForCausalLM, tokenizer: Tokenizer
) -> None:
    written(tmp_path, network, tokenizer, dtype)
    findings = check_gguf(tmp_path / "it.gguf", network, tokenizer, dtype=dtype)
    assert [finding.what for finding in findings if not finding.agrees] == []
    assert findings[1].figure.startswith("24 tensors")


def test_the_check_finds_what_differs(
    tmp_path: Path, network: Qwen3ForCausalLM, tokenizer: Tokenizer
) -> None:
    def differing(network: Qwen3ForCausalLM, tokenizer: Tokenizer, dtype: str = "f32") -> list[str]:
        findings = check_gguf(tmp_path / "it.gguf", network, tokenizer, dtype=dtype)
        return [finding.what for finding in findings if not finding.agrees]

    written(tmp_path, network, tokenizer)
    assert differing(network, tokenizer, "f16") == ["weights"]
    assert differing(network, train_tokenizer(["zwölf"] * 9, vocab_size=263)) == [
        "token ids",
        "end token",
    ]
    assert differing(network, changed(tokenizer, merges=[])) == ["token ids"]
    assert differing(random_network(rope_theta=99.0), tokenizer) == ["sizes"]
    with torch.no_grad():
        network.model.layers[1].self_attn.k_norm.weight[2] += 1e-5
    assert differing(network, tokenizer) == ["weights"]
    (tmp_path / "it.gguf").write_bytes(b"GGUF and nothing more")
    assert differing(network, tokenizer) == ["loading"]
