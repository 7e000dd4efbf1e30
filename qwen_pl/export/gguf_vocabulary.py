"""A tokenizer as GGUF holds it, once it is sure that llama.cpp cuts text as it does."""

import json
from typing import Any, NamedTuple

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from qwen_pl.any_tokenizer import steps_of
from qwen_pl.errors import InputError
from qwen_pl.qwen_tokenizer import END_OF_TEXT, QWEN_PATTERN

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""What a token is for; the numbers of ``gguf.TokenType``."""

# Two bytes that stand side by side in no UTF-8 text. llama.cpp loads no list without a merge.
MERGE_OF_NOTHING = "ÿ ÿ"


class Vocabulary(NamedTuple):
    """Everything of a tokenizer that GGUF has a place for."""

    tokens: list[str]
    """By id, one for each row of the embedding; learned ones in the byte-level alphabet."""
    types: list[int]
    merges: list[str]
    """By rank, both halves with a space between; the alphabet has none."""
    end_id: int


def gguf_vocabulary(tokenizer: Tokenizer, vocab_size: int) -> Vocabulary:
    """The tokens and merges of a tokenizer, filled up to ``vocab_size`` rows of the embedding.

    llama.cpp then gives the same ids for text in NFC, the usual form. It composes no é out of two
    characters, so that has to be done before. Where its Unicode tables are of another year, a
    character newer than them may be cut off differently, and it takes 'ſ for no contraction.

    Raises:
        InputError: If llama.cpp, told that this is a Qwen tokenizer, would give other ids, or if
            the tokenizer has more ids than the embedding rows.
    """
    description = json.loads(tokenizer.to_str())
    _check_kind(description)
    _check_added_tokens(tokenizer)
    _check_alphabet(tokenizer)
    merges = [" ".join(pair) for pair in description["model"]["merges"]]
    tokens, types = _tokens(tokenizer, vocab_size)
    end_id = tokenizer.token_to_id(END_OF_TEXT)
    assert end_id is not None, "as was checked"
    return Vocabulary(tokens, types, merges or [MERGE_OF_NOTHING], end_id)


def normalizes(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer puts text into NFC first, which llama.cpp does not."""
    return bool(steps_of(json.loads(tokenizer.to_str())["normalizer"], "normalizers"))


def _tokens(tokenizer: Tokenizer, vocab_size: int) -> tuple[list[str], list[int]]:
    """Token and type of every row; rows without a token get a name that no text can hold."""
    by_id = {index: token for token, index in tokenizer.get_vocab().items()}
    if max(by_id) >= vocab_size:
        raise InputError(
            f"the tokenizer has ids up to {max(by_id):,}, the model an embedding of {vocab_size:,} "
            "rows: give the tokenizer that it was trained with"
        )
    added = tokenizer.get_added_tokens_decoder()
    taken = set(by_id.values())
    types = [NORMAL if index in by_id else UNUSED for index in range(vocab_size)]
    for index, token in added.items():
        # Qwen's <|fim_prefix|> and its like are not marked as special; llama.cpp knows them by
        # name and complains unless they are.
        looks_special = token.content.startswith("<|") and token.content.endswith("|>")
        types[index] = CONTROL if token.special or looks_special else USER_DEFINED
    for index in range(vocab_size):
        name = f"[PAD{index}]"
        by_id.setdefault(index, f"{name} " if name in taken else name)
    return [by_id[index] for index in range(vocab_size)], types


def _check_kind(description: dict[str, Any]) -> None:
    """Refuses what is not byte-level BPE behind Qwen's pattern."""
    model = description["model"]
    if model["type"] != "BPE":
        _refuse(f"is {model['type']}")
    for name in ("continuing_subword_prefix", "end_of_word_suffix", "dropout", "ignore_merges"):
        if model.get(name):
            _refuse(f"has {name}: {json.dumps(model[name])}")
    for step in steps_of(description["normalizer"], "normalizers"):
        if step["type"] != "NFC":
            _refuse(f"has the normalizer {step['type']}")
    steps = steps_of(description["pre_tokenizer"], "pretokenizers")
    if not (len(steps) == 2 and _cuts_like_qwen(steps[0]) and _is_byte_level(steps[1])):
        kinds = [
            f"{step['type']}({next(iter(step['pattern'].values()))})"
            if "pattern" in step
            else step["type"]
            for step in steps
        ]
        _refuse(f"has the pre-tokenizer {' + '.join(kinds) or 'none'}")
    if (description["decoder"] or {}).get("type") != "ByteLevel":
        _refuse(f"has the decoder {(description['decoder'] or {}).get('type')}")


def _refuse(what: str) -> None:
    raise InputError(
        f"the tokenizer {what}: GGUF is written for byte-level BPE with Qwen's pre-tokenizer only, "
        "as llama.cpp would cut text in another way than the model has learned"
    )


def _cuts_like_qwen(step: dict[str, Any]) -> bool:
    if step["type"] != "Split" or step["pattern"] != {"Regex": QWEN_PATTERN}:
        return False
    # The pattern covers every text, so that cutting matches out and keeping them is the same.
    return step["behavior"] == "Isolated" or (step["behavior"] == "Removed" and step["invert"])


def _is_byte_level(step: dict[str, Any]) -> bool:
    return step["type"] == "ByteLevel" and not step["add_prefix_space"] and not step["use_regex"]


def _check_added_tokens(tokenizer: Tokenizer) -> None:
    if tokenizer.token_to_id(END_OF_TEXT) is None:
        raise InputError(f"the tokenizer has no {END_OF_TEXT}, at which llama.cpp is to stop")
    if count := tokenizer.num_special_tokens_to_add(is_pair=False):
        _refuse(f"puts {count} special tokens around every text")
    for token in tokenizer.get_added_tokens_decoder().values():
        if token.lstrip or token.rstrip or token.single_word:
            _refuse(f"has the token {token.content}, which takes in the white space around it")


def _check_alphabet(tokenizer: Tokenizer) -> None:
    """Every byte needs its token, and a learned token consists of bytes alone."""
    alphabet = set(ByteLevel.alphabet())
    added = tokenizer.get_added_tokens_decoder()
    learned = {token for token, index in tokenizer.get_vocab().items() if index not in added}
    if missing := alphabet - learned:
        _refuse(f"lacks {len(missing)} of the 256 bytes")
    for token in learned:
        if not alphabet.issuperset(token):
            _refuse(f"has the token {token!r}, which is not in the byte-level alphabet")
