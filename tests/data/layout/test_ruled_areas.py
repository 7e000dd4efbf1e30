import pytest
from line_maker import across, set_pieces, set_text

from qwen_pl.data.layout.ruled_areas import ruled_areas
from qwen_pl.data.page.line import Box, Page, Sheet

PAGE = (0.0, 0.0, 600.0, 800.0)
CELLS = set_pieces(
    ["Model|Score|Cost", "A|23.7|1.0", "B|24.9|2.3", "C|26.0|9.6"], columns=[80, 200, 300]
)
PROSE = [
    "It is a truth universally acknowledged that a man in want",
    "of a wife must be rich, as they say in the village at the bend",
]
LONG = [f"{text}|{text}" for text in 30 * PROSE]


def areas(lines: Page, *rulings: tuple[Box, ...]) -> list[Box]:
    return ruled_areas(Sheet(lines, PAGE, tuple(ruling for each in rulings for ruling in each)))


def test_a_table_is_between_its_first_and_its_last_ruling() -> None:
    assert areas(CELLS, across(72, 350, 712, 696, 660)) == [(72, 660, 350, 712)]


def test_a_sentence_between_two_grids_is_of_neither() -> None:
    other = [line._replace(y=line.y - 100) for line in CELLS]
    rulings = across(72, 350, 712, 660, 612, 560)
    bars = ((190.0, 660.0, 190.0, 712.0), (190.0, 560.0, 190.0, 612.0))
    between = set_text(PROSE[:1], top=640)
    assert areas(CELLS + between + other, rulings, bars) == [
        (72, 660, 350, 712),
        (72, 560, 350, 612),
    ]


def test_cells_may_be_sentences_of_several_lines_beside_their_heads() -> None:
    rows = [f"{head}|{text}" for head, text in zip(["Austen", ""], PROSE, strict=True)]
    cells = set_pieces(["Who|What she says", *rows], columns=[80, 200])
    assert areas(cells, across(72, 520, 712, 696, 660)) == [(72, 660, 520, 712)]
    items = set_pieces([f"•|{text}" for text in PROSE], columns=[80, 92])
    assert areas(items, across(72, 520, 712, 680)) == []


def test_a_ruling_may_be_drawn_in_parts() -> None:
    parts = across(72, 150, 712, 660) + across(150, 350, 712, 660)
    assert areas(CELLS, parts) == [(72, 660, 350, 712)]


def test_a_caption_between_two_tables_is_of_neither() -> None:
    other = [line._replace(y=line.y - 100) for line in CELLS]
    caption = set_text(["Table 2: Others"], top=640)
    rulings = across(72, 350, 712, 660, 612, 560)
    assert areas(CELLS + caption + other, rulings) == [(72, 660, 350, 712), (72, 560, 350, 612)]


@pytest.mark.parametrize(
    ("lines", "rulings"),
    [
        (set_text(PROSE), across(60, 400, 715, 670)),
        (set_pieces(LONG, columns=[72, 320], top=720), across(72, 530, 740, 20)),
        (set_text(["$ make", "$ make test"], font="CMTT10"), across(60, 400, 715, 670)),
        (CELLS, across(72, 350, 712)),
        (CELLS, across(72, 350, 760, 730)),
    ],
    ids=["box around text", "head and foot of two columns", "listing", "one ruling", "elsewhere"],
)
def test_other_rulings_make_no_table(lines: Page, rulings: tuple[Box, ...]) -> None:
    assert areas(lines, rulings) == []
