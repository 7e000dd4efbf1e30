"""Turns paragraphs into ids, as a tokenizer, ours or a published one, cuts their document."""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from qwen_pl.any_tokenizer import (
    document_start,
    end_of_text,
    going_on,
    literal,
    num_ids,
    read_tokenizer,
    unused_ids,
)
from qwen_pl.data.tokens.num_bytes import is_byte_level, measured, tells_bytes, token_num_bytes

TOKENS_VERSION = 2  # raised whenever the same text and tokenizer would give other files
PUBLISHED_VERSION = 1  # the same for tokenizers that are not like ours


class Encoder:
    """A tokenizer, and what of it a token file depends on."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.num_ids = num_ids(tokenizer)
        self.dtype = np.dtype("<u2" if self.num_ids <= 1 << 16 else "<u4")
        self.sizes = token_num_bytes(tokenizer)
        self.measures = not tells_bytes(going_on(tokenizer), self.sizes)
        self.end_of_text = end_of_text(tokenizer)
        self._start = document_start(tokenizer)
        self._beginning = literal(tokenizer)
        self._going_on = going_on(self._beginning)

    def encode(
        self, texts: Sequence[str], begins: Sequence[bool], num_bytes: np.ndarray
    ) -> list[list[int]]:
        """The ids of each paragraph, or of the end of a document for an empty text.

        Args:
            begins: For each text, whether it is the first of its document.
            num_bytes: What is measured, if it is, is added to it.
        """
        all_ids: list[list[int]] = [[self.end_of_text]] * len(texts)
        for tokenizer, is_start in ((self._going_on, False), (self._beginning, True)):
            own = [i for i, text in enumerate(texts) if text and begins[i] == is_start]
            chosen = [texts[i] for i in own]
            # Without the places of tokens in the text, if they are not needed, it is faster.
            run = tokenizer.encode_batch if self.measures else tokenizer.encode_batch_fast
            encodings = run(chosen, add_special_tokens=False)
            if self.measures:
                num_bytes += measured(chosen, encodings, self.num_ids)
            for i, encoding in zip(own, encodings, strict=True):
                all_ids[i] = self._start + encoding.ids if is_start else encoding.ids
        return all_ids


def encoder_of(tokenizer_file: Path) -> Encoder:
    """That of a ``tokenizer.json``; read once, unless the file has changed."""
    return _encoder(tokenizer_file, tokenizer_file.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _encoder(file: Path, changed: int) -> Encoder:
    return Encoder(read_tokenizer(file.read_bytes(), file))


def tokens_version(tokenizer_file: Path) -> list[int]:
    """What a token file depends on beside text and tokenizer, for its fingerprint.

    Those of tokenizers like ours and Qwen's are what they were before any others were read rightly.
    """
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    description = json.loads(tokenizer.to_str())
    is_like_ours = (
        is_byte_level(description)
        and not (description["truncation"] or description["padding"])
        and not document_start(tokenizer)
        and not unused_ids(tokenizer, num_ids(tokenizer))
        and going_on(tokenizer) is tokenizer
        and tells_bytes(tokenizer, token_num_bytes(tokenizer))
    )
    return [TOKENS_VERSION] if is_like_ours else [TOKENS_VERSION, PUBLISHED_VERSION]
