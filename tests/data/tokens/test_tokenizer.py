import json
import random
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer

from qwen_pl.data.tokens.num_bytes import token_num_bytes
from qwen_pl.data.tokens.tokenizer import load_tokenizer, save_tokenizer, train_tokenizer
from qwen_pl.errors import InputError
from qwen_pl.qwen_tokenizer import END_OF_TEXT, SPECIAL_TOKENS
from qwen_pl.seals import SEAL

TEXT = [
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, "
    "must be in want of a wife.\n\n",
    "“Tränen”, sagte er; 1813 waren's zwölf. Это правда. 真理は 普遍的に 認められている。\n\n",
] * 5


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXT, vocab_size=400)


@pytest.fixture(scope="module")
def folder(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer") / "trained"
    save_tokenizer(tokenizer, folder)
    return folder


def random_texts(count: int) -> list[str]:
    """Strings over all planes, rich in what trips tokenizers: spaces, newlines, marks, digits."""
    chooser = random.Random(0)
    ranges = [(32, 127), (0xA0, 0x250), (0x300, 0x370), (0x600, 0x700), (0x3040, 0x9FFF)]
    ranges += [(0x1F300, 0x1F6FF), (9, 11), (0xE000, 0xE100), (0x10000, 0x1FFFF)]
    return [
        "".join(
            chr(chooser.randrange(*chooser.choice(ranges))) for _ in range(chooser.randrange(40))
        )
        for _ in range(count)
    ]


def test_any_text_comes_back_as_its_nfc_form(tokenizer: Tokenizer) -> None:
    for text in random_texts(10_000):
        ids = tokenizer.encode(text).ids
        assert tokenizer.decode(ids) == unicodedata.normalize("NFC", text)


def test_transformers_loads_the_folder_and_gives_the_same_ids(
    tokenizer: Tokenizer, folder: Path
) -> None:
    theirs = AutoTokenizer.from_pretrained(folder)
    for text in [*random_texts(10_000), "one<|endoftext|>two<|im_start|>", *TEXT]:
        assert theirs(text)["input_ids"] == tokenizer.encode(text).ids
    assert theirs.eos_token == theirs.pad_token == END_OF_TEXT
    assert theirs.bos_token is None


def test_the_folder_has_the_files_that_other_tools_read(folder: Path) -> None:
    names = {file.name for file in folder.iterdir()}
    assert names == {SEAL, "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json"}
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    merges = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert len(vocabulary) == 256 + len(merges) == 400 - len(SPECIAL_TOKENS)


def test_a_published_tokenizer_keeps_its_own_special_tokens(tmp_path: Path) -> None:
    published = train_tokenizer(TEXT, vocab_size=350)
    published.add_special_tokens([AddedToken("<|vision_start|>", special=True, normalized=False)])
    published.add_tokens([AddedToken("<think>", special=False, normalized=False, rstrip=True)])
    save_tokenizer(published, tmp_path / "published")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "published")
    added = theirs.added_tokens_decoder
    assert added.keys() == published.get_added_tokens_decoder().keys()
    assert (added[351].content, added[351].special, added[351].rstrip) == ("<think>", False, True)
    special = [token.content for token in added.values() if token.special]
    assert special == [*SPECIAL_TOKENS, "<|vision_start|>"]
    text = "a<|vision_start|> b <think>\n c<|im_end|><|endoftext|>"
    ids = theirs(text)["input_ids"]
    assert ids == published.encode(text).ids
    assert theirs.decode(ids, skip_special_tokens=True) == published.decode(ids)
    assert "<think>" in published.decode(ids)


def gpt2_like() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def llama_like() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁", -1.0), ("a", -2.0)], 0, True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁")])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return tokenizer


@pytest.mark.parametrize("make", [gpt2_like, llama_like])
def test_a_tokenizer_of_another_kind_is_read_as_it_is(
    make: Callable[[], Tokenizer], tmp_path: Path
) -> None:
    foreign = make()
    foreign.add_special_tokens([END_OF_TEXT])
    save_tokenizer(foreign, tmp_path / "foreign")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "foreign")
    for text in [*random_texts(300), "a<|endoftext|>b", "12345's e\u0301"]:
        ids = theirs(text)["input_ids"]
        assert ids == foreign.encode(text).ids
        assert theirs.decode(ids, skip_special_tokens=True) == foreign.decode(ids)
    assert theirs.eos_token == END_OF_TEXT


def test_special_tokens_stand_behind_the_learned_ones(tokenizer: Tokenizer) -> None:
    assert [tokenizer.token_to_id(token) for token in SPECIAL_TOKENS] == [397, 398, 399]


def test_a_number_is_cut_into_digits_and_newlines_stay_with_punctuation(
    tokenizer: Tokenizer,
) -> None:
    pieces = [p for p, _ in tokenizer.pre_tokenizer.pre_tokenize_str("in 1813.\n\nShe's gone")]
    assert pieces == ["in", "Ġ", "1", "8", "1", "3", ".ĊĊ", "She", "'s", "Ġgone"]


def test_the_same_text_gives_the_same_tokenizer_in_another_process(tokenizer: Tokenizer) -> None:
    program = (
        "import sys; from qwen_pl.data.tokens.tokenizer import train_tokenizer;"
        f"sys.stdout.buffer.write(train_tokenizer({TEXT!r}, 400).to_str().encode())"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert other.stdout.decode() == tokenizer.to_str()


def test_a_text_too_short_for_the_vocabulary_gives_a_smaller_one() -> None:
    assert 259 < train_tokenizer(["abcabcabc"], vocab_size=5000).get_vocab_size() < 270


def test_a_vocabulary_below_the_bytes_is_refused() -> None:
    with pytest.raises(InputError, match="vocab_size 100 is too small: 259"):
        train_tokenizer(TEXT, vocab_size=100)


def test_the_bytes_of_the_tokens_add_up_to_the_bytes_of_the_text(tokenizer: Tokenizer) -> None:
    sizes = token_num_bytes(tokenizer)
    for text in random_texts(300):
        normal = unicodedata.normalize("NFC", text)
        assert sizes[tokenizer.encode(text).ids].sum() == len(normal.encode())
    assert sizes[tokenizer.token_to_id(END_OF_TEXT)] == 0


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no tokenizer in {tmp_path}"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="is not a tokenizer"):
        load_tokenizer(tmp_path)


def test_a_repository_on_the_hub_may_be_named_instead_of_a_folder(
    folder: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(repository: str, file: str) -> str:
        assert repository == "Qwen/Qwen3-0.6B"
        return str(folder / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert load_tokenizer("Qwen/Qwen3-0.6B").to_str() == tokenizer.to_str()


def test_a_repository_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repository: str, file: str) -> str:
        raise OSError("no network\nand more about it")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(InputError, match=r"no tokenizer Qwen/Qwen3-0\.6B: .*\(no network\)"):
        load_tokenizer("Qwen/Qwen3-0.6B")
