"""Copies of documents and paragraphs that stand in several of them."""

from pathlib import Path

import numpy as np
import pytest
from document_maker import make_document

from qwen_pl.data.corpus.document import Document
from qwen_pl.data.corpus.duplicates import drop_repeated, find_copies, shingles, signature

LICENCE = "This text is licensed under terms that every file of the collection repeats in full."


def made_up(seed: int, paragraphs: int = 60) -> list[str]:
    random = np.random.default_rng(seed)
    words = ["".join(random.choice(list("abcdefghij"), 5)) for _ in range(3000)]
    return [" ".join(random.choice(words, 40)) for _ in range(paragraphs)]


def copies(folder: Path, *texts: list[str], similarity: float = 0.7) -> dict[int, int]:
    documents = [make_document(folder, f"d{i}", text) for i, text in enumerate(texts)]
    signatures = [signature(shingles(text)) for text in texts]
    return find_copies(list(zip(documents, signatures, strict=True)), similarity)


def test_the_same_text_in_other_paragraphs_is_a_copy(tmp_path: Path) -> None:
    text = made_up(0)
    longer = [" ".join(text[i : i + 2]) for i in range(0, len(text), 2)]
    assert copies(tmp_path, text, longer, made_up(1)) == {1: 0}


def test_a_text_with_one_word_in_thirty_changed_is_a_copy(tmp_path: Path) -> None:
    text = made_up(0)
    changed = [" ".join("x" if i % 30 == 7 else w for i, w in enumerate(p.split())) for p in text]
    assert copies(tmp_path, text, changed) == {1: 0}
    assert copies(tmp_path, text, changed, similarity=0.95) == {}


def test_half_of_another_text_is_no_copy(tmp_path: Path) -> None:
    assert copies(tmp_path, made_up(0), made_up(0)[:30] + made_up(1)[:30]) == {}


def test_a_copy_is_found_in_scripts_without_spaces(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    text = ["".join(chr(0x4E00 + int(i)) for i in random.integers(0, 900, 80)) for _ in range(40)]
    changed = [paragraph[:40] + "変" + paragraph[41:] for paragraph in text]
    other = ["".join(chr(0x4E00 + int(i)) for i in random.integers(0, 900, 80)) for _ in range(40)]
    assert copies(tmp_path, text, changed, other) == {1: 0}


def dropped(folder: Path, *texts: list[str]) -> list[list[str]]:
    """What ``drop_repeated`` leaves out of each text."""
    documents = [make_document(folder, f"d{i}", text) for i, text in enumerate(texts)]
    return [
        [text for first, end in document.dropped for text in document.texts(first, end)]
        for document in drop_repeated(documents)
    ]


def test_a_licence_is_kept_in_the_first_file_alone(tmp_path: Path) -> None:
    texts = [[*made_up(seed, 3), LICENCE] for seed in range(3)]
    assert dropped(tmp_path, *texts) == [[], [LICENCE], [LICENCE]]


def test_case_and_spaces_do_not_make_another_paragraph(tmp_path: Path) -> None:
    shouted = LICENCE.upper().replace(" ", "  ")
    assert dropped(tmp_path, [LICENCE], [shouted, "Own."]) == [[], [shouted]]


def test_what_a_text_repeats_itself_stays(tmp_path: Path) -> None:
    assert dropped(tmp_path, [LICENCE, "Own.", LICENCE], ["Other."]) == [[], []]


def test_short_lines_stay_unless_a_whole_title_page_is_repeated(tmp_path: Path) -> None:
    title = ["A Series", "of Useful Books", "published by the Society", "Chapter 1"]
    one = [*title, *made_up(0, 2), "“Yes.”"]
    two = [*title, *made_up(1, 2), "“Yes.”"]
    assert dropped(tmp_path, one, two) == [[], title]


def test_a_document_knows_what_is_left_of_it(tmp_path: Path) -> None:
    documents = [
        make_document(tmp_path, "a", [LICENCE]),
        make_document(tmp_path, "b", ["One.", LICENCE, "Two."]),
    ]
    kept: list[Document] = drop_repeated(documents)
    assert kept[1].kept() == [(0, 1), (2, 3)]
    assert kept[1].kept(1, 3) == [(2, 3)]
    assert kept[1].num_bytes == 8
    assert kept[1].kept_bytes().tolist() == [4, 0, 4]


def test_many_keys_are_compared_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_pl.data.corpus.duplicates._KEYS_AT_ONCE", 7)
    texts = [[*made_up(seed, 10), LICENCE, *made_up(9, 5)] for seed in range(3)]
    assert dropped(tmp_path, *texts) == [[], texts[1][10:], texts[2][10:]]
