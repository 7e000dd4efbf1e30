"""The token file: what is in it, where it leads back to, and that processes do not change it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from document_maker import make_document
from tokenizers import Tokenizer

from qwen_pl.data.corpus.document import Document
from qwen_pl.data.tokens.splits import Piece
from qwen_pl.data.tokens.token_file import Passage, TokenFile
from qwen_pl.data.tokens.tokenizer import save_tokenizer, train_tokenizer
from qwen_pl.data.tokens.write import write_token_file
from qwen_pl.qwen_tokenizer import END_OF_TEXT

ONE = ["The first page.", "Its second paragraph.", "Page three."]
TWO = ["Another book altogether.", "It says <|endoftext|> too."]
PIECES = [Piece(0, 0, 3, "train"), Piece(1, 0, 1, "val"), Piece(1, 1, 2, "test")]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(ONE + TWO, vocab_size=300)


@pytest.fixture(scope="module")
def tokenizer_file(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "tokenizer"
    save_tokenizer(tokenizer, folder)
    return folder / "tokenizer.json"


@pytest.fixture
def documents(tmp_path: Path) -> list[Document]:
    return [
        make_document(tmp_path, "one", ONE, [1, 1, 3]),
        make_document(tmp_path, "two", TWO, [2, 5]),
    ]


@pytest.fixture
def written(tmp_path: Path, documents: list[Document], tokenizer_file: Path) -> TokenFile:
    write_token_file(tmp_path / "tokens", documents, PIECES, tokenizer_file)
    return TokenFile(tmp_path / "tokens")


def test_the_tokens_spell_the_documents_with_their_ends(
    written: TokenFile, tokenizer: Tokenizer
) -> None:
    text = tokenizer.decode(written.tokens.tolist(), skip_special_tokens=False)
    end = "\n\n" + END_OF_TEXT
    assert text == "\n\n".join(ONE) + end + "\n\n".join(TWO) + end


def test_a_paragraph_that_is_cut_has_all_its_text_once_with_one_end(
    tmp_path: Path, tokenizer: Tokenizer, tokenizer_file: Path
) -> None:
    texts = ["The first page. Its second sentence.", "Page three.", "The end. Really."]
    document = make_document(tmp_path, "cut", texts, [1, 2, 4])
    pieces = [
        Piece(0, 0, 1, "train", (0, 21)),
        Piece(0, 0, 1, "val", (15, 10)),
        Piece(0, 0, 3, "train", (26, 8)),
        Piece(0, 2, 3, "test", (8, 0)),
    ]
    write_token_file(tmp_path / "cut", [document], pieces, tokenizer_file)
    written = TokenFile(tmp_path / "cut")
    spans = {name: written.split(name) for name in ("train", "val", "test")}
    spelled = {
        name: [tokenizer.decode(written.tokens[a:b].tolist(), False) for a, b in own]
        for name, own in spans.items()
    }
    assert spelled == {
        "train": ["The first page.", " sentence.\n\nPage three.\n\nThe end."],
        "val": [" Its second"],
        "test": [f" Really.\n\n{END_OF_TEXT}"],
    }
    [(first, _)] = spans["test"]
    assert written.passages(first - 1, first + 1) == [Passage("cut.pdf", 4, 4)]


def test_paragraphs_give_the_ids_that_the_whole_text_gives(
    written: TokenFile, tokenizer: Tokenizer
) -> None:
    whole = tokenizer.encode("\n\n".join(ONE) + "\n\n").ids
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
        token = int(np.searchsorted(ends, before, side="right"))
        (passage,) = written.passages(token, token + 1)
        assert passage.first_page == passage.last_page
        return passage.source, passage.first_page

    assert where("first page") == ("one.pdf", 1)
    assert where("second") == ("one.pdf", 1)
    assert where("three") == ("one.pdf", 3)
    assert where("Another") == ("two.pdf", 2)
    assert where("says") == ("two.pdf", 5)


def test_a_stretch_of_tokens_leads_to_every_document_and_page_it_has_some_of(
    written: TokenFile,
) -> None:
    ((_, one_ends),) = written.split("train")
    one, two = Passage("one.pdf", 1, 3), Passage("two.pdf", 2, 5)
    assert written.passages(0, len(written.tokens)) == [one, two]
    assert written.passages(0, one_ends) == [one]
    assert written.passages(0, 1) == [Passage("one.pdf", 1, 1)]
    ends = [Passage("one.pdf", 3, 3), Passage("two.pdf", 2, 2)]
    assert written.passages(one_ends - 1, one_ends + 1) == ends


def test_splits_meet_without_overlap_at_paragraphs(
    written: TokenFile, tokenizer: Tokenizer
) -> None:
    ((start, val),) = written.split("train")
    ((first, end),) = written.split("val")
    ((test, last),) = written.split("test")
    assert (start, val, end, last) == (0, first, test, len(written.tokens))
    assert tokenizer.decode(written.tokens[first:end].tolist()) == TWO[0] + "\n\n"


def test_the_file_knows_the_bytes_per_token_of_what_is_held_out(
    written: TokenFile, tokenizer: Tokenizer
) -> None:
    text = "".join(paragraph + "\n\n" for paragraph in TWO)
    (first, _), (_, end) = written.split("val")[0], written.split("test")[0]
    assert written.bytes_per_token == pytest.approx(len(text.encode()) / (end - first))


def test_ids_take_two_bytes_each_while_they_fit(written: TokenFile) -> None:
    assert written.tokens.dtype == np.uint16
    assert (written.folder / "tokens.bin").stat().st_size == 2 * len(written.tokens)


def test_more_than_65536_ids_take_four_bytes(
    tmp_path: Path, documents: list[Document], tokenizer: Tokenizer
) -> None:
    large = Tokenizer.from_str(tokenizer.to_str())
    large.add_tokens([f"<{i}>" for i in range(1 << 16)])
    save_tokenizer(large, tmp_path / "large")
    write_token_file(tmp_path / "t", documents, PIECES, tmp_path / "large" / "tokenizer.json")
    assert TokenFile(tmp_path / "t").tokens.dtype == np.uint32


def test_the_fingerprint_follows_the_tokens_and_the_splits(
    written: TokenFile, documents: list[Document], tokenizer_file: Path, tmp_path: Path
) -> None:
    def fingerprint(name: str, documents: Sequence[Document], pieces: Sequence[Piece]) -> str:
        write_token_file(tmp_path / name, documents, pieces, tokenizer_file)
        return TokenFile(tmp_path / name).fingerprint

    other_split = [PIECES[0], Piece(1, 0, 1, "test"), Piece(1, 1, 2, "val")]
    other_order = [Piece(1, 0, 2, "train"), Piece(0, 0, 3, "train")]
    assert fingerprint("same", documents, PIECES) == written.fingerprint
    assert fingerprint("split", documents, other_split) != written.fingerprint
    assert fingerprint("order", documents, other_order) != written.fingerprint


def test_paragraphs_left_out_are_not_in_the_file(
    tmp_path: Path, tokenizer: Tokenizer, tokenizer_file: Path
) -> None:
    shorter = [make_document(tmp_path, "one", ONE, dropped=((1, 2),))]
    write_token_file(tmp_path / "tokens", shorter, [Piece(0, 0, 3, "train")], tokenizer_file)
    text = tokenizer.decode(TokenFile(tmp_path / "tokens").tokens.tolist())
    assert text == f"{ONE[0]}\n\n{ONE[2]}\n\n"


def test_the_files_are_the_same_for_any_number_of_processes(
    tmp_path: Path, tokenizer_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_pl.data.tokens.write._PART_BYTES", 3000)
    monkeypatch.setattr("qwen_pl.data.tokens.write._SMALL_BYTES", 0)
    random = np.random.default_rng(3)
    words = [f"word{i}" for i in range(100)]
    documents, pieces = [], []
    for number in range(7):
        texts = [" ".join(random.choice(words, 30)) for _ in range(40)]
        documents.append(make_document(tmp_path, f"d{number}", texts, list(range(1, 41))))
        pieces += [Piece(number, 0, 13, "train"), Piece(number, 13, 40, "val")]
    contents = []
    for num_proc in (1, 2, 3):
        folder = tmp_path / str(num_proc) / "tokens"
        write_token_file(folder, documents, pieces, tokenizer_file, num_proc=num_proc)
        contents.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert contents[0] == contents[1] == contents[2]
    monkeypatch.undo()  # and the same as in a single part
    write_token_file(tmp_path / "whole", documents, pieces, tokenizer_file)
    whole, cut = TokenFile(tmp_path / "whole"), TokenFile(tmp_path / "1/tokens")
    assert whole.tokens.tolist() == cut.tokens.tolist()
    assert whole.fingerprint == cut.fingerprint
    positions = range(0, len(cut.tokens), 17)
    assert [whole.passages(i, i + 1) for i in positions] == [
        cut.passages(i, i + 1) for i in positions
    ]


def test_a_paragraph_larger_than_a_part_ends_its_document_once(
    tmp_path: Path, tokenizer: Tokenizer, tokenizer_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_pl.data.tokens.write._PART_BYTES", 50)
    texts = ["A short one.", "A long one, " * 20, "Short again.", "And at the end " * 20]
    documents = [make_document(tmp_path, name, texts) for name in ("one", "two")]
    pieces = [Piece(0, 0, 4, "train"), Piece(1, 0, 4, "train")]
    write_token_file(tmp_path / "tokens", documents, pieces, tokenizer_file)
    written = TokenFile(tmp_path / "tokens")
    text = tokenizer.decode(written.tokens.tolist(), skip_special_tokens=False)
    assert text == 2 * ("".join(t + "\n\n" for t in texts) + END_OF_TEXT)


def test_parts_that_are_there_are_not_made_again(
    tmp_path: Path, documents: list[Document], tokenizer_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("qwen_pl.data.tokens.write.join_parts", killed)
        write_token_file(tmp_path / "tokens", documents, PIECES, tokenizer_file)
    assert not (tmp_path / "tokens").exists()
    (part,) = (tmp_path / "tokens.parts").iterdir()
    made = part.stat().st_mtime_ns
    times = []

    def join(*args: object) -> None:
        times.append(part.stat().st_mtime_ns)

    with monkeypatch.context() as patch:
        patch.setattr("qwen_pl.data.tokens.write.join_parts", join)
        write_token_file(tmp_path / "tokens", documents, PIECES, tokenizer_file)
    assert times == [made]


def test_the_index_is_the_same_however_many_tokens_are_counted_at_once(
    tmp_path: Path,
    documents: list[Document],
    written: TokenFile,
    tokenizer_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qwen_pl.data.tokens.write._TOKENS_AT_ONCE", 5)
    write_token_file(tmp_path / "again", documents, PIECES, tokenizer_file)
    again = TokenFile(tmp_path / "again")
    assert again.fingerprint == written.fingerprint
    held_out = len("".join(TWO).encode()) + 4  # two blank lines
    tokens = written.num_tokens("val") + written.num_tokens("test")
    assert again.bytes_per_token == written.bytes_per_token == held_out / tokens
