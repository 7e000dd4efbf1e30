"""Footnotes leave the foot of the page for the line that calls them."""

import pytest
from line_maker import set_lines

from qwen_pl.data.footnotes import Footnotes, take_footnotes
from qwen_pl.data.pdf import Page


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
