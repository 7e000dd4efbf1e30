import pytest
from line_maker import across, laid_page, set_pieces, set_text, texts_of

from qwen_pl.data.layout.tables import find_tables
from qwen_pl.data.page.line import Box, Page

COLUMNS = [80.0, 200.0, 300.0]
NUMBERS = ["Model|Score|Cost", "A|23.7|1.0", "B|24.9|2.3"]
PROSE = set_text(["It is a truth universally acknowledged that a man in want of one"], top=760)


def tables(lines: Page, *rulings: Box) -> list[list[str]]:
    page = laid_page([*PROSE, *lines], rulings=rulings)
    return texts_of(page, find_tables([page]))


def test_rows_between_rulings_are_a_table_whatever_they_say() -> None:
    cells = set_pieces(["Name|Means", "One|a word", "Two|another"], columns=COLUMNS)
    assert tables(cells, *across(72, 350, 712, 696, 670)) == [
        ["Name Means", "One a word", "Two another"]
    ]


def test_rows_of_numbers_at_the_same_places_need_no_rulings() -> None:
    assert tables(set_pieces(NUMBERS, columns=COLUMNS)) == [
        ["Model Score Cost", "A 23.7 1.0", "B 24.9 2.3"]
    ]


def test_a_caption_tells_a_table_of_words() -> None:
    words = set_pieces(["Name|Means", "One|a word", "Two|another"], columns=COLUMNS)
    assert tables(words) == []
    assert tables([*set_text(["Table 1: Words"], top=712), *words]) != []


@pytest.mark.parametrize(
    "rows",
    [
        ["1.|The first thing that has to be said of it", "2.|The second thing", "3.|The third"],
        ["Ann Lee|Bob Roe|Cy Poe", "Bath|Hull|York", "ann@x.org|bob@x.org|cy@x.org"],
        NUMBERS[:2],
    ],
    ids=["list", "authors", "two rows"],
)
def test_what_only_stands_side_by_side_is_no_table(rows: list[str]) -> None:
    assert tables(set_pieces(rows, columns=COLUMNS)) == []


def test_rows_far_apart_are_no_table() -> None:
    assert tables(set_pieces(NUMBERS, columns=COLUMNS, leading=40)) == []
