"""One file into the cache: large text files, what is kept, and what is tried again."""

from pathlib import Path

import pytest
from pdf_writer import made_up_pages, write_pdf

from qwen_pl.data.cache_dir import CacheDir
from qwen_pl.data.corpus.document import Document
from qwen_pl.data.corpus.reading import FileText, ReadingSettings, read_file
from qwen_pl.data.corpus.sources import ContentHashes, SourceFile
from qwen_pl.files import sha256


def read(path: Path, **reading: object) -> FileText:
    file = SourceFile(path, sha256(path))
    return read_file(file, ReadingSettings(**reading), CacheDir(path.parent / "cache"))


def paragraphs(read: FileText) -> list[str]:
    document = Document("x", "", read.text, read.num_paragraphs, read.num_bytes)
    return document.texts(0, read.num_paragraphs)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_large_text_is_cleaned_in_chunks_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr("qwen_pl.data.corpus.reading.CHUNK_CHARACTERS", 100)
    texts = [f"Paragraph {i} é 字 " + "word " * (i % 9) + "end." for i in range(60)]
    (tmp_path / "long.txt").write_text("\n\n".join(texts), encoding=encoding)
    found = read(tmp_path / "long.txt")
    assert paragraphs(found) == texts
    assert found.report.characters == sum(map(len, texts))
    assert found.report.status == "ok"


def test_a_form_feed_begins_a_page_in_whatever_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_pl.data.corpus.reading.CHUNK_CHARACTERS", 40)
    text = "\f".join(f"On page {i} it says this.\n\n" for i in range(1, 8))
    (tmp_path / "paged.txt").write_text(text)
    found = read(tmp_path / "paged.txt")
    document = Document("x", "", found.text, found.num_paragraphs, found.num_bytes)
    assert document.index["page"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert found.report.pages == 7


def test_a_text_of_a_single_line_is_cut_between_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_pl.data.corpus.reading.CHUNK_CHARACTERS", 100)
    words = [f"word{i}" for i in range(200)]
    (tmp_path / "line.txt").write_text(" ".join(words))
    assert " ".join(paragraphs(read(tmp_path / "line.txt"))).split() == words


def test_the_same_content_under_another_name_is_not_read_again(tmp_path: Path) -> None:
    write_pdf(tmp_path / "one.pdf", made_up_pages(2))
    first = read(tmp_path / "one.pdf")
    (tmp_path / "one.pdf").rename(tmp_path / "moved.pdf")
    pages = list((tmp_path / "cache" / "pages").iterdir())
    before = pages[0].stat().st_mtime_ns
    second = read(tmp_path / "moved.pdf")
    assert second.report.path.endswith("moved.pdf")
    assert paragraphs(second) == paragraphs(first)
    assert pages[0].stat().st_mtime_ns == before


def test_half_written_text_is_not_taken_for_whole(tmp_path: Path) -> None:
    """Whatever is there without its record, which is written last, is made again."""
    write_pdf(tmp_path / "one.pdf", made_up_pages(2))
    whole = read(tmp_path / "one.pdf")
    file = whole.text.file
    text = file.read_bytes()
    file.write_bytes(text[:50])
    file.with_suffix(".json").unlink()
    assert read(tmp_path / "one.pdf").text.file.read_bytes() == text


def test_a_hash_is_remembered_until_the_file_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("first")
    hashes = ContentHashes(tmp_path / "files.json")
    first = hashes.of(tmp_path / "a.txt")
    hashes.save()
    assert first == sha256(tmp_path / "a.txt")
    hashed = []
    monkeypatch.setattr(
        "qwen_pl.data.corpus.sources.sha256",
        lambda path: hashed.append(path) or sha256(path),
    )
    again = ContentHashes(tmp_path / "files.json")
    assert again.of(tmp_path / "a.txt") == first
    assert hashed == []
    (tmp_path / "a.txt").write_text("other")  # of the same size
    assert again.of(tmp_path / "a.txt") == sha256(tmp_path / "a.txt") != first
