"""How many bytes of text each id stands for: told by its token, or measured where it cannot be."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from qwen_pl.any_tokenizer import BYTE, num_ids, steps_of

_SPACE = "▁"  # what SentencePiece and its like write for a space

# In NFC, as text is wherever that matters. A tokenizer that loses any of it (spaces, capitals,
# signs that are joined from others, what is in no vocabulary) does not count what it loses.
_PROBE = (
    "It is  a truth,\n\nuniversally acknowledged:\tÉtude, naïve İ 1813½ ﬁn “Ⅷ” x²\n"
    "真理は普遍的。 правда שלום 👩\u200d👩\u200d👧 \U00010348 \ue000 "
)


def token_num_bytes(tokenizer: Tokenizer) -> np.ndarray:
    """UTF-8 bytes that each id stands for, ``(num_ids,)`` int64, as its token tells.

    Byte-level tokens have a character for each byte, ``<0x0A>`` is one, ``▁`` a space, and
    WordPiece's ``##`` nothing. Special tokens have none, nor have ids without a token. It is the
    text as the normalizer leaves it that is counted, with a space that is put before a document.
    """
    description = json.loads(tokenizer.to_str())
    model = description["model"]
    alphabet = set(ByteLevel.alphabet()) if is_byte_level(description) else set()
    has_bytes = bool(model.get("byte_fallback"))
    prefix = (model.get("continuing_subword_prefix") or "").encode()
    suffix = (model.get("end_of_word_suffix") or "").encode()
    added = tokenizer.get_added_tokens_decoder()
    sizes = np.zeros(num_ids(tokenizer), dtype=np.int64)
    for token, index in tokenizer.get_vocab().items():
        if has_bytes and BYTE.fullmatch(token):
            sizes[index] = 1
        elif index in added:
            sizes[index] = 0 if added[index].special else len(token.encode())
        elif alphabet.issuperset(token):
            sizes[index] = len(token)
        elif token != model.get("unk_token"):
            text = token.replace(_SPACE, " ").encode()
            sizes[index] = len(text.removeprefix(prefix).removesuffix(suffix))
    return sizes


def tells_bytes(inside: Tokenizer, sizes: np.ndarray) -> bool:
    """Whether ``token_num_bytes`` gives the bytes of a text when those of its ids are summed up.

    Of byte-level and byte-fallback tokenizers they are. Others have a token for what is in no
    vocabulary, or lose spaces, accents or capitals: there bytes are ``measured``.

    Args:
        inside: The tokenizer as it is within a document, which ``going_on`` gives.
    """
    ids = inside.encode(_PROBE, add_special_tokens=False).ids
    return int(sizes[ids].sum()) == len(_PROBE.encode())


def measured(texts: Sequence[str], encodings: Sequence[Encoding], size: int) -> np.ndarray:
    """Bytes of the texts that fall to each id, ``(size,)`` float64; all of them, whatever was lost.

    A token has the characters up to its end that none before it has, spaces before a word among
    them; what follows the last one falls to it as well.
    """
    totals = np.zeros(size)
    for text, encoding in zip(texts, encodings, strict=True):
        if not encoding.ids:
            continue
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        widths = 1 + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000)
        before = np.concatenate([[0], np.cumsum(widths)])  # bytes in front of each character
        ends = np.maximum.accumulate(np.array(encoding.offsets, np.int64)[:, 1])
        ends[-1] = len(text)
        np.add.at(totals, encoding.ids, np.diff(before[ends], prepend=0))
    return totals


def is_byte_level(description: dict[str, Any]) -> bool:
    """Whether learned tokens are written in the byte-level alphabet."""
    steps = steps_of(description["pre_tokenizer"], "pretokenizers")
    return any(step["type"] == "ByteLevel" for step in steps)
