import pytest

from qwen_pl.data.layout.captions import label_of


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
