"""What is held out: whole documents where there are ten, else blocks of text; and how much."""

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from document_maker import make_document

from qwen_pl.data.corpus.document import Document
from qwen_pl.data.tokens import splits
from qwen_pl.data.tokens.cuts import without_cuts
from qwen_pl.data.tokens.splits import Piece, piece_bytes
from qwen_pl.errors import InputError


def split_corpus(documents: list[Document], *args: float, **fractions: float) -> list[Piece]:
    return splits.split_corpus(documents, *args, **fractions).pieces


def shelf(folder: Path, count: int, paragraphs: int = 5) -> list[Document]:
    texts = [f"Paragraph {i:05} of a text." for i in range(paragraphs)]
    return [make_document(folder, f"book{i}", texts, group=i) for i in range(count)]


def sizes(documents: list[Document], pieces: list[Piece]) -> dict[str, int]:
    found = dict.fromkeys(("train", "val", "test"), 0)
    for piece, size in zip(pieces, piece_bytes(documents, pieces), strict=True):
        found[piece.split] += size
    return found


def texts(documents: list[Document], pieces: list[Piece]) -> list[tuple[int, str, str]]:
    """The paragraphs of the pieces, whole or in part: document, split and text."""
    found = []
    for piece in pieces:
        document = documents[piece.document]
        for first, end in document.kept(piece.first, piece.end):
            cuts = piece.cuts[0] * (first == piece.first), piece.cuts[1] * (end == piece.end)
            content = document.text.file.read_bytes()
            for row in without_cuts(document.index[first:end], cuts):
                text = content[row["start"] :][: row["num_bytes"]].decode()
                found.append((piece.document, piece.split, text))
    return found


def sentences(source: random.Random, size: int) -> str:
    """Prose of about ``size`` characters, no sentence of which occurs twice."""
    text = ""
    while len(text) < size:
        words = [f"w{source.randrange(10**9)}" for _ in range(source.randint(1, 12))]
        text += " ".join(words) + source.choice([". ", "! ", "?” "])
    return text.strip()


def unspaced(source: random.Random, size: int) -> str:
    """Chinese without any sign of punctuation."""
    return "".join(source.choices("的一是不了人我在有他这中大来上国", k=size))


def words(source: random.Random, size: int) -> str:
    """One sentence without an end."""
    return " ".join(source.choices(["some", "word", "another"], k=size // 5 + 1))


def is_fair(found: dict[str, int], val_fraction: float, test_fraction: float) -> bool:
    wanted = {"val": val_fraction, "test": test_fraction, "train": 1 - val_fraction - test_fraction}
    total = sum(found.values())
    return all(abs(found[k] / total - share) <= 0.2 * share for k, share in wanted.items())


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
    found = {piece.document: piece.split for piece in pieces}
    assert found[11] == "train"
    assert {"val", "test"} < set(found.values())


def test_copies_that_are_kept_stay_on_one_side(tmp_path: Path) -> None:
    texts = ["The same words."] * 5
    documents = [make_document(tmp_path, f"b{i}", texts, group=i // 2) for i in range(30)]
    pieces = split_corpus(documents, val_fraction=0.3, test_fraction=0.3)
    found = {piece.document: piece.split for piece in pieces}
    assert all(found[i] == found[i + 1] for i in range(0, 30, 2))


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


@pytest.mark.parametrize("make", [sentences, unspaced, words])
@pytest.mark.parametrize("shares", [[1.0], [0.25, 0.5, 0.25], [0.9, 0.1], [0.1] * 10])
@pytest.mark.parametrize("fractions", [(0.1, 0.0), (0.05, 0.05), (0.3, 0.4)])
def test_paragraphs_are_cut_where_they_are_too_long_for_the_shares(
    tmp_path: Path, make, shares: list[float], fractions: tuple[float, float]
) -> None:
    source = random.Random(0)
    document = make_document(tmp_path, "one", [make(source, int(4000 * part)) for part in shares])
    pieces = split_corpus([document], *fractions)
    assert is_fair(sizes([document], pieces), *fractions)


def test_paragraphs_are_cut_at_the_ends_of_sentences(tmp_path: Path) -> None:
    document = make_document(tmp_path, "one", [sentences(random.Random(1), 20_000)])
    found = texts([document], split_corpus([document], 0.1, 0.1))
    assert len(found) > 3
    assert all(re.search(r"[.!?]”?$", text) for _, _, text in found)
    assert [split for _, split, _ in found].count("val") == 1


@pytest.mark.parametrize("count", [1, 2, 5, 10, 12])
@pytest.mark.parametrize("seed", range(6))
def test_shares_are_those_asked_for_whatever_the_sizes(
    tmp_path: Path, count: int, seed: int
) -> None:
    source = random.Random(f"{count} {seed}")
    documents = []
    for number in range(count):
        makers = [
            source.choice([sentences, unspaced, words]) for _ in range(source.choice([1, 30]))
        ]
        own = [make(source, int(10 ** source.uniform(1, 4))) for make in makers]
        document = make_document(tmp_path, f"d{number}", own, group=number)
        if len(own) > 1 and source.random() < 0.5:  # something is left out of the corpus
            left_out = len(own[-2].encode()) + len(own[0].encode())
            gaps = ((0, 1), (len(own) - 2, len(own) - 1))
            document = replace(document, dropped=gaps, num_bytes=document.num_bytes - left_out)
        documents.append(document)
    fractions = source.choice([(0.1, 0.05), (0.05, 0.0), (0.0, 0.3), (0.4, 0.4)])
    pieces = split_corpus(documents, *fractions)
    assert is_fair(sizes(documents, pieces), *fractions)
    found = texts(documents, pieces)
    for number, document in enumerate(documents):
        whole = [text for first, end in document.kept() for text in document.texts(first, end)]
        assert "".join(whole) == "".join(text for own, _, text in found if own == number)
        assert all(text for _, _, text in found)


@pytest.mark.parametrize("giants", [1, 2])
def test_a_giant_among_ten_documents_is_held_out_in_part(tmp_path: Path, giants: int) -> None:
    large = [
        make_document(tmp_path, f"g{i}", [sentences(random.Random(i), 90_000)], group=100 + i)
        for i in range(giants)
    ]
    documents = [*shelf(tmp_path, 11), *large]
    pieces = split_corpus(documents, 0.1, 0.05)
    assert is_fair(sizes(documents, pieces), 0.1, 0.05)
    whole = {piece.document for piece in pieces if piece.split != "train" and piece.document < 11}
    assert {piece.document for piece in pieces if piece.split == "train"}.isdisjoint(whole)


@pytest.mark.parametrize("text", ["a", "one two", "的一"])
def test_a_text_too_short_for_a_part_is_refused(tmp_path: Path, text: str) -> None:
    document = make_document(tmp_path, "one", [text])
    with pytest.raises(InputError, match=r"leave none for val: .* data\.val_fraction"):
        split_corpus([document], val_fraction=0.01, test_fraction=0.01)
