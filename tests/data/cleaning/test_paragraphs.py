"""Paragraphs are found by indents, gaps, sizes, bullets and short last lines."""

import pytest
from line_maker import set_lines, with_ends

from qwen_pl.data.cleaning.paragraphs import RULES, Rule, Seam, deciding_rule, group_paragraphs
from qwen_pl.data.layout.measures import Usual, place_lines, usual_size
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import Row, row_of, rows_of
from qwen_pl.data.page.line import Line, Page

FULL = "A line of text that is as long as the column is wide, or nearly so,"
SHORT = "and this is its end."
PROSE = "And in this way a line of prose goes on as far as the paper lets it,"
VERSE = [
    "The owl that sat upon the wall",
    "Saw nothing of the fall,",
    "Nor of the spring",
    "At all",
]


def paragraphs(*pages: Page) -> list[list[str]]:
    return [
        [line.text for line in group]
        for group in group_paragraphs([rows_of(page) for page in pages])
    ]


def lengths(*pages: Page) -> list[int]:
    return [len(group) for group in paragraphs(*pages)]


def test_an_indent_begins_a_paragraph() -> None:
    page = set_lines(["   " + FULL, FULL, FULL, "   " + FULL, FULL, "   " + FULL, FULL] * 2)
    assert lengths(page) == [3, 2, 2, 3, 2, 2]


def test_short_speeches_are_paragraphs_each() -> None:
    speech = ["   " + FULL, FULL, "   “Yes.”", "   “No.”", "   " + FULL, FULL]
    assert lengths(set_lines(speech * 4)) == [2, 1, 1, 2] * 4


def test_facing_pages_may_have_different_margins() -> None:
    text = ["   " + FULL, FULL, FULL] * 4
    pages = [set_lines(text, x=50 + 20 * (number % 2)) for number in range(6)]
    assert lengths(*pages) == [3] * 24


def test_a_gap_begins_a_paragraph() -> None:
    page = [*set_lines([FULL, FULL, FULL]), *set_lines([FULL, FULL], top=700 - 3 * 12 - 6)]
    assert lengths(page, set_lines([FULL] * 10)) == [3, 12]


def test_another_size_begins_a_paragraph() -> None:
    page = [*set_lines(["A Heading of"], size=14), *set_lines(["two lines"], top=684, size=14)]
    assert lengths([*page, *set_lines([FULL, FULL], top=672)]) == [2, 2]


def test_bullets_begin_paragraphs_and_hanging_lines_do_not() -> None:
    page = set_lines(["• " + FULL, "  hanging on", "• " + FULL, "  hanging on"])
    assert lengths(page) == [2, 2]


def test_a_short_line_that_ends_a_sentence_ends_a_paragraph() -> None:
    assert lengths(set_lines([FULL, FULL, SHORT, FULL, FULL, FULL, SHORT])) == [3, 4]


def test_a_paragraph_goes_on_over_pages_and_columns() -> None:
    left, right = set_lines([FULL] * 20), set_lines([FULL] * 20, x=320)
    assert lengths([*left, *right], set_lines([FULL, SHORT])) == [42]


def test_a_page_that_begins_low_begins_a_chapter() -> None:
    pages = [set_lines([FULL] * 30) for _ in range(3)]
    assert lengths(*pages, set_lines([FULL] * 5, top=550)) == [90, 5]


def test_a_broken_word_is_never_parted() -> None:
    broken = set_lines([FULL, "which is a short, inter-"])
    assert lengths([*broken, *set_lines(["rupted line."], x=40, top=676)]) == [3]


def test_titles_on_pages_of_their_own_are_paragraphs_each() -> None:
    titles = [set_lines([title], size=20) for title in ("A Book", "A Part of It")]
    assert lengths(*titles, set_lines([FULL] * 10)) == [1, 1, 10]


def test_an_item_hangs_even_if_as_far_as_paragraphs_are_set_in() -> None:
    item = ["  • " + FULL, "    " + FULL, "    " + FULL, "    " + SHORT]
    text = ["    " + FULL, FULL]
    assert lengths(set_lines(text * 4 + item + text)) == [2, 2, 2, 2, 4, 2]


def test_lines_beside_a_drop_cap_belong_to_it() -> None:
    initial = [Line("T", 72, 688, 30)]
    beside = set_lines(["here " + FULL, FULL], x=92)
    page = [*initial, *beside, *set_lines([FULL] * 8, top=676)]
    assert lengths(page) == [11]


def test_arabic_paragraphs_end_with_a_line_that_stops_before_the_left_margin() -> None:
    full = "هذا سطر طويل من النص العربي الذي يملأ عرض الصفحة كلها"
    page = set_lines([full, full, "             " + "سطر قصير.", full, full])
    assert lengths(page) == [3, 2]


def test_every_line_is_in_one_paragraph_in_order() -> None:
    page = set_lines([FULL, "   " + SHORT, "", "• x", "1. y", "         " + FULL, "", "Z", FULL])
    grouped = [text for group in paragraphs(page, page) for text in group]
    assert grouped == [line.text for line in [*page, *page]]


