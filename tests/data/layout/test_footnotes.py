"""Footnotes leave the foot of the page for the line that calls them."""

import pytest
from line_maker import set_lines, with_ends

from qwen_pl.data.cleaning.clean import clean_sheets
from qwen_pl.data.layout.footnotes import Footnotes, find_note_beginnings, take_footnotes
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.page.line import Line, Page, Sheet


def page(text: list[str], notes: list[str], x: float = 72) -> Page:
    return [*set_lines(text, x=x), *set_lines(notes, x=x, top=100, size=8)]


def take(*pages: Page) -> Footnotes:
    return take_footnotes(list(pages), body_size=10)


def left(footnotes: Footnotes) -> list[str]:
    return [line.text for page in footnotes.pages for line in page]


def notes(footnotes: Footnotes) -> dict[tuple[int, int], list[list[str]]]:
    return {place: [note.lines for note in called] for place, called in footnotes.called_by.items()}


def test_marks_go_and_notes_know_their_line() -> None:
    taken = take(page(["Some text.¹", "It goes² on."], ["1 First note.", "2 Second", "of two."]))
    assert left(taken) == ["Some text.", "It goes on."]
    assert notes(taken) == {(0, 0): [["First note."]], (0, 1): [["Second", "of two."]]}


def test_marks_may_be_plain_numbers_or_signs() -> None:
    taken = take(page(["A word,3 and a star* here."], ["3 The note.", "* The star."]))
    assert left(taken) == ["A word, and a star here."]
    assert len(taken.called_by[0, 0]) == 2


def test_each_column_has_its_notes() -> None:
    left_column = page(["Left text¹ here."], ["1 Left note."])
    right_column = page(["Right text² here."], ["2 Right note."], x=320)
    taken = take([*left_column, *right_column])
    assert left(taken) == ["Left text here.", "Right text here."]
    assert notes(taken) == {(0, 0): [["Left note."]], (0, 1): [["Right note."]]}


def test_a_note_goes_on_over_the_page() -> None:
    taken = take(
        page(["Text¹ here."], ["1 A note that does not end"]),
        page(["More text² here."], ["on its page.", "2 Next."]),
    )
    assert left(taken) == ["Text here.", "More text here."]
    assert notes(taken)[0, 0] == [["A note that does not end", "on its page."]]


def test_small_lines_that_nothing_calls_stay() -> None:
    listing = page(["Run this:"], ["1 apple", "2 pears"])
    assert left(take(listing)) == ["Run this:", "1 apple", "2 pears"]


def test_small_lines_in_the_midst_of_text_stay() -> None:
    mixed = [*set_lines(["Text¹"]), *set_lines(["1 note"], top=600, size=8)]
    mixed += set_lines(["More text."], top=500)
    assert left(take(mixed)) == ["Text¹", "1 note", "More text."]


@pytest.mark.parametrize("text", ["Version 2.1, of then.", "Press F1 for help.", "V:1, I:18"])
def test_other_numbers_are_no_calls(text: str) -> None:
    assert left(take(page([text], ["1 packet sent."]))) == [text, "1 packet sent."]


def test_a_power_is_no_call() -> None:
    taken = take(page(["As x² grows¹ so does y."], ["1 Slowly."]))
    assert left(taken) == ["As x² grows so does y."]


def test_a_note_goes_on_in_the_next_column() -> None:
    left_column = page(["Left text¹ here."], ["1 A note as long as its column.", "It goes"])
    right_column = page(["Right text² here."], ["On here.", "2 Right note."], x=320)
    taken = take([*left_column, *right_column])
    assert left(taken) == ["Left text here.", "Right text here."]
    assert notes(taken)[0, 0] == [["A note as long as its column.", "It goes", "On here."]]


