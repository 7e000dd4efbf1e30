import pytest
from line_maker import laid_page, set_text, texts_of

from qwen_pl.data.layout.formulas import find_formulas
from qwen_pl.data.page.line import Line, Page

ABOVE = set_text(4 * ["It is a truth universally acknowledged that a man in want has"], top=700)
BELOW = set_text(4 * ["where it is known that no man is in want of what he has got"], top=600)


def formulas(*lines: Line) -> list[list[str]]:
    page = laid_page([*ABOVE, *sorted(lines, key=lambda line: -line.y), *BELOW])
    return texts_of(page, find_formulas([page]))


def at(x: float, y: float, text: str, *, size: float = 10, font: str = "Serif") -> Line:
    return Line(text, x, y, size, x + len(text) * size / 2, font)


def test_a_line_of_signs_that_is_set_in_is_a_formula() -> None:
    assert formulas(at(180, 634, "E = mc² + f(x)")) == [["E = mc² + f(x)"]]


def test_its_number_belongs_to_it() -> None:
    number = at(350, 634, "(2.1)")
    line = at(180, 634, "E = mc²")
    assert formulas(line, number) == [["E = mc² (2.1)"]]


def test_a_numbered_formula_may_have_words() -> None:
    line = at(110, 634, "size(x) = 1 where y is even, else 0")
    assert formulas(line) == []
    assert formulas(line, at(350, 634, "(2.1)")) != []


def test_limits_and_fractions_belong_to_it() -> None:
    sign = at(150, 646, "∑", font="CMEX10")
    limit = at(152, 622, "i=1", size=7)
    line = at(165, 634, "f(x) = y")
    above, below = at(215, 641, "a + b"), at(220, 627, "2")
    assert formulas(sign, limit, line, above, below) == [["∑", "a + b", "f(x) = y", "2", "i=1"]]


def test_two_lines_of_a_formula_are_one() -> None:
    assert formulas(at(150, 640, "f(x) = y + z"), at(165, 626, "= 3z")) == [
        ["f(x) = y + z", "= 3z"]
    ]


def test_one_at_the_margin_is_apart_from_the_text() -> None:
    assert formulas(at(72, 632, "f(x) = y + z")) == [["f(x) = y + z"]]


@pytest.mark.parametrize(
    "lines",
    [
        [at(72, 652, "x = y + z.")],
        [at(72, 652, "and then x = y."), at(80, 656, "′", font="CMSY7")],
        set_text(["• x = y + z"], top=634, x=100),
        set_text(["for all that is known of x > 0 and of y"], top=634, x=100),
        set_text(["Hull and York"], top=634, x=180),
    ],
    ids=["last line of a paragraph", "sign within a line", "item", "words", "no signs"],
)
def test_other_lines_are_none(lines: Page) -> None:
    assert formulas(*lines) == []


def test_a_line_of_an_item_is_none() -> None:
    item = set_text(["1. The first of the two things that are said", "   x = y."], top=640, x=90)
    assert formulas(*item) == []
