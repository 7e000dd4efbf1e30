from collections.abc import Sequence

import pytest
from line_maker import laid_page, set_pieces, set_text

from qwen_pl.data.cleaning.blocks import block_paragraphs, formula_text
from qwen_pl.data.cleaning.hyphens import LineJoiner
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.page.line import Line, Page

COLUMNS = [80.0, 200.0, 340.0]


def written(role: Role, lines: Page) -> str:
    joiner = LineJoiner(["a hyphenated word"], True)
    [paragraph] = block_paragraphs(role, laid_page(lines).rows, 1, joiner)
    assert (paragraph.role, paragraph.page) == (role, 1)
    return paragraph.text


def table(rows: Sequence[str], drops: Sequence[float] = ()) -> str:
    lines = set_pieces(rows, columns=COLUMNS)
    heights = {700 - 12 * n: 700 - sum(drops[: n + 1]) for n in range(len(rows)) if drops}
    return written(Role.TABLE, [line._replace(y=heights.get(line.y, line.y)) for line in lines])


def code(texts: list[str], **place: float) -> str:
    return written(Role.CODE, set_text(texts, font="CMTT10", **place))


def test_a_row_of_a_table_is_a_line_and_bars_part_its_cells() -> None:
    assert table(["Model|Score|Cost", "A|23.7|1.0"]) == "Model | Score | Cost\nA | 23.7 | 1.0"


def test_an_empty_cell_keeps_its_place() -> None:
    assert table(["A|B|C", "|1|", "2||3"]) == "A | B | C\n| 1 |\n2 | | 3"


def test_a_cell_on_several_lines_is_one_where_rows_are_farther_apart() -> None:
    rows = ["One|the first of hyphen-|1", "|ated words|", "Two|the next|2"]
    assert table(rows, [0, 12, 20]) == "One | the first of hyphenated words | 1\nTwo | the next | 2"
    assert table(rows, [0, 12, 12]).count("\n") == 2


def test_pieces_close_together_are_one_cell() -> None:
    power = Line("2", 345, 702, 6, 348, "Serif")
    lines = set_pieces(["A|B|C", "1|2|x"], columns=COLUMNS)
    assert written(Role.TABLE, [*lines, power._replace(y=lines[-1].y)]) == "A | B | C\n1 | 2 | x2"


def test_code_keeps_its_indentation_its_spaces_and_its_blank_lines() -> None:
    lines = ["def f(x):", "    if x:  # so", "        y()", "", "    z()"]
    assert code(lines) == "\n".join(lines)


@pytest.mark.parametrize("margin", [72.0, 90.5])
def test_code_that_goes_on_over_a_page_keeps_its_indentation(margin: float) -> None:
    first = laid_page(set_text(["def f(x):", "    y()"], font="CMTT10")).rows
    other = laid_page(
        [
            *set_text(["    z()"], top=700, x=margin, font="CMTT10"),
            *set_text(["It is a truth"], top=600, x=margin),
        ]
    ).rows[:1]
    [paragraph] = block_paragraphs(Role.CODE, other, 2, LineJoiner([], True), first)
    assert (paragraph.text, paragraph.newlines) == ("    z()", 1)


def test_pieces_of_a_line_of_code_stand_in_their_columns() -> None:
    lines = [
        *set_text(["def f(x):"], font="CMTT10"),
        *set_pieces(["a|# first"], columns=[92, 142], top=688, font="CMTT10"),
    ]
    assert written(Role.CODE, lines) == "def f(x):\n    a         # first"


def test_numbers_of_lines_are_left_out_of_a_listing() -> None:
    numbers = set_pieces(["8", "9", "10", "11"], columns=[60], size=6, font="Sans")
    lines = set_text(["for x in y:", "    x()", "", "z()"], font="CMTT10")
    both = sorted([*numbers, *lines], key=lambda line: (-line.y, line.x))
    assert written(Role.CODE, both) == "for x in y:\n    x()\n\nz()"


def test_numbers_that_do_not_count_the_lines_are_code() -> None:
    assert code(["10 PRINT X", "20 GOTO 10"]) == "10 PRINT X\n20 GOTO 10"


def test_a_caption_is_on_one_line() -> None:
    lines = set_text(["Figure 1: A hyphen-", "ated word."])
    assert written(Role.CAPTION, lines) == "Figure 1: A hyphenated word."


def test_a_formula_is_read_from_left_to_right_and_its_number_last() -> None:
    rows = laid_page(
        [
            Line("∑", 150, 646, 10, 160, "CMEX10"),
            Line("a + b", 215, 641, 10, 235, "Serif"),
            Line("f(x) =", 165, 634, 10, 195, "Serif"),
            Line("(2.1)", 350, 634, 10, 375, "Serif"),
            Line("2", 222, 627, 10, 227, "Serif"),
            Line("i=1", 152, 622, 7, 160, "Serif"),
            Line("= 3z + 4z", 180, 600, 10, 225, "Serif"),
        ]
    ).rows
    assert formula_text(rows) == "∑i=1 f(x) = a + b 2 = 3z + 4z (2.1)"