def test_a_note_that_fills_its_last_line_may_go_on_with_a_new_sentence() -> None:
    taken = take(
        page(["Text¹ here."], ["1 The note has its end here."]),
        page(["More text² here."], ["Or it seems to have one.", "2 Next."]),
    )
    assert notes(taken)[0, 0] == [["The note has its end here.", "Or it seems to have one."]]


def test_a_short_last_line_at_the_foot_is_no_large_initial() -> None:
    left_column = page(["Left text¹ here."], ["1 Left note with", "a."])
    right_column = page(["Right text² here."], ["2 Right note."], x=320)
    assert left(take([*left_column, *right_column])) == ["Left text here.", "Right text here."]


def test_the_signs_of_mathematics_are_marks_too() -> None:
    taken = take(page(["A star,∗ two bars∥ here."], ["∗The star.", "∥The bars."]))
    assert left(taken) == ["A star, two bars here."]
    assert [note.mark for note in taken.called_by[0, 0]] == ["*", "‖"]


def test_a_note_may_begin_with_a_number() -> None:
    taken = take(page(["Text⁴¹ here."], ["⁴¹28 men were there."]))
    assert notes(taken) == {(0, 0): [["28 men were there."]]}


def test_a_note_may_stand_on_the_page_before_its_call() -> None:
    taken = take(page(["Text¹ here."], ["1 First.", "2 Early."]), page(["Called² here."], []))
    assert left(taken) == ["Text here.", "Called here."]
    assert notes(taken)[1, 0] == [["Early."]]


def test_a_note_may_stand_on_the_page_after_its_call() -> None:
    taken = take(page(["Text¹ here.²"], ["1 First."]), page(["More."], ["2 Late."]))
    assert notes(taken) == {(0, 0): [["First."], ["Late."]]}


def test_notes_in_one_paragraph_are_parted() -> None:
    taken = take(page(["One¹ and two² here."], ["¹ First note. ² Second", "note."]))
    assert notes(taken) == {(0, 0): [["First note."], ["Second", "note."]]}


def test_a_mark_may_stand_beside_its_note() -> None:
    foot = [Line("3", 72, 103, 5), Line("The note.", 80, 100, 8)]
    assert notes(take([*set_lines(["Text³ here."]), *foot])) == {(0, 0): [["The note."]]}


def test_a_foot_may_have_lines_whose_size_is_wrong_but_that_stand_close() -> None:
    text = set_lines(["Text¹ here.", *["More of the text."] * 4], leading=12)
    foot = [Line("1. A note", 72, 110, 8), Line("of two lines.", 80, 100, 10)]
    assert notes(take([*text, *foot])) == {(0, 0): [["A note", "of two lines."]]}


def test_the_call_is_looked_for_after_that_of_the_note_before() -> None:
    text = ["He was 2, and she¹ was", "older² than he."]
    assert set(notes(take(page(text, ["1 First.", "2 Second."])))) == {(0, 0), (0, 1)}


def test_the_beginnings_of_notes_are_told_from_running_feet() -> None:
    text = page(["Text⁷ here."], ["7. The note."])
    assert find_note_beginnings([text, page(["Text."], ["8 The foot"])], 10) == {(0, 1)}


def test_small_lines_below_a_short_ruling_at_the_foot_are_notes_though_nothing_calls_them() -> None:
    text = with_ends(set_lines([f"{n} " + "x" * 60 for n in range(9)]))
    notes = with_ends(set_lines(["Email address: a@b.org", "Orcid: 0000"], top=100, size=8))
    ruled = Sheet([*text, *notes], (0, 0, 612, 792), ((72, 112, 150, 112),))
    next_page = Sheet(with_ends(set_lines(["goes on", "there."])), (0, 0, 612, 792))
    paragraphs = clean_sheets([ruled, next_page]).paragraphs
    assert [p.text for p in paragraphs if p.role is Role.FOOTNOTE] == [
        "Email address: a@b.org",
        "Orcid: 0000",
    ]
    assert clean_sheets([ruled._replace(rulings=())]).paragraphs[-1].role is Role.PROSE
