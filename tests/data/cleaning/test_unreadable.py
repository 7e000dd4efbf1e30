"""What no one can read is left out, and nothing beside it; its pages are named."""

import pytest
from line_maker import set_lines

from qwen_pl.data.cleaning.clean import clean_pages
from qwen_pl.data.cleaning.clean_text import EVERY_STEP, Cleaning, CleanText
from qwen_pl.data.page.line import Line, Page, Sheet
from qwen_pl.data.pdf.read import PdfText
from qwen_pl.data.report.file_report import describe_file

MILL = [
    "The mill stood at the bend of the river, where the water ran slow and",
    "brown under the alders. In spring the miller opened the sluice early,",
    "and all the valley heard the wheel begin to turn before the first cart",
    "had crossed the bridge. Nobody complained, for the bread was good.",
]


def shifted(text: str) -> str:
    return "".join(chr(ord(c) - 29) if " " < c <= "~" else c for c in text)


def text_of(clean: CleanText) -> str:
    return " ".join(paragraph.text for paragraph in clean.paragraphs)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("Please shut o\x00 the valve", "Please shut the valve"),
        ("the o\ufffdcer softly", "the softly"),
        ("a \ue123sign\ue124 here", "a here"),
        ("it is (cid:12)(cid:9) here", "it is here"),
        ("\ufffd\ufffd\ufffd\ufffd \ufffd\ufffd", ""),
    ],
)
def test_only_words_with_unknown_characters_are_left_out(line: str, kept: str) -> None:
    clean = clean_pages([set_lines([*MILL, "", line]), set_lines(MILL)])
    assert text_of(clean) == " ".join(filter(None, [*MILL, kept, *MILL]))
    assert clean.garbage_pages == [1]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("\uf0b7 Bring two copies", "• Bring two copies"),
        ("\uf0a7 Pay the fee", "• Pay the fee"),
        ("(\uf8eba\uf8f6)", "(⎛a⎞)"),
        ("\ufffd Note", "Note"),
        ("x /greaterorequalslant y holds", "x y holds"),
        ("the cost is\x80 5", "the cost is€ 5"),
    ],
)
def test_signs_are_read_or_left_out_without_a_word(line: str, kept: str) -> None:
    clean = clean_pages([set_lines([line])])
    assert (text_of(clean), clean.garbage_pages) == (kept, [])


def mixed() -> list[Page]:
    return [set_lines([*MILL, "", *map(shifted, MILL)]), set_lines(MILL)]


def test_lines_that_are_other_text_than_is_shown_are_left_out() -> None:
    clean = clean_pages(mixed())
    assert text_of(clean) == " ".join(2 * MILL)
    assert clean.garbage_pages == [1]
    assert clean.garbage_ratio == pytest.approx(1 / 3, abs=0.01)


def test_a_switch_keeps_them() -> None:
    assert "VWRRG" in text_of(clean_pages(mixed(), Cleaning(garbage_pages=False)))


@pytest.mark.parametrize(
    ("pages", "status", "reason"),
    [
        (mixed(), "partial", "characters that the fonts do not tell on page 1"),
        ([set_lines(list(map(shifted, MILL)))] * 3, "empty", "pages 1-3"),
        ([set_lines(MILL)], "ok", ""),
    ],
)
def test_a_file_with_unreadable_text_is_never_ok(
    tmp_path, pages: list[Page], status: str, reason: str
) -> None:
    pdf = PdfText(tmp_path / "x.pdf", list(map(Sheet, pages)), num_pages=len(pages))
    report = describe_file(pdf.path, "", pdf, clean_pages(pages, EVERY_STEP))
    assert report.status == status
    assert reason in report.reason and bool(reason) == bool(report.reason)
    assert report.reason in report.trouble()


def test_many_lone_signs_are_named() -> None:
    page = [Line("\ufffd", 72 + 9 * i, 700, 10) for i in range(25)]
    assert clean_pages([[*page, *set_lines(MILL, top=600)]]).garbage_pages == [1]
