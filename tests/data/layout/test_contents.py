"""Tables of contents are found, and other lines that end in numbers are not."""

from line_maker import set_lines

from qwen_pl.data.layout.contents import find_contents

ENTRIES = [f"Chapter {n} of the book {5 * n + 1}" for n in range(1, 9)]
TEXT = [f"line {n} of a long text without anything at its end," for n in range(400)]


def test_entries_under_a_heading_are_found_with_it() -> None:
    page = set_lines(["The Title", "Inhaltsverzeichnis", *ENTRIES, "Text goes on here."])
    assert find_contents([page]) == {(0, index) for index in range(1, 10)}


def test_leaders_show_a_table_anywhere() -> None:
    leaders = [f"Figure {n}: a thing .......... {n * 7}" for n in range(6)]
    page = set_lines(leaders)
    assert len(find_contents([set_lines(TEXT), page, set_lines(TEXT)])) == 6


def test_an_entry_may_take_two_lines() -> None:
    entries = [["A long title that", f"goes on . . . . . {n + 3}"] for n in range(5)]
    page = set_lines(["Contents", *(line for entry in entries for line in entry)])
    assert len(find_contents([page])) == 11


def test_numbers_that_fall_are_measurements() -> None:
    rows = [f"sample {n} weighs {90 - 7 * n}" for n in range(8)]
    assert find_contents([set_lines(rows)]) == set()


def test_numbers_in_the_midst_of_a_text_are_left() -> None:
    assert find_contents([set_lines(TEXT), set_lines(ENTRIES), set_lines(TEXT)]) == set()


def test_the_heading_of_the_first_chapter_is_no_entry() -> None:
    page = set_lines(["Contents", *ENTRIES])
    assert (1, 0) not in find_contents([page, set_lines(["Chapter 1", *TEXT[:30]])])
    assert len(find_contents([page, set_lines(["Chapter 1", *TEXT[:30]])])) == 9
