"""Verse is told from prose, so that its lines stay lines."""

from line_maker import set_lines

from qwen_pl.data.cleaning.paragraphs import group_paragraphs

PROSE = "And in this way a line of prose goes on as far as the paper lets it,"
VERSE = [
    "The owl that sat upon the wall",
    "Saw nothing of the fall,",
    "Nor of the spring",
    "At all",
]


def lengths(*texts: str) -> list[int]:
    return [len(group) for group in group_paragraphs([set_lines(texts)])]


def test_lines_of_verse_are_paragraphs_each() -> None:
    set_in = ["    " + line for line in VERSE]
    assert lengths(*[PROSE] * 3, "as here.", *set_in, *[PROSE] * 9) == [4, 1, 1, 1, 1, 9]


def test_lines_as_long_as_the_column_are_prose_whatever_they_begin_with() -> None:
    assert lengths(*[PROSE] * 12) == [12]


def test_short_lines_that_go_on_in_small_letters_are_no_verse() -> None:
    narrow = ["    " + line.lower() for line in VERSE]
    assert lengths(*[PROSE] * 9, *narrow) == [13]


def test_text_in_capitals_is_no_verse() -> None:
    capitals = [line.upper() for line in VERSE]
    assert lengths(*capitals, *[PROSE] * 9) == [4, 9]


def test_a_heading_of_several_lines_is_no_verse() -> None:
    heading = set_lines(["Notes by the", "Author, to this", "Work and to the", "Hall"], size=14)
    prose = set_lines([PROSE] * 9, top=600)
    assert [len(group) for group in group_paragraphs([heading + prose])] == [4, 9]
