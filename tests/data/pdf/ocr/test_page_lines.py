"""Lines from what was read in boxes: rows, pieces, sizes, and what is not believed."""

from typing import Any

import pytest

of_lines = pytest.importorskip("qwen_pl.data.pdf.ocr.page_lines")
SCALE = 2.0  # pixels for each point
HEIGHT = 1000  # of the page, in pixels


def box(text: str, left: float, right: float, baseline: float, size: float = 20) -> Any:
    return of_lines.ReadBox(text, 0.99, left, right, baseline, size)


def texts(*boxes: Any) -> list[str]:
    return [line.text for line in of_lines.page_lines([*boxes], HEIGHT, SCALE)]


def test_a_line_has_its_place_in_points_from_the_lower_left_corner() -> None:
    [line] = of_lines.page_lines([box("one line", 100, 300, 400)], HEIGHT, SCALE)
    assert (line.x, line.y, line.size, line.end) == (50, 300, 10, 150)


def test_lines_come_from_the_top_and_each_row_from_the_left() -> None:
    row = [box("right", 500, 600, 102), box("left", 100, 200, 100)]
    assert texts(box("below", 100, 200, 140), *row) == ["left", "right", "below"]


def test_a_line_that_was_found_in_two_boxes_is_one() -> None:
    assert texts(box("The first", 100, 200, 100), box("half", 210, 250, 101)) == ["The first half"]
    assert texts(box("hyphen", 100, 200, 100), box("ated", 201, 250, 101)) == ["hyphenated"]


def test_what_was_found_twice_comes_once() -> None:
    assert texts(box("all of it", 100, 300, 100), box("of it", 150, 300, 101)) == ["all of it"]


def test_a_large_initial_stays_apart_from_the_line_beside_it() -> None:
    assert texts(box("W", 100, 140, 120, size=60), box("a later line", 145, 300, 120)) == [
        "W",
        "a later line",
    ]


def test_sizes_that_nearly_are_the_same_are_one_size() -> None:
    sizes = (19.4, 20.0, 21.3, 20.2, 36.0)
    boxes = [box("some text", 100, 300, 40 * row, size) for row, size in enumerate(sizes, 1)]
    assert [line.size for line in of_lines.page_lines(boxes, HEIGHT, SCALE)] == [10, 10, 10, 10, 18]


@pytest.mark.parametrize(
    ("text", "score", "is_believed"),
    [
        ("a line of twenty ems has some forty", 0.9, True),
        ("二十个字的一行文字有二十个字符在这里了", 0.9, True),
        (",   .  ,    -", 0.95, False),  # a script that is not known
        ("ued s d s s s w ss r eds s os dde x", 0.4, False),
    ],
)
def test_a_line_is_believed_if_it_is_sure_and_full(
    text: str, score: float, is_believed: bool
) -> None:
    assert of_lines.ReadBox(text, score, 0, 400, 100, 20).is_believed == is_believed
