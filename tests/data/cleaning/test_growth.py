"""The work of cleaning grows with the input and no faster, whatever its shape."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from steps import steps

from benchmarks import growth
from qwen_pl.data.cleaning.clean import clean_pages
from qwen_pl.data.cleaning.clean_text import EVERY_STEP, Cleaning
from qwen_pl.data.page.line import Line, Page, Sheet
from qwen_pl.data.pdf.read import PdfText
from qwen_pl.data.report.file_report import describe_file
from qwen_pl.data.texts.html_groups import html_groups
from qwen_pl.data.texts.line_groups import clean_groups
from qwen_pl.data.texts.text_file import clean_plain_text

PLAIN = dataclasses.replace(EVERY_STEP, characters=False, hyphens=False)
MOST = 2.5  # times the work for twice the input; what is quadratic comes to 3 and more
WORDS = [
    *("a", "A", "T", "word", "Word.", "so-", "so\u00ad", "x-y-", "1", "12", "iv", "1.", "word¹"),
    *("word*", "*", "¹", "1 See", "“", "‘a", "”", "—", "/", "http://", "www.x/", "字", "。"),
    *(
        "\u0301",
        ". . . .",
        "...... 7",
        "- ",
        "#",
        "|",
        "```",
        "    ",
        "\u05d0",
        "\ufffd",
        "(cid:1)",
    ),
    *("(cid:1)", "´", "\ufb01", ">", "> -", "   ```x", "\t", "<!--", "---", "a | b", "--|--"),
    *("<p>", "<td>", "</td>", "<table>", "<li>", "<ul>", "<br>", "<sup>", "</sup>", '<a b="'),
]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map("".join)
lines = st.builds(
    Line,
    texts,
    x=st.sampled_from([72.0, 90.0, 300.0]),
    y=st.sampled_from([720.0, 700.0, 688.0, 40.0]),
    size=st.sampled_from([0.0, 7.0, 10.0, 30.0]),
)


def clean_texts(text: str, cleaning=EVERY_STEP) -> None:
    clean_plain_text(text, cleaning)
    if cleaning is EVERY_STEP:
        clean_plain_text(text, suffix=".md")
        clean_groups(html_groups(text), cleaning)


def describe(pages: list[Page], cleaning=EVERY_STEP) -> None:
    pdf = PdfText(Path("x.pdf"), list(map(Sheet, pages)), num_pages=len(pages))
    describe_file(pdf.path, "", pdf, clean_pages(pages, cleaning))


def spread(unit: list[Line], number: int, fall: float, shift: float) -> Page:
    """A page with a few lines again and again, each time lower and farther to the right."""
    return [
        line._replace(y=line.y - fall * row, x=line.x + shift * row)
        for row in range(number)
        for line in unit
    ]


@settings(max_examples=12, deadline=None, derandomize=True, database=None)
@given(st.lists(texts, min_size=1, max_size=3), st.sampled_from(["", "\n", "\n\n", "\f", " "]))
@example(["w"], "\n")
@example(["so-"], "\n")
@example(["www.x/"], "\n")
def test_no_text_takes_more_work_than_it_is_longer(unit: list[str], end: str) -> None:
    def work(number: int) -> int:
        text = end.join(unit * number)
        return steps(lambda: clean_texts(text))

    assert work(160) < MOST * work(80)


@settings(max_examples=8, deadline=None, derandomize=True, database=None)
@given(
    st.lists(lines, min_size=1, max_size=3),
    st.sampled_from([0.0, 0.1, 12.0, -3.0]),
    st.sampled_from([0.0, 7.0]),
)
@example([Line("T", 72, 700, 30), Line("he word", 90, 690, 10)], 0.0, 0.0)
@example([Line("word", 72, 700, 10), Line("1 See", 72, 40, 7)], 12.0, 0.0)
def test_no_page_takes_more_work_than_it_has_lines(
    unit: list[Line], fall: float, shift: float
) -> None:
    def work(number: int) -> int:
        page = spread(unit, number, fall, shift)
        return steps(lambda: describe([page]))

    assert work(60) < MOST * work(30)


@settings(max_examples=8, deadline=None, derandomize=True, database=None)
@given(st.lists(lines, min_size=1, max_size=4))
@example([Line("Head", 72, 720, 10), *[Line("word", 72, 600 - 12 * i, 10) for i in range(4)]])
def test_no_pages_take_more_work_than_they_are_more(unit: list[Line]) -> None:
    def work(number: int) -> int:
        return steps(lambda: describe([unit for _ in range(number)]))

    assert work(72) < MOST * work(36)


@pytest.mark.parametrize("cleaning", [EVERY_STEP, PLAIN], ids=["every step", "plain"])
@pytest.mark.parametrize("kind", growth.TEXTS)
def test_work_doubles_with_each_kind_of_text(kind: str, cleaning: Cleaning) -> None:
    _, make = growth.TEXTS[kind]
    short, long = make(150), make(300)
    once = steps(lambda: clean_texts(short, cleaning))
    assert steps(lambda: clean_texts(long, cleaning)) < MOST * once


@pytest.mark.parametrize("kind", growth.PAGES)
def test_work_doubles_with_each_kind_of_pages(kind: str) -> None:
    _, make = growth.PAGES[kind]
    short, long = make(30), make(60)
    assert steps(lambda: describe(long)) < MOST * steps(lambda: describe(short))
