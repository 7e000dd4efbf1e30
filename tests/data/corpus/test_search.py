"""Finding a sentence in a corpus, wherever the lines of the page or of a chunk break it."""

from pathlib import Path

import pytest
from document_maker import make_document

from qwen_pl.data.corpus import search
from qwen_pl.data.corpus.document import Document
from qwen_pl.data.corpus.search import Hit, find_text

PARAGRAPHS = ["It was the best of times,", "it was the worst.", "Caf\u00e9 “au lait”, she said."]


@pytest.fixture
def document(tmp_path: Path) -> Document:
    return make_document(tmp_path, "one", PARAGRAPHS, [2, 3, 5])


def places(hits: list[Hit]) -> list[tuple[int, int, int]]:
    return [(hit.document, hit.paragraph, hit.page) for hit in hits]


def find(documents: list[Document], text: str, *, exact: bool = True) -> list[Hit]:
    return list(find_text(documents, text, exact=exact))


def test_a_sentence_leads_to_its_document_and_page(document: Document, tmp_path: Path) -> None:
    other = make_document(tmp_path, "other", ["Nothing here.", "But it was the best."], [1, 9])
    assert places(find([document, other], "was the best")) == [(0, 0, 2), (1, 1, 9)]


def test_a_sentence_may_stand_where_its_paragraph_ends(document: Document) -> None:
    assert [hit.last_page for hit in find([document], "it was the", exact=False)] == [3, 5]
    assert [hit.last_page for hit in find([document], "times, it was")] == [5]
    assert [hit.last_page for hit in find([document], "she said")] == [5]


def test_a_sentence_may_go_on_in_the_next_paragraph(document: Document) -> None:
    [hit] = find([document], "of times,\n\nit was")
    assert hit.page == 2
    assert hit.context == "…It was the best of times, it was the worst. Café “au lait”, she said.…"


@pytest.mark.parametrize(
    "text", ["it  was\nthe worst", "it was\u00a0the worst", " worst. Cafe\u0301 "]
)
def test_white_space_and_composition_do_not_matter(document: Document, text: str) -> None:
    assert places(find([document], text)) == [(0, 1, 3)]


def test_capitals_and_kinds_of_quotes_matter_only_to_an_exact_search(document: Document) -> None:
    for text in ("it was the BEST", 'café "AU lait"'):
        assert find([document], text) == []
        assert len(find([document], text, exact=False)) == 1


def test_signs_of_a_pattern_are_looked_for_as_they_are(document: Document) -> None:
    assert find([document], "wor.t") == find([document], ".*", exact=False) == []


def test_what_the_corpus_leaves_out_is_not_found(tmp_path: Path) -> None:
    document = make_document(tmp_path, "one", PARAGRAPHS, [2, 3, 5], dropped=((1, 2),))
    assert find([document], "the worst") == []
    assert places(find([document], "of times, Café")) == [(0, 0, 2)]


@pytest.mark.parametrize("chunk_bytes", [1, 40, 100, 1000])
@pytest.mark.parametrize("text", ["ab", "b a", "ab ab ab ab ab ab ab ab ab ab ab ab", "ab " * 120])
def test_every_hit_comes_once_however_the_text_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int, text: str
) -> None:
    paragraphs = ["ab " * length + "ab" for length in range(30)]
    document = make_document(tmp_path, "one", paragraphs, range(1, 31))
    monkeypatch.setattr(search, "_CHUNK_BYTES", chunk_bytes)
    hits = find([document], text)
    whole = " ".join(paragraphs)
    assert len(hits) == whole.count(text.strip())
    begun, at = [], -len(text.strip())
    for _ in hits:
        at = whole.index(text.strip(), at + len(text.strip()))
        begun.append(at)
    starts = [len(" ".join(paragraphs[:n])) for n in range(30)]
    assert [hit.paragraph for hit in hits] == [sum(s < at for s in starts[1:]) for at in begun]
    assert all(text.strip() in hit.context for hit in hits)
