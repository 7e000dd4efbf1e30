"""Which pages are read as pictures, and what their quotes are taken for."""

import pytest

from qwen_pl.data.page.line import Line, Sheet
from qwen_pl.data.pdf.ocr.scans import pages_to_read, with_true_quotes

PAGE = (0.0, 0.0, 600.0, 800.0)


def sheet(*texts: str, picture: tuple[float, float, float, float] | None = None) -> Sheet:
    lines = [Line(text, 72, 700 - 14 * row, 10) for row, text in enumerate(texts)]
    return Sheet(lines, PAGE, (), (picture,) if picture else ())


TEXT = sheet(*["It was a dark and stormy night, and the rain fell in torrents."] * 5)
PAGES = {
    "nothing": Sheet([]),
    "spaces": sheet("  ", ""),
    "no characters": sheet("\ufffd\ufffd \ufffd\ufffd"),
    "text": TEXT,
    "a short last page": sheet("The end."),
    "a stamp on a scan": sheet("Downloaded on 3 May", picture=PAGE),
    "text upon a background": TEXT._replace(pictures=(PAGE,)),
    "half text, half scan": TEXT._replace(pictures=((0.0, 0.0, 600.0, 400.0),)),
    "a figure with a caption": sheet("Figure 3", picture=(50.0, 150.0, 550.0, 750.0)),
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_without_legible_text_are_read_as_pictures(name: str) -> None:
    wanted = name in ("nothing", "spaces", "no characters", "a stamp on a scan")
    assert pages_to_read([TEXT, PAGES[name]], "auto") == ([1] if wanted else [])


def test_all_pages_are_read_as_pictures_or_none() -> None:
    pages = [*PAGES.values()]
    assert pages_to_read(pages, "always") == [*range(len(PAGES))]
    assert pages_to_read(pages, "never") == []


@pytest.mark.parametrize(
    ("seen", "meant"),
    [
        ('“Well," said she, "it\'s true."', "“Well,” said she, “it’s true.”"),
        ("“So", "“So"),
        ("“No!\" cried 'Liza' (“my own\").", "“No!” cried ‘Liza’ (“my own”)."),
        ('"Well," said she, "it\'s true."', '"Well," said she, "it\'s true."'),
        ('a 5" pipe', 'a 5" pipe'),
        ('„Ja“, sagte er, "nein".', '„Ja“, sagte er, "nein".'),
    ],
)
def test_straight_quotes_are_curled_in_a_text_that_has_curled_ones(seen: str, meant: str) -> None:
    assert [line.text for line in with_true_quotes([sheet(seen)])[0].lines] == [meant]


@pytest.mark.parametrize(("num_curled", "is_curled"), [(1, False), (2, True)])
def test_one_curled_quote_among_a_hundred_is_an_error_of_reading(
    num_curled: int, is_curled: bool
) -> None:
    pages = [sheet(*["“I see"] * num_curled, *['"I see, he said.'] * 100)]
    assert (with_true_quotes(pages) != pages) == is_curled
