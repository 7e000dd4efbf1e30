"""Running heads and page numbers are found, and text that looks like them is left."""

import pytest
from line_maker import made_up_lines, set_lines

from qwen_pl.data.layout.running_heads import find_running_heads
from qwen_pl.data.page.line import Line, Page

HEAD, FOOT = 760, 40


def page(number: int, *edges: tuple[str, float]) -> Page:
    """A page of eleven lines that no other page has, with more lines at the heights given."""
    body = set_lines(made_up_lines(11, page=number))
    return [*body, *(Line(text, 72, y, 10) for text, y in edges)]


def found(pages: list[Page]) -> list[str]:
    return [pages[p][i].text for p, i in sorted(find_running_heads(pages))]


def test_numbers_that_count_the_pages_are_found() -> None:
    pages = [page(n, (f"– {n + 17} –", FOOT)) for n in range(4)]
    assert found(pages) == ["– 17 –", "– 18 –", "– 19 –", "– 20 –"]


def test_roman_numbers_count_too() -> None:
    pages = [page(n, (number, FOOT)) for n, number in enumerate(["iii", "iv", "v", "vi"])]
    assert found(pages) == ["iii", "iv", "v", "vi"]


def test_a_number_may_move_from_head_to_foot() -> None:
    pages = [page(n, (f"{n + 1}", FOOT if n == 2 else HEAD)) for n in range(5)]
    assert len(found(pages)) == 5


def test_titles_beside_numbers_go_with_them() -> None:
    titles = ["The Book", "Chapter 1", "The Book", "Chapter 2"]
    pages = [page(n, (f"{title} {n + 9}", HEAD)) for n, title in enumerate(titles)]
    assert found(pages) == ["The Book 9", "Chapter 1 10", "The Book 11", "Chapter 2 12"]


def test_the_heading_of_a_chapter_is_not_its_running_head() -> None:
    pages = [page(n, (f"Chapter 1 {n + 1}", HEAD)) for n in range(1, 6)]
    first = [Line("Chapter 1", 72, 720, 14), *page(0)]
    assert "Chapter 1" not in found([first, *pages])


def test_repeated_lines_are_found_although_sections_change() -> None:
    heads = [f"MANUAL OF THINGS {section}" for section in ("ON CATS", "ON DOGS", "ON MICE") * 3]
    pages = [page(n, (head, HEAD)) for n, head in enumerate(heads)]
    assert found(pages) == heads


def test_a_head_that_comes_once_is_found_by_its_place() -> None:
    heads = ["Long Chapter"] * 6 + ["Short One"] + ["Third Chapter"] * 5
    pages = [page(n, (head, HEAD)) for n, head in enumerate(heads)]
    assert "Short One" in found(pages)


def test_text_that_repeats_at_the_top_of_a_few_pages_stays() -> None:
    pages = [page(n) for n in range(20)]
    for number in (3, 5, 8):
        pages[number][0] = pages[number][0]._replace(text="For example, try this:")
    assert found(pages) == []


def test_rows_of_numbers_at_the_edge_of_pages_stay() -> None:
    pages = [page(n, (f"(65,75] 0 1 {n + 1} 0", FOOT if n % 2 else HEAD)) for n in range(4)]
    pages[1][-1] = pages[1][-1]._replace(y=55)
    assert found(pages[:2]) == []


def test_one_page_has_no_running_head() -> None:
    assert found([page(0, ("1", FOOT))]) == []


def test_heads_of_short_chapters_are_found_by_their_place_apart() -> None:
    heads = [head for head in ("A Dream", "Eggs and Ham", "Sleeping", "Walks") for _ in range(2)]
    assert found([page(n, (head, HEAD)) for n, head in enumerate(heads)]) == heads


def test_the_titles_of_slides_stay() -> None:
    titles = [title for title in ("A Dream", "Eggs and Ham", "Sleeping", "Walks") for _ in range(2)]
    pages = [[Line(title, 72, HEAD, 14), *page(n)] for n, title in enumerate(titles)]
    assert found(pages) == []


TITLES = ["Greetings", "At the market", "The weather", "Names", "Sheep", "The way", "Home"]


@pytest.mark.parametrize(
    ("size", "font", "foot"),
    [(14, "Times", ""), (10, "Times-Bold", ""), (10, "Times", "number")],
    ids=["large", "bold", "of a page that has its number below"],
)
def test_titles_that_count_with_the_pages_stay(size: float, font: str, foot: str) -> None:
    pages = [
        [Line(f"Lesson {n}: {title}", 72, HEAD, size, font=font), *page(n)]
        for n, title in enumerate(TITLES, start=1)
    ]
    if foot:
        pages = [[*each, Line(f"{n}", 300, FOOT, 10)] for n, each in enumerate(pages, start=1)]
    assert [text for text in found(pages) if "Lesson" in text] == []


def test_captions_at_the_head_of_pages_stay_though_they_count() -> None:
    pages = [page(n, (f"Table {n}: {title}", HEAD)) for n, title in enumerate(TITLES, start=1)]
    assert found(pages) == []


@pytest.mark.parametrize("form", ["[{}] A. Author, a work", "{}. A. Author, a work"])
def test_entries_of_a_list_at_the_head_of_pages_stay_though_they_count(form: str) -> None:
    """As one on each page does by chance; others of the list are below it."""
    pages = [page(n) for n in range(8)]
    for number in (3, 4, 5):
        at_head = Line(form.format(number + 9), 72, HEAD, 10)
        pages[number] = [at_head, Line(form.format(number + 10), 72, 748, 10), *pages[number]]
    assert found(pages) == []


def test_a_head_may_take_two_rows() -> None:
    pages = [page(n, (f"{n + 20} A Head", HEAD)) for n in range(12)]
    pages[5].append(Line("of two rows", 72, HEAD - 12, 10))
    assert "of two rows" in found(pages)


def test_text_right_below_the_heads_stays() -> None:
    pages = [page(n, (f"{n + 20} A Head", 712)) for n in range(12)]
    pages[5][1:10] = []  # leaves a gap below the first line
    pages[5] += set_lines(made_up_lines(6, page=77), top=660)
    assert found(pages) == [f"{n + 20} A Head" for n in range(12)]


def test_a_paragraph_that_is_nearer_to_the_foot_than_to_the_text_stays() -> None:
    pages = [page(n, (f"Page {n + 1}", 546)) for n in range(12)]  # 34 below the text
    pages[5].append(Line("So they said.", 72, 562, 10))
    assert found(pages) == [f"Page {n + 1}" for n in range(12)]


def test_a_turkish_letter_is_no_roman_number() -> None:
    assert not find_running_heads([set_lines(["ı", "Some text."])])
