"""What llama.cpp computes and writes with our GGUF files, wherever a binding of it is installed."""

import random
import unicodedata
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from llama_bindings import BINDINGS, Answer, Question, ask, skip_without
from small_networks import written
from tokenizers import Tokenizer

from qwen_pl.data.tokens.tokenizer import train_tokenizer
from qwen_pl.export.gguf import write_gguf
from qwen_pl.generation.sampling import Sampling
from qwen_pl.model.config import Qwen3Config, RopeScaling
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.qwen_tokenizer import END_OF_TEXT

DOCUMENTS = [
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, "
    "must be in want of a wife.",
    "  “Tränen”, sagte er; 1813 waren's zwölf, nicht 27. Es war spät,\n\n   und niemand sang.",
    "Это правда, говорил он, и никто ему не верил. 真理は 普遍的に 認められている。",
    "They'd said she'll come; he WON'T, I'm sure.\n\tif x != 3.14:\r\n\t\treturn '...' ?!",
]
# Their beginnings: a network that has to guess finds two tokens as likely.
PROMPTS = [
    "It is a truth",
    "  “Tränen”, sagte",
    "Это правда",
    "They'd said she'll",
    "  “Tränen”, sagte er; 1813 waren's zwölf, nicht 27. Es war spät,\n\n",
    DOCUMENTS[0].removesuffix(" a wife."),
]
STRANGE = " ".join([*DOCUMENTS[::-1], "27 真理 she WON'T"])
"""What no network knows by heart, so that its probabilities show the slightest difference."""
NUM_TOKENS = 40

SIZES = {
    "vocab_size": 411,  # some rows more than the tokenizer fills
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
}
CONFIGS = {
    "tied": Qwen3Config(**SIZES),
    "untied": Qwen3Config(
        **SIZES | {"num_key_value_heads": 1, "tie_word_embeddings": False, "rope_theta": 1234.0}
    ),
    "yarn": Qwen3Config(
        **SIZES, rope_scaling=RopeScaling(factor=4.0, original_max_position_embeddings=32)
    ),
    "sharpened": Qwen3Config(
        **SIZES,
        rope_scaling=RopeScaling(
            factor=3.0, original_max_position_embeddings=40, attention_factor=1.7
        ),
    ),
}
QUESTIONS = [*((name, "f32") for name in CONFIGS), *(("tied", d) for d in ("f16", "bf16", "q8_0"))]


class Exported(NamedTuple):
    """Trained networks, and a file for each name and dtype of ``QUESTIONS``."""

    tokenizer: Tokenizer
    networks: dict[str, Qwen3ForCausalLM]
    files: dict[tuple[str, str], Path]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("gguf")
    tokenizer = train_tokenizer(DOCUMENTS * 3, vocab_size=400)
    networks = {name: trained(config, tokenizer) for name, config in CONFIGS.items()}
    files = {}
    for name, dtype in QUESTIONS:
        files[name, dtype] = folder / f"{name}-{dtype}.gguf"
        write_gguf(networks[name], tokenizer, files[name, dtype], dtype=dtype, name=name)
    return Exported(tokenizer, networks, files)


@pytest.fixture(scope="module", params=BINDINGS)
def binding(request: pytest.FixtureRequest) -> str:
    skip_without(request.param)
    return request.param


@pytest.fixture(scope="module")
def answers(binding: str, exported: Exported) -> dict[tuple[str, str], list[Answer]]:
    """What llama.cpp writes after the prompts, asked of all files at once."""
    prompts = [*PROMPTS, STRANGE]
    questions = [Question(file, prompts, NUM_TOKENS) for file in exported.files.values()]
    return dict(zip(exported.files, ask(binding, questions), strict=True))


def trained(config: Qwen3Config, tokenizer: Tokenizer) -> Qwen3ForCausalLM:
    """A network that knows the documents by heart, so that its choices are clear."""
    torch.manual_seed(3)
    network = Qwen3ForCausalLM(config)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=0.0)
    rows = [tokenizer.encode(document + END_OF_TEXT).ids for document in DOCUMENTS]
    end = tokenizer.token_to_id(END_OF_TEXT)
    length = max(map(len, rows))
    batch = torch.tensor([row + [end] * (length - len(row)) for row in rows])
    for _ in range(60):
        optimizer.zero_grad()
        network(batch[:, :-1], batch[:, 1:]).backward()
        optimizer.step()
    return network.eval()


def ours(exported: Exported, name: str, prompt: str) -> list[int]:
    """What we write after a prompt."""
    end = exported.tokenizer.token_to_id(END_OF_TEXT)
    return written(
        exported.networks[name],
        exported.tokenizer.encode(prompt).ids,
        Sampling(max_new_tokens=NUM_TOKENS, temperature=0.0),
        stop_ids=[end],
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_greedy_text_in_llama_cpp_is_ours(
    name: str, answers: dict[tuple[str, str], list[Answer]], exported: Exported
) -> None:
    for prompt, answer in zip(PROMPTS, answers[name, "f32"], strict=False):
        ids = ours(exported, name, prompt)
        assert answer.ids == ids
        assert answer.text == exported.tokenizer.decode(ids)


@pytest.mark.parametrize("name", CONFIGS)
def test_probabilities_in_llama_cpp_are_ours(
    name: str, answers: dict[tuple[str, str], list[Answer]], exported: Exported
) -> None:
    answer = answers[name, "f32"][-1]
    input_ids = torch.tensor([answer.prompt_ids])
    ours = exported.networks[name](input_ids, logits_to_keep=1)[0, -1].softmax(-1)
    torch.testing.assert_close(torch.tensor(answer.next), ours, atol=1e-4, rtol=0.0)


def test_llama_cpp_stops_at_the_end_of_text(answers: dict[tuple[str, str], list[Answer]]) -> None:
    answer = answers["tied", "f32"][len(PROMPTS) - 1]
    assert answer.stopped
    assert len(answer.ids) < NUM_TOKENS
    assert answer.text == " a wife."


@pytest.mark.parametrize("dtype", ["f16", "bf16", "q8_0"])
def test_llama_cpp_writes_with_rounded_weights_too(
    dtype: str, answers: dict[tuple[str, str], list[Answer]], exported: Exported
) -> None:
    answer = answers["tied", dtype][0]
    assert exported.tokenizer.decode(ours(exported, "tied", PROMPTS[0])) == answer.text


def test_llama_cpp_cuts_text_as_we_do(binding: str, exported: Exported) -> None:
    texts = [*PROMPTS, *DOCUMENTS, f"one{END_OF_TEXT}<|im_start|>two", *mixed_texts(2000)]
    [answers] = ask(binding, [Question(exported.files["tied", "q8_0"], texts, 0)])
    for text, answer in zip(texts, answers, strict=True):
        assert answer.prompt_ids == exported.tokenizer.encode(text).ids, ascii(text)


def mixed_texts(count: int) -> list[str]:
    """Texts rich in what trips tokenizers, in NFC, into which llama.cpp does not put them."""
    chooser = random.Random(0)
    bits = [*"aZé 1²Ⅷ_.!?'’“—\t\n\r\x00\u00a0\u2003\u200b\u2028א한🙂", "'s", "'LL", "'Ve", "they"]
    bits += ["  ", "\r\n", "\n\n", "नि", "👩‍👩‍👧", "universally", "правда", END_OF_TEXT]
    texts = ["".join(chooser.choices(bits, k=chooser.randrange(1, 12))) for _ in range(count)]
    return [unicodedata.normalize("NFC", text) for text in texts]
