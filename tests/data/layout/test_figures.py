import pytest
from line_maker import across, set_pieces, set_text

from qwen_pl.data.layout.figures import find_figures
from qwen_pl.data.page.line import Box, Line, Page, Sheet

PAGE = (0.0, 0.0, 600.0, 800.0)
DRAWING = (100.0, 500.0, 400.0, 700.0)
PROSE = set_text(20 * ["It is a truth universally acknowledged that a man in want"], top=300)
TICKS = set_pieces(
    ["0.2|0.4|0.6", "", "Speed||Time"], columns=[120, 200, 280], top=620, size=6, font="Sans"
)
CAPTION = set_text(["Figure 1: The speed of two ways"], top=480)
LABELS = {"0.2", "0.4", "0.6", "Speed", "Time"}
SMALL = {"x": 120, "top": 620, "size": 10.0}


def found(lines: Page, *pictures: Box, rulings: tuple[Box, ...] = ()) -> set[str]:
    sheet = Sheet(lines + PROSE, PAGE, rulings, pictures)
    return {sheet.lines[index].text for _, index in find_figures([sheet])}


def test_what_stands_in_a_drawing_is_a_figure() -> None:
    assert found(TICKS + CAPTION, DRAWING) == LABELS


def test_so_are_small_or_turned_labels_beside_it() -> None:
    below = Line("Seconds", 200, 492, 6, 230, "Sans")
    turned = Line("Metres", 560, -92, 10, 600, "Serif", 90)
    assert found([*TICKS, below, turned, *CAPTION], DRAWING) >= {"Seconds", "Metres"}


def test_a_low_strip_of_colours_has_its_labels_beside_it() -> None:
    strip = set_pieces(
        ["|1 2 3 4 5 6 7 8 9", "Wiki", "Mail"], columns=[90, 110], top=706, size=6, font="Sans"
    )
    assert found(strip, (105.0, 685.0, 400.0, 704.0)) == {"1 2 3 4 5 6 7 8 9", "Wiki", "Mail"}


def test_labels_in_another_hand_above_a_caption_need_no_known_drawing() -> None:
    assert found(TICKS + CAPTION, rulings=across(10, 20, 40)) == LABELS


def test_a_drawing_may_be_of_rulings_only() -> None:
    cells = set_pieces(4 * ["Core|0|1|2"], columns=[110, 140, 150, 160], size=6, font="Sans")
    rulings = across(100, 200, 710, 695, 680, 660)
    caption = set_text(["Figure 1: The speed of two ways"], top=640)
    assert found(cells + caption, rulings=rulings) == {"Core", "0", "1", "2"}


@pytest.mark.parametrize(
    "lines",
    [
        set_text(["Remark. A box is drawn around this one, as around others."], **SMALL),
        set_text(["• The first point", "• The second point", "• The third"], **SMALL),
        set_text(["for x in y:", "    print(x)"], **SMALL, font="CMTT10"),
        set_text(["Annual Report", "1813"], x=120, top=620, size=24),
        CAPTION,
    ],
    ids=["sentence", "list", "code", "title", "caption"],
)
def test_text_in_a_box_is_no_figure(lines: Page) -> None:
    assert found(lines, DRAWING) == set()


def test_neither_is_a_table_with_colours_behind_its_rows() -> None:
    cells = set_pieces(["A|B|A or B", "0|1|1", "1|1|1"], columns=[120, 200, 300], top=660)
    assert found(cells, DRAWING, rulings=across(105, 390, 672, 654, 630)) == set()


def test_a_page_with_a_picture_behind_it_is_text() -> None:
    assert found(TICKS, PAGE) == set()


def test_prose_around_a_drawing_stays() -> None:
    beside = set_text(["A word", "Others"], x=120, top=495)
    assert found(TICKS + beside, DRAWING) == LABELS
