from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from qwen_pl.data.tokenizer import END_OF_TEXT, train_tokenizer
from qwen_pl.data.tokens import TextDocument, TokenFile, split_points, write_token_file

ONE = TextDocument(
    "one.pdf", ["The first page.", "Its second paragraph.", "Page three."], [1, 1, 3]
)
TWO = TextDocument("two.pdf", ["Another book altogether.", "It says <|endoftext|> too."], [2, 5])


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([p for d in (ONE, TWO) for p in d.paragraphs], vocab_size=300)


@pytest.fixture
def written(tmp_path: Path, tokenizer: Tokenizer) -> TokenFile:
    write_token_file(tmp_path / "tokens", [ONE, TWO], tokenizer, val_start=3, test_start=4)
    return TokenFile(tmp_path / "tokens")


def test_the_tokens_spell_the_documents_with_their_ends(
    written: TokenFile, tokenizer: Tokenizer
) -> None:
    text = tokenizer.decode(written.tokens.tolist(), skip_special_tokens=False)
    end = "\n\n" + END_OF_TEXT
    assert text == "\n\n".join(ONE.paragraphs) + end + "\n\n".join(TWO.paragraphs) + end


def test_paragraphs_give_the_ids_that_the_whole_text_gives(
    written: TokenFile, tokenizer: Tokenizer
) -> None:
    whole = tokenizer.encode("\n\n".join(ONE.paragraphs) + "\n\n").ids
    assert written.tokens[: len(whole)].tolist() == whole


def test_an_end_of_text_mark_inside_a_book_does_not_end_it(
    written: TokenFile, tokenizer: Tokenizer
) -> None:
    marks = written.tokens == tokenizer.token_to_id(END_OF_TEXT)
    assert marks.sum() == 2


def test_every_token_leads_back_to_its_document_and_page(
    written: TokenFile, tokenizer: Tokenizer
) -> None:
    def where(words: str) -> tuple[str, int]:
        before = tokenizer.decode(written.tokens.tolist(), skip_special_tokens=False).index(words)
        ends = np.cumsum([len(tokenizer.decode([i], False)) for i in written.tokens.tolist()])
        return written.locate(int(np.searchsorted(ends, before, side="right")))

    assert where("first page") == ("one.pdf", 1)
    assert where("second") == ("one.pdf", 1)
    assert where("three") == ("one.pdf", 3)
    assert where("Another") == ("two.pdf", 2)
    assert where("says") == ("two.pdf", 5)


def test_splits_meet_without_overlap_at_paragraphs(
    written: TokenFile, tokenizer: Tokenizer
) -> None:
    assert written.split("train")[0] == 0
    assert written.split("train")[1] == written.split("val")[0]
    assert written.split("val")[1] == written.split("test")[0]
    assert written.split("test")[1] == len(written.tokens)
    first, end = written.split("val")
    assert tokenizer.decode(written.tokens[first:end].tolist()) == TWO.paragraphs[0] + "\n\n"


def test_ids_take_two_bytes_each_while_they_fit(written: TokenFile) -> None:
    assert written.tokens.dtype == np.uint16
    assert (written.folder / "tokens.bin").stat().st_size == 2 * len(written.tokens)


def test_the_fingerprint_follows_the_tokens_and_the_splits(
    written: TokenFile, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    def fingerprint(name: str, documents: list[TextDocument], val_start: int) -> str:
        folder = tmp_path / name
        write_token_file(folder, documents, tokenizer, val_start=val_start, test_start=4)
        return TokenFile(folder).fingerprint

    assert fingerprint("same", [ONE, TWO], 3) == written.fingerprint
    assert fingerprint("split", [ONE, TWO], 2) != written.fingerprint
    assert fingerprint("order", [TWO, ONE], 3) != written.fingerprint


def test_nothing_held_out_leaves_everything_for_training() -> None:
    assert split_points([ONE, TWO], val_fraction=0.0, test_fraction=0.0) == (5, 5)
