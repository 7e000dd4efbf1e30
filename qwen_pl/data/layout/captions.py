"""Finds captions by their labels, in many languages: ``Figure 3:``, ``Табл. 2``."""

import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from qwen_pl.data.layout.measures import usual_leading, usual_size
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import LaidPage, Row, end_of
from qwen_pl.data.page.line import LineIndex

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

_PART = re.compile(r"\([a-h]\)\s+\S")
_LEADING = (
    1.45  # of the size: lines of a caption are no farther apart, unless those of the text are
)
_LONGEST_TITLE = 40  # letters of a piece
_NEAR = 3.0  # of the size


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
    Label(kind=<Kind.FIGURE: 'figure'>, sign=':', end=10)
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


def find_captions(pages: Sequence[LaidPage]) -> dict[LineIndex, int]:
    """For each row of a caption the number of the caption.

    A caption begins with a label where no paragraph goes on, and ends below a gap, with another
    size, or with a short last line. A label without a sign is one beside a table or a picture, or
    in a size of its own: else it begins a sentence. So do names of parts, as ``(a) Left``.
    """
    size = usual_size(page.rows for page in pages)
    leading = usual_leading((page.rows for page in pages), size)
    found: dict[LineIndex, int] = {}
    number = 0
    for page, laid in enumerate(pages):
        rows = laid.rows
        end = 0
        for index, row in enumerate(rows):
            if index < end or row.role is not Role.PROSE:
                continue
            if _begins_caption(laid, index, size, leading):
                number += 1
                end = _end_of_caption(rows, index, leading)
                begin = _first_title(laid, index)
                found.update(((page, at), number) for at in range(begin, end))
    return found


def _begins_caption(page: LaidPage, index: int, size: float, leading: float) -> bool:
    row = page.rows[index]
    label = label_of(row.text)
    if label is None:
        return _PART.match(row.text) is not None and _is_beside_picture(page, row)
    if label.sign == ":":
        return not _continues(page.rows, index, leading, certain=True)
    if _continues(page.rows, index, leading):
        return False
    if label.sign != " ":
        return True
    rest = row.text[label.end :]
    is_other_size = abs(row.size - size) > 0.03 * size
    return not rest[:1].islower() and (is_other_size or _is_beside_float(page, index))


def _first_title(page: LaidPage, index: int) -> int:
    """The index of the first of the rows before a caption that are titles of pictures above it."""
    caption = page.rows[index]
    first = index
    while first and _is_title(page.rows[first - 1], caption):
        first -= 1
    titles = page.rows[first:index]
    return first if titles and all(_is_beside_picture(page, row) for row in titles) else index


def _is_title(row: Row, caption: Row) -> bool:
    """Whether a row has a few words above a caption, set in or parted as titles of pictures are."""
    is_short = len(row.text) < _LONGEST_TITLE * len(row.pieces) and not row.text.endswith(".")
    is_apart = row.x > row.left + row.size or len(row.pieces) > 1
    is_alike = row.role is Role.PROSE and row.size < 1.1 * caption.size and row.y > caption.y
    return is_short and is_apart and is_alike


def _continues(rows: Sequence[Row], index: int, leading: float, certain: bool = False) -> bool:
    """Whether a row is within a paragraph: right below a full line that ends in mid-sentence.

    Where that must be ``certain``, the paragraph has to begin at the same place as well.
    """
    if not index:
        return False
    before, row = rows[index - 1], rows[index]
    if before.role is not Role.PROSE or abs(before.size - row.size) > 0.03 * row.size:
        return False
    is_next = 0 < before.y - row.y < 1.15 * max(leading, 1.2 * row.size)
    is_full = end_of(before) > before.right - 0.1 * (before.right - before.left)
    is_open = not before.text.rstrip("”\"')]").endswith((".", "!", "?", "。", ":"))
    is_same = abs(before.x - row.x) < 1
    return is_next and is_full and is_open and (is_same or not certain)


def _is_beside_float(page: LaidPage, index: int) -> bool:
    around = [page.rows[i] for i in (index - 1, index + 1) if 0 <= i < len(page.rows)]
    return any(row.role in (Role.TABLE, Role.FIGURE) for row in around) or _is_beside_picture(
        page, page.rows[index]
    )


def _is_beside_picture(page: LaidPage, row: Row) -> bool:
    """Whether a row stands right above or below something drawn, or within it."""
    reach = _NEAR * row.size
    return any(
        left < end_of(row) and row.x < right and lower - reach < row.y < upper + reach
        for left, lower, right, upper in page.pictures
    )


def _end_of_caption(rows: Sequence[Row], first: int, leading: float) -> int:
    """The index behind the last row of a caption."""
    widest = max(leading, _LEADING * rows[first].size) + 1
    label = label_of(rows[first].text)
    is_title = label is not None and label.end == len(rows[first].text)  # its text is below
    for index in range(first + 1, len(rows)):
        before, row = rows[index - 1], rows[index]
        drop = before.y - row.y
        is_other = row.role is not Role.PROSE or label_of(row.text) is not None
        is_apart = not 0 < drop < widest or abs(row.size - rows[first].size) > 0.06 * row.size
        is_beside = row.x > before.right or end_of(row) < before.left
        is_last = (
            before.text.endswith((".", "。")) and _is_short(before) and index > first + is_title
        )
        if is_other or is_apart or is_beside or is_last:
            return index
        widest = min(widest, 1.15 * drop + 1)
    return len(rows)


def _is_short(row: Row) -> bool:
    """Whether a row ends well before the end of its column, but for one in its middle."""
    free = row.right - end_of(row)
    is_centred = abs(free - (row.x - row.left)) < 0.05 * (row.right - row.left)
    return free > 0.1 * (row.right - row.left) and not is_centred
