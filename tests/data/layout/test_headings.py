"""Headings are found by their size, or as bold lines by themselves, with their depth."""

import pytest
from line_maker import set_lines, with_ends

from qwen_pl.data.layout.columns import reading_order
from qwen_pl.data.layout.headings import find_headings
from qwen_pl.data.layout.row import LaidPage
from qwen_pl.data.page.line import Line, Page

TEXT = ["x" * 60] * 6


def page(*headings: tuple[str, float, str]) -> Page:
    """Each heading above lines of text, 20 points apart."""
    lines: list[Line] = []
    top = 740.0
    for text, size, font in headings:
        lines += set_lines([text], top=top, size=size)
        lines[-1] = lines[-1]._replace(font=font)
        lines += [line._replace(font="CMR10") for line in set_lines(TEXT, top=top - 20)]
        top -= 20 + 12 * len(TEXT) + 8
    return with_ends(lines)


def headings(*pages: Page) -> dict[str, int]:
    laid = [LaidPage(reading_order(lines)) for lines in pages]
    found = find_headings(laid, size=10)
    return {laid[p].rows[i].text: heading.level for (p, i), heading in found.items()}


def test_what_is_larger_than_the_text_is_a_heading() -> None:
    assert headings(page(("A Mill", 20, "CMR17"), ("Its Wheel", 14, "CMR12"))) == {
        "A Mill": 1,
        "Its Wheel": 2,
    }


def test_a_bold_line_by_itself_is_a_heading() -> None:
    assert headings(page(("The Wheel", 10, "CMBX10"), ("The River", 10, "CMBX10"))) == {
        "The Wheel": 1,
        "The River": 1,
    }


def test_the_depth_of_a_heading_is_that_of_its_number() -> None:
    lines = page(("2 A Mill", 14, "CMBX12"), ("2.1 Its Wheel", 14, "CMBX12"))
    assert headings(lines) == {"2 A Mill": 1, "2.1 Its Wheel": 2}


def test_two_rows_of_a_heading_are_one() -> None:
    lines = with_ends(set_lines(["A heading that goes", "on below"], size=14, leading=16))
    laid = [LaidPage(reading_order([*lines, *with_ends(set_lines(TEXT, top=660))]))]
    assert {heading.number for heading in find_headings(laid, size=10).values()} == {1}


@pytest.mark.parametrize(
    ("text", "size", "font"),
    [
        ("T", 30, "CMR10"),
        ("x" * 300, 12, "CMR12"),
        ("12", 14, "CMR12"),
        ("x" * 60, 10, "CMBX10"),
        ("∑∏", 20, "CMEX10"),
    ],
    ids=["an initial", "large text", "a number", "a bold line as wide as the text", "signs"],
)
def test_what_is_set_off_for_other_reasons_is_none(text: str, size: float, font: str) -> None:
    assert headings(page((text, size, font))) == {}


def test_where_all_text_is_bold_it_tells_nothing() -> None:
    lines = page(("The Wheel", 10, "CMBX10"))
    assert headings([line._replace(font="CMBX10") for line in lines]) == {}


def test_a_bold_line_in_the_midst_of_a_paragraph_is_none() -> None:
    lines = with_ends(set_lines([*TEXT, "a bold line", *TEXT]))
    lines[6] = lines[6]._replace(font="CMBX10")
    assert headings(lines) == {}
