"""Any tokenizer, ours or a published one, writes each document as it cuts it as a whole."""

import json
from pathlib import Path

import numpy as np
import pytest
from document_maker import make_document
from published_tokenizers import ALL, LOSING

from qwen_pl.any_tokenizer import document_start, end_of_text, num_ids, read_tokenizer
from qwen_pl.data.tokens.encoder import tokens_version
from qwen_pl.data.tokens.splits import Piece
from qwen_pl.data.tokens.token_file import Passage, TokenFile
from qwen_pl.data.tokens.write import write_token_file

ONE = ["It is a truth.", "Universally acknowledged, naïve 真理!", " that </s> [SEP] <eos>  wants"]
TWO = ["def want():", "    pass\n\n\n    return 'of a wife'", "It is."]
NEWLINES = [1, 3, 2]  # before each of them: code goes on, and a blank line more than between others
TWO_WHOLE = "def want():\n\n\n    pass\n\n\n    return 'of a wife'\n\nIt is.\n\n"
# The first document is held out in its middle, where it goes on.
PIECES = [Piece(0, 0, 1, "train"), Piece(0, 1, 2, "val"), Piece(0, 2, 3, "train")]
PIECES += [Piece(1, 0, 3, "train")]


@pytest.mark.parametrize("kind", ALL)
def test_a_document_begins_once_and_goes_on_as_in_the_whole_text(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(ALL[kind]().to_str(), encoding="utf-8")
    documents = [make_document(tmp_path, "one", ONE, [1, 2, 3])]
    documents += [make_document(tmp_path, "two", TWO, [1, 4, 4], NEWLINES)]
    write_token_file(tmp_path / "tokens", documents, PIECES, file)
    written = TokenFile(tmp_path / "tokens")
    tokenizer = read_tokenizer(file.read_bytes(), file)
    tokens, end, start = written.tokens.tolist(), end_of_text(tokenizer), document_start(tokenizer)

    assert tokens.count(end) == 2
    ((first, train), (val, last)) = written.split("train")
    assert (first, last, written.end_of_text) == (0, len(tokens), end)
    ends = [index for index, token in enumerate(tokens) if token == end]
    assert tokens[: len(start)] == start == tokens[ends[0] + 1 : ends[0] + 1 + len(start)]
    assert start == [] or tokens.count(start[0]) == 2
    tokenizer.encode_special_tokens = True
    assert kind in LOSING or tokens == [
        token
        for text in ("\n\n".join(ONE) + "\n\n", TWO_WHOLE)
        for token in [
            *start,
            *tokenizer.encode(text, add_special_tokens=False).ids,
            end,
        ]
    ]
    assert written.passages(train, val) == [Passage("one.pdf", 2, 2)]
    assert written.passages(ends[0] + 1, ends[0] + 2) == [Passage("two.pdf", 1, 1)]

    assert len(written.num_bytes) == num_ids(tokenizer)
    num_bytes = len("".join([*(f"{text}\n\n" for text in ONE), TWO_WHOLE]).encode())
    has_space = kind in ("roberta", "llama2", "mistral")  # one before each document
    assert written.num_bytes[tokens].sum() == pytest.approx(num_bytes + 2 * has_space)
    assert written.tokens.dtype == (np.uint32 if kind == "with_holes" else np.uint16)


def test_what_is_kept_of_tokenizers_like_ours_stays_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    versions = {}
    for kind, make in ALL.items():
        file.write_text(make().to_str(), encoding="utf-8")
        versions[kind] = tokens_version(file)
    plain = versions.pop("gpt2")
    assert len(plain) == 1
    assert all(version != plain for version in versions.values()), versions
    description = json.loads(ALL["gpt2"]().to_str())
    description["truncation"] = json.loads(ALL["cut_and_filled"]().to_str())["truncation"]
    file.write_text(json.dumps(description))
    assert tokens_version(file) != plain
