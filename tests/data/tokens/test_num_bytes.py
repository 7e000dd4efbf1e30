"""Bits per byte divide by bytes of text, whatever a tokenizer makes of it."""

import random

import numpy as np
import pytest
from published_tokenizers import ALL, LOSING, TELLING

from qwen_pl.any_tokenizer import end_of_text, going_on, num_ids, read_tokenizer
from qwen_pl.data.tokens.num_bytes import measured, tells_bytes, token_num_bytes


def random_texts(count: int) -> list[str]:
    """Of all planes, with runs of spaces and newlines, which each tokenizer treats otherwise."""
    chooser = random.Random(0)
    ranges = [(97, 123), (97, 123), (32, 127), (9, 11), (32, 33), (0xC0, 0x250), (0x400, 0x460)]
    ranges += [(0x4E00, 0x4E80), (0x1F300, 0x1F6FF), (0xE000, 0xE100), (0x10000, 0x10100)]
    return [
        "".join(
            chr(chooser.randrange(*chooser.choice(ranges))) for _ in range(chooser.randrange(1, 50))
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("kind", TELLING)
def test_the_bytes_of_the_ids_are_those_of_the_text(kind: str) -> None:
    tokenizer = read_tokenizer(TELLING[kind]().to_str(), kind)
    sizes, inside = token_num_bytes(tokenizer), going_on(tokenizer)
    assert tells_bytes(inside, sizes)
    assert sizes.dtype == np.int64 and sizes.shape == (num_ids(tokenizer),)
    assert sizes[end_of_text(tokenizer)] == 0
    for text in random_texts(300):
        ids = inside.encode(text, add_special_tokens=False).ids
        assert sizes[ids].sum() == len(text.encode()), text
        # The space that some put before a document counts as one of its bytes.
        ids = tokenizer.encode(text).ids
        has_prefix = inside is not tokenizer and not (text[0] == " " and kind != "llama2")
        assert sizes[ids].sum() == len(text.encode()) + has_prefix, text


@pytest.mark.parametrize("kind", LOSING)
def test_where_no_token_tells_its_bytes_those_of_the_text_are_measured(kind: str) -> None:
    tokenizer = read_tokenizer(LOSING[kind]().to_str(), kind)
    assert not tells_bytes(going_on(tokenizer), token_num_bytes(tokenizer))
    for text in random_texts(100):
        encoding = tokenizer.encode(text, add_special_tokens=False)
        totals = measured([text], [encoding], num_ids(tokenizer))
        assert totals.sum() == (len(text.encode()) if encoding.ids else 0)
        assert not np.delete(totals, encoding.ids).any()


def test_a_word_has_the_space_before_it_where_no_token_does() -> None:
    tokenizer = LOSING["bert"]()
    encoding = tokenizer.encode("It is a truth.\n\n", add_special_tokens=False)
    totals = measured(["It is a truth.\n\n"], [encoding], num_ids(tokenizer))
    shown = {tokenizer.id_to_token(int(i)): totals[i] for i in np.flatnonzero(totals)}
    assert (shown["it"], shown["is"], shown["a"], shown["."]) == (2, 3, 2, 3)


@pytest.mark.parametrize("kind", ALL)
def test_no_text_is_cut_off_or_filled_up(kind: str) -> None:
    text = "It is a truth universally acknowledged. " * 3
    tokenizer = read_tokenizer(ALL[kind]().to_str(), kind)
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch([text, "a"])]
    assert lengths[0] > 20 > lengths[1] and lengths[1] < 5
