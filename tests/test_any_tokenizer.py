"""What is asked of any tokenizer has the same answer for each kind that is published."""

import json
from pathlib import Path

import pytest
from published_tokenizers import ALL
from tokenizers import Tokenizer, models

from qwen_pl.any_tokenizer import (
    ENDS_OF_TEXT,
    document_start,
    end_of_text,
    literal,
    num_ids,
    prompt_ids,
    read_tokenizer,
    unused_ids,
)
from qwen_pl.data.tokens.tokenizer import check_same_tokenizer, load_tokenizer, tokenizer_state
from qwen_pl.errors import InputError


@pytest.fixture(params=ALL)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return read_tokenizer(ALL[request.param]().to_str(), request.param)


def test_a_prompt_begins_as_a_document_and_goes_on(tokenizer: Tokenizer) -> None:
    start, end = document_start(tokenizer), end_of_text(tokenizer)
    assert prompt_ids(tokenizer, "") == (start or [end])
    ids = prompt_ids(tokenizer, "It is")
    assert ids[: len(start)] == start
    assert end not in ids and ids.count(start[0] if start else -1) == len(start)
    written_out = "".join(map(str, map(tokenizer.id_to_token, start))) + "It is"
    assert prompt_ids(tokenizer, written_out)[: len(start) + 1].count(start[0] if start else -1) < 2


def test_the_end_token_written_in_a_book_ends_nothing(tokenizer: Tokenizer) -> None:
    book = literal(tokenizer)
    for name in (*ENDS_OF_TEXT, "<s>", "[CLS]", "<bos>", "<|begin_of_text|>"):
        ids = book.encode(f"It {name} is {name}", add_special_tokens=False).ids
        assert ids
        assert tokenizer.token_to_id(name) not in ids


def test_every_row_is_a_token_or_unused(tokenizer: Tokenizer) -> None:
    rows = num_ids(tokenizer) + 7
    unused = set(unused_ids(tokenizer, rows))
    assert tokenizer.id_to_token(num_ids(tokenizer) - 1) is not None
    assert unused == {row for row in range(rows) if tokenizer.id_to_token(row) is None}


def test_what_ends_no_document_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(Tokenizer(models.BPE({"a": 0}, [])).to_str())
    with pytest.raises(InputError, match=r"tokenizer\.json has no token to end documents.*</s>"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[" * 9999, b'{"model": null}'])
def test_what_is_no_tokenizer_is_told_in_a_line(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^it is not a tokenizer: ") as error:
        read_tokenizer(content, "it")
    assert "\n" not in str(error.value)


def test_how_a_tokenizer_cuts_texts_off_makes_it_no_other(tmp_path: Path) -> None:
    published = ALL["cut_and_filled"]()
    (tmp_path / "tokenizer.json").write_text(published.to_str(), encoding="utf-8")
    tokenizer = load_tokenizer(tmp_path)
    assert json.loads(tokenizer.to_str())["truncation"] is None
    state = tokenizer_state(published, "there")  # as earlier versions have written it
    check_same_tokenizer(state, tokenizer, tmp_path, giver="it", way_out="none")
