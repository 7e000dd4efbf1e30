"""Preparing once: what is kept, what a change makes anew, what is held out."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from document_maker import make_document
from pdf_writer import made_up_pages, write_pdf

from qwen_pl.data.cleaning.clean_text import Cleaning
from qwen_pl.data.corpus.reading import ReadingSettings
from qwen_pl.data.prepare.prepare import Recipe, find_prepared, prepare, sample_paragraphs
from qwen_pl.data.tokens.splits import Piece
from qwen_pl.data.tokens.token_file import Passage
from qwen_pl.errors import InputError


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for seed, name in enumerate(("one.pdf", "two.pdf")):
        write_pdf(shelf / name, made_up_pages(4, seed))
    return shelf


def recipe(shelf: Path, **changes: object) -> Recipe:
    settings = {"source": str(shelf), "vocab_size": 300, "val_fraction": 0.2, "test_fraction": 0.1}
    return Recipe(**settings | changes)


def files(cache: Path) -> dict[str, int]:
    """Every file in the cache with the time it was written."""
    found = [path for path in cache.rglob("*") if path.is_file() and path.parent != cache]
    return {str(path.relative_to(cache)): path.stat().st_mtime_ns for path in found}


def changed(cache: Path, before: dict[str, int]) -> set[str]:
    """The kinds of files that are new or written again."""
    after = files(cache)
    return {Path(name).parts[0] for name in after if after[name] != before.get(name)}


def test_the_second_time_nothing_is_done(shelf: Path, tmp_path: Path) -> None:
    first = prepare(recipe(shelf), tmp_path / "cache")
    before = files(tmp_path / "cache")
    second = prepare(recipe(shelf), tmp_path / "cache")
    assert files(tmp_path / "cache") == before
    assert second == first


def test_a_cache_inside_the_source_is_no_source(shelf: Path) -> None:
    (shelf / "three.txt").write_text(" ".join(["A text about nothing at all."] * 40))
    first = prepare(recipe(shelf), shelf / "cache")
    again = prepare(recipe(shelf), shelf / "cache")
    assert not again.corpus.is_new
    assert len(again.documents) == 3
    assert again.tokens.fingerprint == first.tokens.fingerprint
    by_pattern = prepare(recipe(f"{shelf}/**/*.txt"), shelf / "cache")
    assert [Path(document.source).name for document in by_pattern.documents] == ["three.txt"]


def test_a_changed_pdf_is_read_again_and_the_others_are_not(shelf: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    prepare(recipe(shelf), cache)
    before = files(cache)
    write_pdf(shelf / "two.pdf", made_up_pages(4, seed=9))
    prepare(recipe(shelf), cache)
    new = [name for name in files(cache) if name not in before]
    assert sum(name.startswith("pages") for name in new) == 1
    assert sum(name.startswith("text") and name.endswith(".txt") for name in new) == 1


def test_another_cleaning_does_not_read_the_pdfs_again(shelf: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    prepare(recipe(shelf), cache)
    before = files(cache)
    cleaning = ReadingSettings(cleaning=Cleaning(running_heads=False))
    prepare(recipe(shelf, reading=cleaning), cache)
    assert changed(cache, before) - {"tokenizer", "tokens"} == {"text", "corpus"}


def test_another_vocabulary_leaves_the_text_alone(shelf: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    prepare(recipe(shelf), cache)
    before = files(cache)
    prepare(recipe(shelf, vocab_size=280), cache)
    assert changed(cache, before) - {"corpus"} == {"tokenizer", "tokens"}  # and the report


def test_a_report_written_again_shows_the_pages_that_it_showed(shelf: Path, tmp_path: Path) -> None:
    (shelf / "more").mkdir()
    shutil.copy(shelf / "one.pdf", shelf / "more")  # which shows nothing of its own
    report = prepare(recipe(shelf), tmp_path / "cache").corpus.report_file
    first = report.read_text()
    prepare(recipe(shelf, vocab_size=280), tmp_path / "cache")
    again = report.read_text()
    assert again != first  # it tells of the new tokens
    assert again.split("</dl>", 1)[1] == first.split("</dl>", 1)[1]
    assert first.count("<figure>") >= 2


def test_the_text_is_readable_and_the_tokens_spell_it(shelf: Path, tmp_path: Path) -> None:
    prepared = prepare(recipe(shelf), tmp_path / "cache")
    texts = [d.text.file.read_text(encoding="utf-8") for d in prepared.documents]
    assert made_up_pages(1)[0][0] in texts[0].replace("\n\n", " ")
    spelled = prepared.tokenizer().decode(prepared.tokens.tokens.tolist())
    assert spelled.split() == " ".join(texts).split()


def test_held_out_text_is_held_out_from_the_tokenizer_too(tmp_path: Path) -> None:
    common = "the cat sat on the mat and the dog sat on the cat " * 4
    secret = "xylophonist xylophonist xylophonist xylophonist"
    (tmp_path / "book.txt").write_text("\n\n".join([common] * 9 + [secret] * 5 + [common] * 9))
    pieces = {}
    for fraction in (0.0, 0.3):
        made = prepare(
            recipe(tmp_path / "book.txt", val_fraction=fraction, test_fraction=0.0),
            tmp_path / "cache",
        )
        pieces[fraction] = made.tokenizer().encode(" xylophonist").tokens
    assert len(pieces[0.0]) == 1
    assert len(pieces[0.3]) > 4


def test_a_document_leads_from_token_to_page(shelf: Path, tmp_path: Path) -> None:
    prepared = prepare(recipe(shelf), tmp_path / "cache")
    tokens = prepared.tokens
    assert tokens.documents == [str(shelf / "one.pdf"), str(shelf / "two.pdf")]
    count = len(tokens.tokens)
    assert tokens.passages(0, 1) == [Passage(str(shelf / "one.pdf"), 1, 1)]
    assert tokens.passages(count - 1, count) == [Passage(str(shelf / "two.pdf"), 4, 4)]
    pages = [tokens.passages(i, i + 1)[0].first_page for i in range(count // 2)]
    assert pages[: pages.index(4)] == sorted(pages[: pages.index(4)])


def test_files_without_text_are_left_out(shelf: Path, tmp_path: Path) -> None:
    write_pdf(shelf / "scan.pdf", [[], []])
    prepared = prepare(recipe(shelf), tmp_path / "cache")
    assert [Path(d.source).name for d in prepared.documents] == ["one.pdf", "two.pdf"]


def test_fractions_that_leave_nothing_to_train_on_are_refused(shelf: Path) -> None:
    with pytest.raises(InputError, match="leave nothing to train on"):
        recipe(shelf, val_fraction=0.6, test_fraction=0.4)


def test_a_tokenizer_is_trained_on_a_sample_spread_over_all_documents(tmp_path: Path) -> None:
    sizes = (300, 50, 1000)
    documents = [
        make_document(tmp_path, f"d{i}", [f"text {j:04} of {i}" for j in range(size)])
        for i, size in enumerate(sizes)
    ]
    pieces = [Piece(i, 0, size, "train") for i, size in enumerate(sizes)]
    sample = list(sample_paragraphs(documents, pieces, share=0.1))
    assert sample == list(sample_paragraphs(documents, pieces, share=0.1))
    assert [sum(f" of {i}\n" in text for text in sample) for i in range(3)] == [30, 5, 100]
    places = [int(text.split()[1]) for text in sample if " of 2\n" in text]
    assert {b - a for a, b in pairwise(places)} == {10}
    assert len(list(sample_paragraphs(documents, pieces, share=1.0))) == sum(sizes)


def test_max_train_bytes_bounds_what_a_tokenizer_sees(tmp_path: Path) -> None:
    words = [f"{'x' * (i % 13)}{i}" for i in range(4000)]
    paragraphs = [" ".join(words[i : i + 10]) for i in range(0, 4000, 10)]
    (tmp_path / "book.txt").write_text("\n\n".join(paragraphs))
    made = {
        size: prepare(recipe(tmp_path / "book.txt", max_train_bytes=size), tmp_path / "cache")
        for size in (2000, 1_000_000)
    }
    assert made[2000].tokenizer_dir != made[1_000_000].tokenizer_dir
    merges = [(m.tokenizer_dir / "merges.txt").read_text() for m in made.values()]
    assert merges[0] != merges[1]


def test_what_is_prepared_is_found_and_what_is_not_is_not(shelf: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    assert find_prepared(recipe(shelf), cache) is None
    made = prepare(recipe(shelf), cache)
    assert find_prepared(recipe(shelf), cache) == made
    assert find_prepared(recipe(shelf, vocab_size=290), cache) is None
    write_pdf(shelf / "two.pdf", made_up_pages(4, seed=9))
    assert find_prepared(recipe(shelf), cache) is None
