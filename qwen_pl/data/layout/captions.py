"""Tells captions by their labels, in many languages: ``Figure 3:``, ``Табл. 2``."""

import re
from enum import Enum
from typing import NamedTuple

_FIGURE_WORDS = (
    # English, and what it shares with others
    "figures?|figs?|schemes?|chart|graph|plate|photo|photograph|image|illustration|diagram|map"
    "|exhibit"
    # German, Dutch, Scandinavian, Finnish
    "|abbildung|abb|bild|grafik|schema|diagramm|karte|foto|afbeelding|afb|figuur|figur|kuvio|kuva"
    # French, Spanish, Italian, Portuguese, Indonesian, Vietnamese
    "|schéma|graphique|carte|figura|ilustración|gráfic[oa]|esquema|imagen|imagem|mapa|grafico"
    "|immagine|illustrazione|ilustração|gambar|hình"
    # Russian, Ukrainian, Polish, Czech, South Slavic, Turkish, Greek
    "|рисунок|рис|схема|график|диаграмма|фото|rysunek|rys|obrázek|obr|slika|şekil|σχήμα|εικόνα"
)
_TABLE_WORDS = (
    "tables?|tab|tabl|tabelle|tableau|tabla|cuadro|tabella|tabela|quadro|tabelul|tabel|tabell"
    "|taulukko|tabulka|таблица|табл|таблиця|tablo|çizelge|πίνακας|bảng"
)
_LISTING_WORDS = (
    "listing|algorithm|algorithmus|algorithme|algoritmo|листинг|алгоритм|quelltext|código|code"
    "|program|procedure"
)
_NUMBER = (
    r"(?:(?:[A-Z]{1,2}[.-]?)?\d{1,3}(?:[.\-–]\d{1,3}){0,3}[a-z]?|[IVXLC]{1,6}(?:[.\-–]\d{1,3})?"
    r"|[A-Z](?:[.\-–]\d{1,3}){0,2})(?![\w%°])"
)
_LABEL = re.compile(
    r"(?:(?:supplementary|supplemental|extended data|appendix|online)\s)?"
    rf"(?:(?P<figure>{_FIGURE_WORDS})|(?P<table>{_TABLE_WORDS})|(?P<listing>{_LISTING_WORDS}))"
    rf"(?:\.\s?|\s|\s?(?=\d))\s?(?-i:{_NUMBER})",
    re.IGNORECASE,
)
_EAST_ASIAN_LABEL = re.compile(
    r"(?:附)?(?:(?P<figure>[图圖図]|그림)|(?P<table>表|표)|(?P<listing>代码|算法|リスト))\s?"
    r"[A-Z]?\d{1,3}(?:[.\-–‑－．]\d{1,3}){0,3}(?![\d年月日])"
)
_SIGN = re.compile(r"\s?[:|：]\s*|\s?[—–-]+\s+|\s?[.．。](?:\s+|$)|$|\s+")


class Kind(str, Enum):
    """What a caption belongs to."""

    FIGURE = "figure"
    TABLE = "table"
    LISTING = "listing"


class Label(NamedTuple):
    """What a caption begins with."""

    kind: Kind
    sign: str
    """What follows: ``:`` for all that only a caption has, ``.``, nothing at the end of a line, or
    a space: then a sentence may begin so."""
    end: int
    """Where the text after label and sign begins."""


def label_of(text: str) -> Label | None:
    """The label that a text begins with.

    >>> label_of("Figure 3: Two ways")
    Label(kind=<Kind.FIGURE: 'figure'>, sign=':', end=9)
    >>> label_of("Tables are 3 of them"), label_of("figure 3 shows")
    (None, None)
    """
    first = text[:1]
    if first.islower() or not first.isalpha():
        return None
    match = _EAST_ASIAN_LABEL.match(text) if first > "\u1100" else _LABEL.match(text)
    if match is None or match.lastgroup is None:
        return None
    sign = _SIGN.match(text, match.end())
    if sign is None:
        return None
    shown = sign[0].strip()
    return Label(
        Kind(match.lastgroup),
        "." if shown in tuple(".．。") else ":" if shown else sign[0][:1],
        sign.end(),
    )