def test_the_usual_size_is_that_of_most_letters() -> None:
    pages = [[Line("Large", 0, 9, 20), Line("long small text", 0, 8, 8.1), Line("mid", 0, 7, 10)]]
    assert usual_size(pages) == 8


def test_the_first_line_of_an_indented_block_is_set_in_further() -> None:
    block = ["       " + FULL, "    " + FULL[:60], "    " + SHORT]
    text = set_lines(["  " + FULL, FULL, FULL] * 5)
    page = [*text, *set_lines(block, top=508), *set_lines(["  " + FULL, FULL], top=460)]
    assert lengths(page) == [3] * 5 + [3, 2]


def test_a_speech_that_fills_the_last_line_of_a_page_ends_with_it() -> None:
    full_speech = "“" + FULL[:-2] + ".”"
    pages = [set_lines([FULL] * 19 + [full_speech]), set_lines(["“So it " + FULL, FULL, FULL])]
    assert lengths(*pages) == [20, 3]


def test_speeches_with_gaps_between_them_are_paragraphs_each() -> None:
    dialogue = Line("“" + FULL[:-2] + "?”", 72, 0, 10)
    page = [dialogue._replace(y=700 - 18 * row) for row in range(16)]
    page += set_lines([FULL] * 4, top=700 - 18 * 16)
    assert lengths(set_lines([FULL] * 29 + [SHORT]), page) == [30] + [1] * 16 + [4]


def test_a_sentence_may_go_on_in_another_size() -> None:
    page = [*set_lines([FULL] * 8), *set_lines(["and so on, " + FULL], top=604, size=12)]
    assert lengths([*page, *set_lines([SHORT], top=592, size=12)]) == [10]


ENDED = FULL[:-1] + "."  # a line that is full and ends a sentence
VERSE = ["The owl that sat upon the wall", "Saw nothing of the fall,", "Nor of the spring", "At"]
ARABIC = "هذا سطر طويل من النص العربي الذي يملأ عرض الصفحة كلها"
INDENTED = ["    " + FULL, FULL] * 4
BLOCK = [*[FULL] * 5, ENDED, *["    Set in, " + FULL[:50]] * 3, "Back, " + FULL, *[FULL] * 5]


# By rule: a document, and how the line begins on which the rule decides.
def in_block(role: Role, block: int, texts: list[str], top: float = 700) -> list[Row]:
    """Lines that the layout has seen to belong together."""
    rows = rows_of(set_lines(texts, top=top))
    return [row._replace(role=role, block=block) for row in rows]


def ending(texts: list[str], top: float = 700) -> Page:
    """Lines of which the reader tells where they end."""
    return with_ends(set_lines(texts, top=top))


CASES: dict[str, tuple[list[Page], str]] = {
    "_is_unplaced_after_end": ([[Line(t, 0, 0, 0) for t in (*[FULL] * 4, SHORT, "It")]], "It"),
    "_is_unplaced": ([[Line(FULL, 0, 0, 0), *set_lines(["It", FULL])]], "It"),
    "_follows_lone_quote": ([[*set_lines(["“", "", "", "It is"])]], "It"),
    "_is_around_initial": ([[Line("T", 72, 688, 30), *set_lines(["His", FULL], x=92)]], "His"),
    "_is_on_same_row": ([[*set_lines([FULL] * 9), Line("No", 400, 604, 14)]], "No"),
    "_is_parted": (
        [[*set_lines([*[FULL] * 8, FULL + "."]), Line("‖", 400, 598, 10)]],
        "‖",
    ),
    "_ends_broken_word": ([set_lines([FULL, "a short, inter-", "", "", "rupted line"])], "rupted"),
    "_ends_broken_address": ([set_lines([FULL, "http:", "", "", "//a.org/b"])], "//"),
    "_differs_in_size": ([[*set_lines([FULL], top=712, size=14), *set_lines(["It", FULL])]], "It"),
    "_has_bullet": ([set_lines([FULL, "• It", FULL])], "•"),
    "_opens_chapter": (
        [*[set_lines([FULL] * 30)] * 3, set_lines(["It", *[FULL] * 5], top=550)],
        "It",
    ),
    "_is_below_gap": ([set_lines([*[FULL] * 9, "", "It", FULL])], "It"),
    "_is_verse": ([set_lines([*VERSE, *[FULL] * 12])], "Nor"),
    "_follows_end_on_left": ([set_lines([ARABIC, ARABIC, "          سطر قصير.", "ثم"])], "ثم"),
    "_is_from_right": ([set_lines([ARABIC, ARABIC + ".", "          سطر قصير."])], "سطر"),
    "_hangs": ([set_lines([*INDENTED, "  • " + FULL, "    It hangs", *INDENTED])], "It"),
    "_is_indented": ([set_lines([*INDENTED, "    It is", FULL])], "It"),
    "_enters_block": ([set_lines(BLOCK)], "Set in"),
    "_leaves_block": ([set_lines(BLOCK)], "Back"),
    "_follows_label": ([set_lines([FULL, "Note", "It is " + FULL, FULL])], "It"),
    "_is_answer_over_break": (
        [set_lines([*[FULL] * 19, "“" + FULL[:-2] + ".”"]), set_lines(["“So it " + FULL])],
        "“So",
    ),
    "_ended_early": (
        [set_lines([FULL, FULL, "as long as half of it. " + SHORT, "It is " + FULL, FULL])],
        "It",
    ),
    "_is_of_same_block": (
        [in_block(Role.HEADING, 1, ["A heading that", "", "has two lines"])],
        "has",
    ),
    "_is_of_other_block": (
        [[*set_lines([FULL, "so that by"]), *in_block(Role.FORMULA, 1, ["x = y"], top=676)]],
        "x =",
    ),
    "_is_stretched": (
        [ending([FULL] * 6) + ending(["Theorem, below which " + SHORT], top=623)],
        "Theorem",
    ),
    "_goes_on_around_float": (
        [ending([FULL, FULL]) + ending(["goes on below, " + SHORT], top=400)],
        "goes on",
    ),
}


