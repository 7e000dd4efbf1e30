"""Trains, saves, loads and compares byte-level BPE tokenizers with Qwen's pre-tokenisation."""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    normalizers,
    pre_tokenizers,
    processors,
)
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from qwen_pl.any_tokenizer import document_start, end_of_text, read_tokenizer
from qwen_pl.errors import InputError
from qwen_pl.files import expanded, lies_in_a_file, whole_folder, write_text
from qwen_pl.qwen_tokenizer import QWEN_PATTERN, SPECIAL_TOKENS
from qwen_pl.seals import SEAL, Damaged, check_folder, seal_folder

TOKENIZER_VERSION = 1  # raised whenever the same text would give another tokenizer

TOKENIZER_JSON = "tokenizer.json"
_SEALED_AS = "tokenizer"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_LONGEST_WORD = 256  # characters, or signs or spaces, that are learned from together
SMALLEST_VOCABULARY = 256 + len(SPECIAL_TOKENS)


def train_tokenizer(texts: Iterable[str], vocab_size: int, *, progress: bool = False) -> Tokenizer:
    """Learns byte-pair merges until ``vocab_size`` ids are in use, special tokens included.

    A text that holds too few repeated pairs gives a smaller vocabulary: ask ``get_vocab_size()``.
    Words of more than 256 characters, as of Chinese without punctuation, are learned from in parts.

    Source: Sennrich et al. 2016, https://arxiv.org/abs/1508.07909, on bytes as in GPT-2 (2019).

    Raises:
        InputError: If ``vocab_size`` does not hold the 256 bytes and the special tokens.

    >>> tokenizer = train_tokenizer(["low lower lowest"] * 9, vocab_size=263)
    >>> tokenizer.encode("lower").tokens, tokenizer.decode(tokenizer.encode("Tränen").ids)
    (['low', 'e', 'r'], 'Tränen')
    """
    if vocab_size < SMALLEST_VOCABULARY:
        raise InputError(
            f"vocab_size {vocab_size} is too small: {SMALLEST_VOCABULARY} ids are needed for the "
            f"256 bytes and {len(SPECIAL_TOKENS)} special tokens"
        )
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = normalizers.NFC()
    # Each merge goes through all of a word, so that one as long as the text would take for ever.
    at_most = QWEN_PATTERN.replace("+", f"{{1,{_LONGEST_WORD}}}")
    tokenizer.pre_tokenizer = _cut_by(at_most.replace("*", f"{{0,{_LONGEST_WORD}}}"))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = BpeTrainer(
        vocab_size=vocab_size - len(SPECIAL_TOKENS),
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=progress,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = _cut_by(QWEN_PATTERN)
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL_TOKENS])
    return tokenizer


