"""What is held out: whole documents where there are ten, else blocks of text."""

from pathlib import Path

import pytest
from document_maker import make_document

from qwen_pl.data.corpus.document import Document
from qwen_pl.data.tokens.splits import Piece, split_corpus
from qwen_pl.errors import InputError


def shelf(folder: Path, count: int, paragraphs: int = 5) -> list[Document]:
    texts = [f"Paragraph {i:05} of a text." for i in range(paragraphs)]
    return [make_document(folder, f"book{i}", texts, group=i) for i in range(count)]


def sizes(documents: list[Document], pieces: list[Piece]) -> dict[str, int]:
    found = dict.fromkeys(("train", "val", "test"), 0)
    for piece in pieces:
        own = documents[piece.document].kept_bytes()[piece.first : piece.end]
        found[piece.split] += int(own.sum())
    return found


def test_ten_documents_are_split_by_document(tmp_path: Path) -> None:
    documents = shelf(tmp_path, 20)
    pieces = split_corpus(documents, val_fraction=0.1, test_fraction=0.05)
    assert all((piece.first, piece.end) == (0, 5) for piece in pieces)
    assert sorted(piece.document for piece in pieces) == list(range(20))
    assert [piece.split for piece in pieces] == ["train"] * 17 + ["val"] * 2 + ["test"]


def test_a_new_document_does_not_change_what_is_held_out(tmp_path: Path) -> None:
    documents = shelf(tmp_path, 21)
    held_out = []
    for some in (documents[:20], documents):
        pieces = split_corpus(some, val_fraction=0.2, test_fraction=0.0)
        held_out.append({some[p.document].source for p in pieces if p.split == "val"})
    assert len(held_out[0] - held_out[1]) <= 1


def test_one_huge_document_among_ten_is_trained_on(tmp_path: Path) -> None:
    huge = make_document(tmp_path, "huge", ["Very long. " * 500], group=11)
    documents = [*shelf(tmp_path, 11), huge]
    pieces = split_corpus(documents, val_fraction=0.1, test_fraction=0.1)
    splits = {piece.document: piece.split for piece in pieces}
    assert splits[11] == "train"
    assert {"val", "test"} < set(splits.values())


def test_copies_that_are_kept_stay_on_one_side(tmp_path: Path) -> None:
    texts = ["The same words."] * 5
    documents = [make_document(tmp_path, f"b{i}", texts, group=i // 2) for i in range(30)]
    pieces = split_corpus(documents, val_fraction=0.3, test_fraction=0.3)
    splits = {piece.document: piece.split for piece in pieces}
    assert all(splits[i] == splits[i + 1] for i in range(0, 30, 2))


def test_few_documents_are_split_in_blocks_all_over_the_text(tmp_path: Path) -> None:
    documents = shelf(tmp_path, 2, paragraphs=20_000)
    pieces = split_corpus(documents, val_fraction=0.1, test_fraction=0.05)
    held_out = [piece for piece in pieces if piece.split == "val"]
    assert len(held_out) == 4
    assert {piece.document for piece in held_out} == {0, 1}
    found = sizes(documents, pieces)
    assert found["val"] / sum(found.values()) == pytest.approx(0.1, abs=0.001)
    assert found["test"] / sum(found.values()) == pytest.approx(0.05, abs=0.001)


def test_every_paragraph_is_in_one_piece_and_in_order(tmp_path: Path) -> None:
    documents = shelf(tmp_path, 3, paragraphs=4000)
    pieces = split_corpus(documents, val_fraction=0.2, test_fraction=0.1)
    for number in range(3):
        own = [piece for piece in pieces if piece.document == number]
        covered = [i for piece in own for i in range(piece.first, piece.end)]
        assert covered == list(range(4000))


def test_nothing_held_out_leaves_everything_for_training(tmp_path: Path) -> None:
    for count in (2, 12):
        pieces = split_corpus(shelf(tmp_path, count), val_fraction=0.0, test_fraction=0.0)
        assert {piece.split for piece in pieces} == {"train"}


def test_a_block_is_not_held_out_of_a_text_that_is_there_twice(tmp_path: Path) -> None:
    groups = {"one": 0, "copy": 0, "own": 2}
    documents = [make_document(tmp_path, n, ["Words."] * 40, group=g) for n, g in groups.items()]
    pieces = split_corpus(documents, val_fraction=0.2, test_fraction=0.0)
    assert {piece.document for piece in pieces if piece.split == "val"} == {2}
    with pytest.raises(InputError, match=r"data\.duplicates\.documents"):
        split_corpus(documents[:2], val_fraction=0.2, test_fraction=0.0)