def seam_before(pages: list[list[Line | Row]], beginning: str) -> Seam:
    """Where the first line that begins so follows the paragraph before it."""
    rows = [[each if isinstance(each, Row) else row_of([each]) for each in page] for page in pages]
    lines = place_lines(rows)
    usual = Usual(rows, lines)
    paragraph = [lines[0]]
    for line in lines[1:]:
        seam = Seam(paragraph, line, usual)
        if line.text.startswith(beginning):
            return seam
        paragraph = [line] if deciding_rule(seam).begins else [*paragraph, line]
    raise AssertionError("there is no such line")


@pytest.mark.parametrize("rule", RULES[:-1], ids=lambda rule: rule.holds.__name__)
def test_each_rule_decides_where_without_it_the_line_would_be_judged_otherwise(rule: Rule) -> None:
    seam = seam_before(*CASES[rule.holds.__name__])
    assert deciding_rule(seam) is rule
    others = (other for other in RULES if other is not rule and other.holds(seam))
    assert next(others).begins is not rule.begins


def test_lines_of_verse_are_paragraphs_each() -> None:
    set_in = ["    " + line for line in VERSE]
    page = set_lines([*[PROSE] * 3, "as here.", *set_in, *[PROSE] * 9])
    assert lengths(page) == [4, 1, 1, 1, 1, 9]


def test_lines_as_long_as_the_column_are_prose_whatever_they_begin_with() -> None:
    assert lengths(set_lines([PROSE] * 12)) == [12]


def test_short_lines_that_go_on_in_small_letters_are_no_verse() -> None:
    narrow = ["    " + line.lower() for line in VERSE]
    assert lengths(set_lines([*[PROSE] * 9, *narrow])) == [13]


def test_stars_between_two_parts_are_no_item_of_a_list() -> None:
    assert lengths(set_lines([*[PROSE] * 4, "", "* * * * *", "", *[PROSE] * 4])) == [4, 1, 4]


def test_an_item_goes_on_where_its_bullet_is_no_farther_out() -> None:
    page = set_lines(["   " + FULL, FULL, FULL] * 4 + ["   • " + FULL[:60], "   " + FULL[:60]] * 2)
    assert lengths(page) == [3, 3, 3, 3, 2, 2]


def test_a_dash_in_the_midst_of_a_sentence_is_no_bullet() -> None:
    assert lengths(ending([FULL, FULL, "– which is " + FULL, SHORT])) == [4]


def test_a_full_last_line_of_a_page_ends_no_paragraph() -> None:
    full, room = "x" * 63 + ".", "x" * 53 + "."
    pages = [ending(["y" * 64] * 8 + [end]) for end in (full, room)]
    assert lengths(pages[0], ending(["A long word"])) == [10]
    assert lengths(pages[1], ending(["A long word"])) == [9, 1]


def test_a_page_may_go_on_below_what_floats_at_its_top() -> None:
    full = "x" * 63 + "."
    pages = [ending(["y" * 64] * 8 + [full]) for _ in range(4)]
    assert lengths(*pages, ending(["z" * 64] * 3, top=500)) == [39]
    assert lengths(*pages, ending(["A Title", "z" * 64], top=500))[0] == 36


def test_text_in_capitals_is_no_verse() -> None:
    capitals = [line.upper() for line in VERSE]
    assert lengths(set_lines([*capitals, *[PROSE] * 9])) == [4, 9]


def test_a_heading_of_several_lines_is_no_verse() -> None:
    heading = set_lines(["Notes by the", "Author, to this", "Work and to the", "Hall"], size=14)
    prose = set_lines([PROSE] * 9, top=600)
    assert lengths(heading + prose) == [4, 9]


@pytest.mark.parametrize("shred", [("13 .", 7, 600.5), ("cc", 6, 596.0), ("‖", 10, 598.0)])
def test_a_paragraph_goes_on_behind_what_is_parted_from_its_line(
    shred: tuple[str, float, float],
) -> None:
    text, size, y = shred
    above, below = set_lines([PROSE] * 9), set_lines([PROSE] * 5, top=592)
    assert lengths([*above, Line(text, 380, y, size), *below]) == [15]
