"""Pages are read column by column, and what goes across all of them in its place."""

import pytest
from line_maker import made_up_lines, set_lines, with_ends

from qwen_pl.data.layout.columns import reading_order
from qwen_pl.data.page.line import Line, Page

NUM_ROWS = 12


def column(x: float, name: str, top: float = 700, number: int = NUM_ROWS) -> Page:
    """Lines of 200 points, numbered."""
    texts = [f"{name}{row:02} " + "x" * 36 for row in range(number)]
    return with_ends(set_lines(texts, x=x, top=top))


def order(lines: Page, **more: list) -> list[str]:
    return [row.text.split()[0] for row in reading_order(lines, **more)]


def names(name: str, number: int = NUM_ROWS) -> list[str]:
    return [f"{name}{row:02}" for row in range(number)]


def test_lines_stay_in_one_column() -> None:
    lines = column(72, "a")
    assert order(lines[::-1]) == names("a")


@pytest.mark.parametrize("way", ["column by column", "row by row", "the right one first"])
def test_two_columns_are_read_one_after_the_other(way: str) -> None:
    left, right = column(72, "a"), column(300, "b")
    lines = {
        "column by column": left + right,
        "row by row": [line for pair in zip(left, right, strict=True) for line in pair],
        "the right one first": right + left,
    }[way]
    assert order(lines) == names("a") + names("b")


def test_three_columns_are_read_one_after_the_other() -> None:
    lines = [*column(50, "a"), *column(260, "b"), *column(470, "c")]
    assert order(sorted(lines, key=lambda line: -line.y)) == names("a") + names("b") + names("c")


def test_what_goes_across_parts_the_columns() -> None:
    title = with_ends(set_lines(["Title " + "x" * 78], top=740))
    middle = with_ends(set_lines(["Middle " + "x" * 77], top=540))
    lower = [*column(72, "c", top=500), *column(300, "d", top=500)]
    lines = [*middle, *column(72, "a"), *lower, *column(300, "b"), *title]
    assert order(lines) == [
        *("Title", *names("a"), *names("b")),
        *("Middle", *names("c"), *names("d")),
    ]


def test_a_line_too_long_for_its_column_parts_nothing() -> None:
    left, right = column(72, "a"), column(300, "b")
    left[4] = left[4]._replace(end=306)
    assert order(left + right) == names("a") + names("b")


def test_an_index_in_columns_is_read_as_the_file_has_it() -> None:
    """Its short lines do not fill the columns."""
    short = [[line._replace(text=line.text[:9], end=line.x + 45 + i) for i, line in enumerate(c)]
             for c in (column(72, "a"), column(300, "b"))]  # fmt: skip
    assert order(short[0] + short[1]) == names("a") + names("b")


def test_cells_beside_each_other_are_one_row() -> None:
    cells = [
        [Line(f"{x}{row}", at, 700 - 12 * row, 10, at + 30) for x, at in (("a", 72), ("b", 300))]
        for row in range(9)
    ]
    rows = reading_order([cell for row in cells for cell in row])
    assert [row.text for row in rows] == [f"a{row} b{row}" for row in range(9)]
    assert [len(row.pieces) for row in rows] == [2] * 9


def test_a_table_across_the_columns_is_read_row_by_row() -> None:
    table = [*column(72, "s", 740, 2), *column(300, "t", 740, 2)]
    lines = [*table, *column(72, "a"), *column(300, "b")]
    texts = order(lines, areas=[(72, 720, 500, 752)])
    assert texts == ["s00", "s01", *names("a"), *names("b")]


def test_a_raised_sign_is_of_the_row_that_has_a_place_for_it() -> None:
    row = [
        Line("in the space L", 72, 700, 10, 140),
        Line("2", 140, 704, 7, 144),
        Line("of all functions", 148, 700, 10, 230),
        Line("}", 230, 709, 10, 235, "CMEX10"),
    ]
    above = [Line("a line of the text above it, as long as the column is", 72, 712, 10, 330)]
    rows = reading_order(above + row[::-1])
    assert [r.text for r in rows][1:] == ["in the space L2 of all functions}"]


def test_a_large_initial_is_a_row_of_its_own() -> None:
    lines = with_ends(set_lines(["he end of a line", "and another one"], x=100))
    rows = reading_order([Line("T", 72, 688, 30, 95), *lines])
    assert sorted(row.text for row in rows)[0] == "T"


def test_lines_without_places_stay_in_their_order() -> None:
    texts = made_up_lines(5, page=1)
    assert [row.text for row in reading_order([Line(text, 0, 0, 0) for text in texts])] == texts
