"""What has to be known of any tokenizer, ours or a published one: its ids, and where texts begin.

Ours and Qwen's put nothing around a text and have no unused ids; others do.
"""

from __future__ import annotations

import copy
import json
import re
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_pl.errors import InputError
from qwen_pl.qwen_tokenizer import END_OF_TEXT

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ENDS_OF_TEXT = (
    END_OF_TEXT,  # also of GPT-2, Phi, OLMo and Falcon
    "<|end_of_text|>",  # Llama 3
    "</s>",  # Llama 2, Mistral, T5, XLM-R, Bloom
    "<eos>",  # Gemma
    "<|end▁of▁sentence|>",  # DeepSeek
    "<|eos|>",
    "[EOS]",
    "[SEP]",  # BERT
)
"""What ends a document, by the names that published tokenizers give it; the first one counts."""


BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""What a tokenizer with ``byte_fallback`` calls the bytes of what is not in its vocabulary."""

_NO_CHARACTER = "\ufdd0"  # which Unicode keeps for programs, and no text has


def read_tokenizer(description: str | bytes, origin: str | Path) -> Tokenizer:
    """A tokenizer from its ``tokenizer.json``, which cuts off no text and fills none up.

    Some were published with the ``truncation`` and ``padding`` of one use of them.

    Args:
        origin: Where the description is from, for the message.

    Raises:
        InputError: If it describes none.
    """
    from tokenizers import Tokenizer  # not before it is needed: some verbs have to start at once

    try:
        text = description if isinstance(description, str) else description.decode()
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises bare Exceptions
        raise InputError(f"{origin} is not a tokenizer: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def num_ids(tokenizer: Tokenizer) -> int:
    """The highest id and one more: rows that an embedding needs, be all of them in use or not."""
    return max(tokenizer.get_vocab().values(), default=-1) + 1


def unused_ids(tokenizer: Tokenizer, vocab_size: int) -> list[int]:
    """The rows of an embedding that no token has: padding, and what a tokenizer leaves out."""
    used = set(tokenizer.get_vocab().values())
    return [index for index in range(vocab_size) if index not in used]


def end_of_text(tokenizer: Tokenizer) -> int:
    """The id that ends a document.

    Raises:
        InputError: If no token has one of the names in ``ENDS_OF_TEXT``.
    """
    for name in ENDS_OF_TEXT:
        if (token_id := tokenizer.token_to_id(name)) is not None:
            return token_id
    known = f"{', '.join(ENDS_OF_TEXT[:-1])} or {ENDS_OF_TEXT[-1]}"
    raise InputError(f"no token to end documents with: add one that is called {known}")


def document_start(tokenizer: Tokenizer) -> list[int]:
    """What the tokenizer puts before a text, such as ``<s>``; for ours and Qwen's nothing.

    What it puts behind one is left out: a document ends with ``end_of_text``, a prompt goes on.
    """
    encoded = tokenizer.encode("a")
    marked = zip(encoded.ids, encoded.special_tokens_mask, strict=True)
    return [token_id for token_id, _ in takewhile(lambda pair: pair[1], marked)]


def prompt_ids(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """The ids of a prompt, as a document begins in training; an empty one is the start of one.

    Raises:
        InputError: If it is empty, and the tokenizer has nothing for the start of a document.
    """
    start = document_start(tokenizer)
    ids = tokenizer.encode(prompt, add_special_tokens=False).ids
    if start and ids[: len(start)] == start:  # written out in the prompt
        return ids
    return start + ids or [end_of_text(tokenizer)]


def any_word(tokenizer: Tokenizer) -> list[int]:
    """A token of letters alone, behind which others are decoded as in the middle of a text."""
    for token_id in range(num_ids(tokenizer)):
        if (text := tokenizer.decode([token_id])).isascii() and text.isalpha():
            return [token_id]
    return []


def going_on(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer without the space that SentencePiece and its like put before a text.

    For text in the middle of a document, which has none there. What ``document_start`` names is for
    the caller to leave out.
    """
    changed = json.loads(tokenizer.to_str())
    before = copy.deepcopy([changed["normalizer"], changed["pre_tokenizer"]])
    steps = steps_of(changed["normalizer"], "normalizers")
    if any(step["type"] == "Prepend" for step in steps):
        others = [step for step in steps if step["type"] != "Prepend"]
        changed["normalizer"] = {"type": "Sequence", "normalizers": others}
    for step in steps_of(changed["pre_tokenizer"], "pretokenizers"):
        if step["type"] == "Metaspace":
            step["prepend_scheme"] = "never"
        elif step["type"] == "ByteLevel":
            step["add_prefix_space"] = False
    is_same = [changed["normalizer"], changed["pre_tokenizer"]] == before
    return tokenizer if is_same else _described(tokenizer, changed)


def literal(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer, to which ``<|endoftext|>`` in a book is text and ends nothing."""
    changed = json.loads(tokenizer.to_str())
    special = {token["content"] for token in changed["added_tokens"] if token["special"]}
    model = changed["model"]
    names = list(model["vocab"])
    if model["type"] == "Unigram":
        names = [name for name, _ in names]
        special.discard(names[model["unk_id"]] if model["unk_id"] is not None else None)
    # What is also in the learned vocabulary would be found there: it gets a name that is no text.
    hidden = special.intersection(names) - {model.get("unk_token")}
    hidden = {name for name in hidden if not BYTE.fullmatch(name)}  # these stand for text
    if not hidden:
        tokenizer.encode_special_tokens = True
        return tokenizer
    renamed = [f"{_NO_CHARACTER}{name}" if name in hidden else name for name in names]
    if model["type"] == "Unigram":
        model["vocab"] = [[a, score] for a, (_, score) in zip(renamed, model["vocab"], strict=True)]
    else:
        model["vocab"] = dict(zip(renamed, model["vocab"].values(), strict=True))
    left = [token for token in changed["added_tokens"] if token["content"] not in hidden]
    other = _described(tokenizer, changed | {"added_tokens": left})
    other.encode_special_tokens = True
    return other


def _described(tokenizer: Tokenizer, description: dict[str, Any]) -> Tokenizer:
    """A tokenizer of another description, to which special tokens are what they are to this one."""
    other = type(tokenizer).from_str(json.dumps(description))
    other.encode_special_tokens = tokenizer.encode_special_tokens
    return other


def steps_of(part: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """The steps of a description's normalizer or pre-tokenizer: none, one, or those of sequences.

    ``name`` is what a sequence calls them, ``normalizers`` or ``pretokenizers``.
    """
    if part is None:
        return []
    if part["type"] != "Sequence":
        return [part]
    return [step for inner in part[name] for step in steps_of(inner, name)]
