"""Each entry of a list of references is found, whatever sign it begins with."""

import pytest
from line_maker import set_lines, with_ends

from qwen_pl.data.layout.bibliography import find_bibliography
from qwen_pl.data.layout.columns import reading_order
from qwen_pl.data.layout.row import LaidPage
from qwen_pl.data.page.line import Page

ENTRY = ["A. Author and B. Author. A long title of a work on", "the flow of water. Mill, 1901."]
LABELLED = [[f"[{n}] {ENTRY[0]}", ENTRY[1]] for n in range(1, 5)]
NUMBERED = [[f"{n}. {ENTRY[0]}", ENTRY[1]] for n in range(1, 5)]
KEYED = [[f"[Au{n}a] {ENTRY[0]}", "[12] " + ENTRY[1]] for n in range(1, 5)]
HANGING = [[ENTRY[0], "   " + ENTRY[1]] for _ in range(4)]
GAPS = [[*ENTRY, ""] for _ in range(4)]
NONE = [ENTRY for _ in range(4)]


def laid(*pages: Page) -> list[LaidPage]:
    return [LaidPage(reading_order(with_ends(page))) for page in pages]


def sizes(*pages: Page) -> list[int]:
    """How many rows each entry has."""
    blocks = list(find_bibliography(laid(*pages)).values())
    return [blocks.count(block) for block in dict.fromkeys(blocks)]


def under_heading(entries: list[list[str]], heading: str = "References") -> Page:
    return set_lines([heading, "", *(line for entry in entries for line in entry)])


@pytest.mark.parametrize(
    "entries",
    [LABELLED, NUMBERED, HANGING, GAPS, NONE],
    ids=["labels", "numbers", "hanging indents", "gaps", "short last lines"],
)
def test_entries_begin_by_the_sign_that_the_list_has(entries: list[list[str]]) -> None:
    assert sizes(under_heading(entries)) == [2, 2, 2, 2]


def test_a_label_in_the_midst_of_an_entry_begins_none() -> None:
    entries = [[first, "        " + second] for first, second in KEYED]
    assert sizes(under_heading(entries)) == [2, 2, 2, 2]


@pytest.mark.parametrize("heading", ["7 References", "LITERATUR", "Bibliographie", "参考文献"])
def test_headings_may_be_of_many_languages(heading: str) -> None:
    assert sizes(under_heading(LABELLED, heading)) == [2, 2, 2, 2]


def test_text_without_such_a_heading_has_no_entries() -> None:
    assert sizes(under_heading(LABELLED, "Results")) == []


def test_an_entry_goes_on_on_the_next_page() -> None:
    first, second = under_heading(HANGING)[:-1], set_lines(["   " + ENTRY[1], *HANGING[0]])
    assert sizes(first, second) == [2, 2, 2, 2, 2]


def test_the_next_heading_ends_the_list() -> None:
    after = set_lines(["A Proof of the Theorem"], top=560, size=14)
    assert sizes([*under_heading(LABELLED), *after, *set_lines(ENTRY, top=530)]) == [2, 2, 2, 2]
