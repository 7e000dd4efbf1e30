import pytest
from line_maker import laid_page, set_pieces, set_text, texts_of

from qwen_pl.data.layout.code import find_code, find_continuations
from qwen_pl.data.page.line import Line, Page

PROSE = set_text(8 * ["It is a truth universally acknowledged that a man in want of one"], top=760)
LISTING = ["for x in y:", "    print(x)"]


def typed(texts: list[str], *, top: float = 600, font: str = "CMTT10", x: float = 72) -> Page:
    """Lines whose letters are all 0.5 sizes wide."""
    return set_text(texts, top=top, x=x, font=font)


def listings(*lines: Line) -> list[list[str]]:
    page = laid_page([*_uneven(PROSE), *lines])
    return texts_of(page, find_code([page]))


def _uneven(lines: Page) -> Page:
    return [line._replace(end=line.end - 3 * n) for n, line in enumerate(lines)]


def test_lines_in_a_monospaced_font_are_a_listing() -> None:
    assert listings(*typed(LISTING)) == [["for x in y:", "print(x)"]]


def test_so_are_lines_of_letters_that_are_all_as_wide() -> None:
    texts = [f"let {name} = {name}" for name in ("one", "three", "seven", "eleven", "two", "eight")]
    assert listings(*typed(texts, font="F1")) == [texts]


def test_a_blank_line_is_within_a_listing() -> None:
    assert listings(*typed(["import x", "", "", "x.run()"])) == [["import x", "x.run()"]]


def test_numbers_of_lines_are_no_hindrance() -> None:
    numbers = set_pieces(["1", "2"], columns=[60], top=600, size=6, font="Sans")
    lines = sorted([*numbers, *typed(LISTING)], key=lambda line: -line.y)
    assert listings(*lines) == [["1 for x in y:", "2 print(x)"]]


def test_a_listing_goes_on_over_pages() -> None:
    pages = [laid_page([*_uneven(PROSE), *typed(LISTING)]), laid_page(typed(LISTING, top=760))]
    found = find_code(pages)
    assert len(found) == 4
    assert len(set(found.values())) == 1


def test_a_line_that_says_that_a_listing_goes_on_is_of_neither_page() -> None:
    says = [Line("(continues)", 300, y, 8, 344, "Serif") for y in (560, 772)]
    below = [line._replace(y=line.y - 100) for line in PROSE]
    pages = [
        laid_page([*_uneven(PROSE), *typed(LISTING), says[0]]),
        laid_page([says[1], *typed(LISTING, top=760), *_uneven(below)]),
    ]
    assert set(find_continuations(pages)) == {(0, 10), (1, 0)}
    prose = [laid_page([*_uneven(PROSE), says[0]]), laid_page([says[1], *_uneven(PROSE)])]
    assert find_continuations(prose) == {}


def test_a_line_of_prose_with_much_code_in_it_is_none() -> None:
    mixed = [line._replace(end=line.end - 11) for line in typed(["Call docutils.core.run(x) now"])]
    assert listings(*typed(LISTING), *mixed) == [["for x in y:", "print(x)"]]


@pytest.mark.parametrize(
    "text", ["https://example.org/a/b", "²https://a.org", "someone@example.org"]
)
def test_an_address_is_none(text: str) -> None:
    assert listings(*typed([text])) == []


def test_the_term_of_a_definition_is_none() -> None:
    meaning = set_text(["Says more than is needed."], top=588, x=96)
    assert listings(*typed(["--verbose"]), *meaning) == []
    assert listings(*typed(["make test"])) == [["make test"]]


def test_a_document_that_is_typed_has_no_listing() -> None:
    page = laid_page(typed(20 * ["It is a truth universally acknowledged"]))
    assert find_code([page]) == {}