def _cut_by(pattern: str) -> pre_tokenizers.PreTokenizer:
    """Cuts text by a pattern and turns the bytes of each part into characters."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def save_tokenizer(tokenizer: Tokenizer, folder: Path, made_of: str = "") -> None:
    """Writes a new folder of what ``write_tokenizer`` writes, whole or not at all, and seals it.

    Args:
        made_of: Told back by ``check_tokenizer``.
    """
    with whole_folder(folder) as unfinished:
        write_tokenizer(tokenizer, unfinished)
        seal_folder(unfinished, _SEALED_AS, made_of)


def check_tokenizer(folder: Path) -> str:
    """What a folder of ``save_tokenizer`` was made of.

    Raises:
        Damaged: If any file of it is not what was written.
    """
    return check_folder(folder, _SEALED_AS)


def write_tokenizer(
    tokenizer: Tokenizer, folder: Path, *, model_max_length: int | None = None
) -> None:
    """Writes ``tokenizer.json``, ``vocab.json``, ``merges.txt`` and ``tokenizer_config.json``.

    Transformers' ``AutoTokenizer`` and llama.cpp's converter read such a folder.

    Args:
        folder: Is there already, with the files of a model maybe.
        model_max_length: Tokens that the model beside it reads, above which Transformers warns.
    """
    tokenizer.save(str(folder / TOKENIZER_JSON))
    tokenizer.model.save(str(folder))
    config = _tokenizer_config(tokenizer)
    if model_max_length is not None:
        config["model_max_length"] = model_max_length
    text = json.dumps(config, indent=2, ensure_ascii=False)
    write_text(folder / "tokenizer_config.json", text + "\n", flush=False)


def tokenizer_file(name: str | Path) -> Path:
    """The ``tokenizer.json`` of a folder, or of a repository such as "Qwen/Qwen3-0.6B".

    Raises:
        InputError: If there is none in the folder, or the repository cannot be reached.
    """
    folder = expanded(name)
    if (folder / TOKENIZER_JSON).is_file():
        return folder / TOKENIZER_JSON
    is_local = folder.is_dir() or lies_in_a_file(folder)
    if is_local or not _REPOSITORY.fullmatch(str(name)):
        raise InputError(f"no tokenizer in {name}: it needs a tokenizer.json")
    import huggingface_hub  # tokenizers brings it along

    # What was downloaded once stays as it is: another version would change the ids.
    kept = huggingface_hub.try_to_load_from_cache(str(name), TOKENIZER_JSON)
    if isinstance(kept, str):
        return Path(kept)
    huggingface_hub.logging.set_verbosity_error()
    try:
        return Path(huggingface_hub.hf_hub_download(str(name), TOKENIZER_JSON))
    except Exception as error:  # of many kinds, those of the network among them
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(
            f"no tokenizer {name}: there is no such folder, and as a repository on the Hugging "
            f"Face Hub it cannot be had ({reason})"
        ) from None


def load_tokenizer(name: str | Path) -> Tokenizer:
    """Reads a folder that ``save_tokenizer`` or Transformers wrote, or a published tokenizer.

    Raises:
        InputError: If it holds no readable ``tokenizer.json`` or no token that ends a document, or
            if it was sealed and has changed.
    """
    file = tokenizer_file(name)
    if os.path.lexists(file.with_name(SEAL)):
        try:
            check_tokenizer(file.parent)
        except Damaged as damage:
            raise InputError(
                f"{damage}: restore it (in the cache, prepare does), or remove {SEAL} beside it if "
                "you have changed it yourself"
            ) from None
    tokenizer = read_tokenizer(file.read_bytes(), file)
    try:
        end_of_text(tokenizer)
    except InputError as error:
        raise InputError(f"{file} has {error}") from None
    return tokenizer


def _fingerprint(tokenizer: Tokenizer) -> str:
    return hashlib.sha256(tokenizer.to_str().encode()).hexdigest()[:12]


def tokenizer_state(tokenizer: Tokenizer, origin: str | Path) -> dict[str, str]:
    """What a checkpoint keeps of a tokenizer: all of it, and for people where it came from."""
    return {
        "tokenizer": tokenizer.to_str(),
        "tokenizer_fingerprint": _fingerprint(tokenizer),
        "tokenizer_origin": str(origin),
    }


def check_same_tokenizer(
    state: dict[str, Any], tokenizer: Tokenizer, origin: str | Path, *, giver: str, way_out: str
) -> None:
    """Refuses a tokenizer to which ids mean other text than to a checkpoint's own.

    Args:
        state: What ``tokenizer_state`` gave when the checkpoint was written.
        giver: What names ``tokenizer``, for the message, as are ``origin`` and ``way_out``.

    Raises:
        InputError: If the two are not the same.
    """
    mine = _fingerprint(tokenizer)
    if state["tokenizer_fingerprint"] == mine:
        return
    theirs = read_tokenizer(state["tokenizer"], "what the checkpoint holds")
    if _fingerprint(theirs) == mine:
        return  # another version of the library has put the same one into other words
    # Checkpoints of earlier versions do not know where theirs came from, only what it was for.
    known = state.get("tokenizer_origin") or state.get("source", "an unknown place")
    raise InputError(
        f"the checkpoint was trained with tokenizer {state['tokenizer_fingerprint']} "
        f"({theirs.get_vocab_size():,} ids, from {known}), {giver} gives {mine} "
        f"({tokenizer.get_vocab_size():,} ids, from {origin}): {way_out}"
    )


def unfilled(size: int, vocab_size: int) -> str:
    return (
        f"the text fills a vocabulary of {size:,}, not {vocab_size:,}: the tokenizer is that much "
        "smaller"
    )


def _tokenizer_config(tokenizer: Tokenizer) -> dict:
    """What Transformers has to be told; the special tokens are the tokenizer's own."""
    added = tokenizer.get_added_tokens_decoder()
    flags = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
    special = [added[index].content for index in sorted(added) if added[index].special]
    end = tokenizer.id_to_token(end_of_text(tokenizer))
    start = document_start(tokenizer)
    config = {
        "added_tokens_decoder": {
            str(index): {flag: getattr(added[index], flag) for flag in flags}
            for index in sorted(added)
        },
        "additional_special_tokens": [token for token in special if token != end],
        "bos_token": tokenizer.id_to_token(start[0]) if start else None,
        "clean_up_tokenization_spaces": False,
        "eos_token": end,
        "pad_token": end,
    }
    description = json.loads(tokenizer.to_str())
    if _works_like_qwens(description):
        return config | {
            "add_prefix_space": False,
            "errors": "replace",
            "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer",
            "unk_token": None,
        }
    model = description["model"]
    unknown = model.get("unk_token")
    if model.get("unk_id") is not None:  # a Unigram model
        unknown = model["vocab"][model["unk_id"]][0]
    if unknown not in special:
        unknown = None  # Transformers would make it special, and leave it out of texts
    # A class of another name would cut text in its own way, whatever tokenizer.json says.
    return config | {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": unknown}


def _works_like_qwens(description: dict) -> bool:
    """Whether Transformers' ``Qwen2Tokenizer``, which has its steps built in, does the same."""
    model, odd = description["model"], ("continuing_subword_prefix", "end_of_word_suffix")
    cutting = (description["pre_tokenizer"] or {}).get("pretokenizers", [])
    if [step["type"] for step in cutting] != ["Split", "ByteLevel"]:
        return False
    split, byte_level = cutting
    return (
        model["type"] == "BPE"
        and not any(model.get(name) for name in ("unk_token", "byte_fallback", *odd))
        and description["normalizer"] == {"type": "NFC"}
        and (description["post_processor"] or {}).get("type") in (None, "ByteLevel")
        and (description["decoder"] or {}).get("type") == "ByteLevel"
        and split["pattern"] == {"Regex": QWEN_PATTERN}
        and (split["behavior"], split["invert"]) == ("Isolated", False)
        and not byte_level["add_prefix_space"]
        and not byte_level["use_regex"]
    )
