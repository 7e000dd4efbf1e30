"""Stamps and the numbers of lines are told from the text beside them."""

import pytest
from line_maker import made_up_lines, set_lines, with_ends

from qwen_pl.data.cleaning.clean import clean_pages
from qwen_pl.data.layout.margins import find_line_numbers, find_turned, without_numbers
from qwen_pl.data.page.line import Line, Page


def text(page: int, number: int = 20) -> Page:
    return with_ends(set_lines(made_up_lines(number, page)))


def numbered(page: int, *, step: int = 1, inline: bool = False, x: float = 50) -> Page:
    """Lines with numbers beside them, or at their beginning, which go on from page to page."""
    lines = []
    for row, line in enumerate(text(page)):
        value = 20 * page + row + 1
        if inline:
            lines.append(line._replace(text=f"{value} {line.text}", x=x))
        else:
            lines += [Line(f"{value}", x, line.y, 6, x + 8)] if value % step == 0 else []
            lines.append(line)
    return lines


def left(pages: list[Page]) -> list[list[str]]:
    found = find_line_numbers(pages)
    lengths = [{i: n for (p, i), n in found.items() if p == page} for page in range(len(pages))]
    parts = [without_numbers(*each)[0] for each in zip(pages, lengths, strict=True)]
    return [[line.text for line in part] for part in parts]


@pytest.mark.parametrize(
    "form",
    [{}, {"step": 5}, {"x": 560}, {"inline": True}],
    ids=["each line", "each fifth line", "on the right", "not parted from the text"],
)
def test_numbers_of_lines_are_told_from_the_text(form: dict) -> None:
    pages = [numbered(page, **form) for page in range(3)]
    assert left(pages) == [[line.text for line in text(page)] for page in range(3)]


def test_text_whose_numbers_were_not_parted_begins_at_one_margin() -> None:
    pages = [numbered(page, inline=True) for page in range(2)]
    found = find_line_numbers(pages)
    lines, numbers = without_numbers(pages[0], {i: n for (p, i), n in found.items() if p == 0})
    assert len({line.x for line in lines}) == 1 and lines[0].x > 50
    assert [line.text for line in numbers] == [f"{n}" for n in range(1, 21)]


def test_the_numbers_of_a_listing_are_no_numbers_of_lines() -> None:
    pages = [text(page) for page in range(6)]
    pages[2] = numbered(2)
    assert left(pages)[2] == [line.text for line in pages[2]]


def test_a_column_of_a_table_is_no_numbers_of_lines() -> None:
    rows = [Line(f"{3 * row * row}", 50, 700 - 12 * row, 10, 60) for row in range(20)]
    page = [*rows, *text(0)]
    assert left([page]) == [[line.text for line in page]]


def test_a_turned_stamp_is_in_the_margin() -> None:
    stamp = Line("arXiv:2401.01234v2 [cs.CL] 14 Mar 2024", 300, 20, 20, 700, turn=90)
    pages = [[*text(0)[:9], stamp, *text(0)[9:]]]
    assert find_turned(pages) == {(0, 9)}
    assert all("arXiv" not in each.text for each in clean_pages(pages).paragraphs)


def test_a_page_turned_as_a_whole_is_text() -> None:
    assert find_turned([[line._replace(turn=90) for line in text(0)]]) == set()
