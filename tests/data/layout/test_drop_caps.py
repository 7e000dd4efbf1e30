"""Large initials come before the words that they begin."""

import pytest
from line_maker import set_lines

from qwen_pl.data.cleaning.clean import clean_pages
from qwen_pl.data.cleaning.hyphens import LineJoiner, join_initial
from qwen_pl.data.layout.drop_caps import place_drop_caps
from qwen_pl.data.page.line import Line, Page

HEADING = Line("Chapter One", 150, 720, 15)
INITIAL = Line("N", 72, 676, 30)
BESIDE = set_lines(["o one who had ever seen her as a child", "would have thought so, since"], x=95)
BELOW = set_lines(["nothing spoke for it."] * 3, top=676)


@pytest.mark.parametrize(
    "page",
    [
        [INITIAL, HEADING, *BESIDE, *BELOW],
        [HEADING, *BESIDE, INITIAL, *BELOW],
        [HEADING, *BESIDE, *BELOW, INITIAL],
    ],
)
def test_an_initial_is_put_before_the_first_line_beside_it(page: Page) -> None:
    assert place_drop_caps(page) == [HEADING, INITIAL, *BESIDE, *BELOW]


def test_a_letter_as_large_as_the_text_stays_where_it_is() -> None:
    page = [*BESIDE, Line("N", 72, 688, 10), *BELOW]
    assert place_drop_caps(page) == page


def test_a_line_below_the_initial_but_as_far_set_in_belongs_to_it() -> None:
    lines = ["or so they all said when it was", "asked, and the third line too is"]
    initial = Line("F", 72, 687, 24)
    page = [HEADING, initial, *set_lines([*lines, "set in as those are above"], x=90)]
    page += set_lines(["and here is the margin once more, as"] * 3, top=664)
    [_, paragraph] = clean_pages([page]).paragraphs
    assert paragraph.text.startswith("For so they all said when it was asked, and the third")


def test_an_opening_quotation_mark_may_be_large_by_itself() -> None:
    page = [Line("“", 72, 676, 30), *BESIDE, *BELOW]
    assert clean_pages([page]).paragraphs[0].text.startswith("“o one who had")


def test_a_long_heading_just_above_stays_above() -> None:
    heading = Line("A Heading as Long as the Page is Wide", 90, 713, 15)
    assert place_drop_caps([INITIAL, heading, *BESIDE]) == [heading, INITIAL, *BESIDE]


def test_an_initial_may_be_smaller_than_its_lines_are_high() -> None:
    page = [HEADING, Line("N", 72, 676, 20), *BESIDE, *BELOW]
    assert clean_pages([page]).paragraphs[1].text.startswith("No one who had ever")


@pytest.mark.parametrize(
    ("initial", "rest", "joined"),
    [
        ("A", "zebra", "A zebra"),
        ("A", "dvertisement", "Advertisement"),
        ("A", "nother day", "Another day"),
        ("К", "омбинация", "Комбинация"),
        ("I", "’m here", "I’m here"),
        ("T", "he end", "The end"),
    ],
)
def test_an_initial_is_a_word_where_the_document_says_so(
    initial: str, rest: str, joined: str
) -> None:
    joiner = LineJoiner(["an adverb, and another", rest])
    assert join_initial(initial, rest, joiner) == joined
