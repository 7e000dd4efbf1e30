from collections.abc import Sequence

import pytest
from line_maker import laid_page, set_pieces, set_text, texts_of

from qwen_pl.data.layout.captions import find_captions, label_of
from qwen_pl.data.page.line import Box


@pytest.mark.parametrize(
    ("text", "kind", "sign", "rest"),
    [
        ("Figure 3: Two ways", "figure", ":", "Two ways"),
        ("Fig. 2. Two ways", "figure", ".", "Two ways"),
        ("Figure 1 | Two ways", "figure", ":", "Two ways"),
        ("Figure A.1. Two ways", "figure", ".", "Two ways"),
        ("Supplementary Figure S1. Two ways", "figure", ".", "Two ways"),
        ("Scheme 2", "figure", "", ""),
        ("TABLE III", "table", "", ""),
        ("Table 2-1 — Two ways", "table", ":", "Two ways"),
        ("Listing 4.2: Two ways", "listing", ":", "Two ways"),
        ("Algorithm 1 Two ways", "listing", " ", "Two ways"),
        ("Abbildung 3.1: Zwei Wege", "figure", ":", "Zwei Wege"),
        ("Tab. 3 – Zwei Wege", "table", ":", "Zwei Wege"),
        ("Tableau 2 – Deux", "table", ":", "Deux"),
        ("Figura 3. Dos", "figure", ".", "Dos"),
        ("Tabella 4: Due", "table", ":", "Due"),
        ("Рис. 2. Два", "figure", ".", "Два"),
        ("Таблица 3 — Два", "table", ":", "Два"),
        ("図 1 二つ", "figure", " ", "二つ"),
        ("表1-2：二", "table", ":", "二"),
        ("그림 3. 둘", "figure", ".", "둘"),
        ("Figure 3 shows two ways", "figure", " ", "shows two ways"),
    ],
)
def test_a_caption_is_told_by_its_label(text: str, kind: str, sign: str, rest: str) -> None:
    label = label_of(text)
    assert label is not None
    assert (label.kind.value, label.sign, text[label.end :]) == (kind, sign, rest)


@pytest.mark.parametrize(
    "text",
    ["Table of contents", "figure 3: small", "Figures are two", "3 Tables", "Map 3% of it", ""],
)
def test_other_text_has_no_label(text: str) -> None:
    assert label_of(text) is None


PROSE = set_text(4 * ["It is a truth universally acknowledged that a man in want of one"], top=600)
FULL = "x" * 64


def captions(
    *texts: str, gap: float = 30, size: float = 9, pictures: Sequence[Box] = ()
) -> list[list[str]]:
    """The captions found in lines below a paragraph, a gap above and behind them."""
    lines = set_text(texts, top=PROSE[-1].y - gap, size=size, leading=11)
    after = set_text(["And so it goes on, as it did before."], top=lines[-1].y - 30)
    page = laid_page([*PROSE, *lines, *after], pictures=pictures)
    return texts_of(page, find_captions([page]))


def test_a_caption_has_all_its_lines_and_no_more() -> None:
    lines = [f"Figure 1: Two ways {FULL}", f"and {FULL}", "and no more."]
    assert captions(*lines) == [lines]


def test_a_caption_in_the_size_of_the_text_ends_with_a_short_line() -> None:
    assert captions("Fig. 1. Two ways.", "It goes on here", size=10) == [["Fig. 1. Two ways."]]


def test_the_title_of_a_table_may_stand_below_its_label() -> None:
    assert captions("TABLE III.", "Two ways of writing.") == [
        ["TABLE III.", "Two ways of writing."]
    ]


def test_a_label_without_a_sign_needs_a_picture_beside_it_or_a_size_of_its_own() -> None:
    assert captions("Figure 1 Two ways") == [["Figure 1 Two ways"]]
    assert captions("Figure 1 Two ways", size=10) == []
    near = [(72.0, 540.0, 300.0, 560.0)]
    assert captions("Figure 1 Two ways", size=10, pictures=near) == [["Figure 1 Two ways"]]


def test_parts_of_a_figure_have_captions_of_their_own() -> None:
    assert captions("(a) Left ways", pictures=[(72.0, 540.0, 300.0, 560.0)]) == [["(a) Left ways"]]
    assert captions("(a) Left ways") == []


def test_titles_above_pictures_are_of_their_caption() -> None:
    titles = set_pieces(["Left way|Right way"], columns=[120, 240], top=700)
    caption = set_text(["Figure 1: (left) The one. (right) The other."], top=500)
    below = [line._replace(y=line.y - 200) for line in PROSE]
    pictures = [(100.0, 520.0, 340.0, 690.0)]
    page = laid_page([*titles, *caption, *below], pictures=pictures)
    expected = [["Left way Right way", "Figure 1: (left) The one. (right) The other."]]
    assert texts_of(page, find_captions([page])) == expected
    page = laid_page([*titles, *caption, *below])
    assert texts_of(page, find_captions([page])) == [expected[0][1:]]


@pytest.mark.parametrize(
    ("text", "gap"), [("Figure 1 shows both of them", 30), ("Table 2. And then it goes on", 12)]
)
def test_a_sentence_may_begin_with_a_label(text: str, gap: float) -> None:
    assert captions(text, gap=gap, size=10) == []
