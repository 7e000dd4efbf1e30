"""Pages as pictures, with what the layout stage has found on them."""

from pathlib import Path

import pytest

from qwen_pl.data.corpus import page_views
from qwen_pl.data.corpus.page_views import COLOURS, page_numbers, write_views
from qwen_pl.data.corpus.reading import ReadingSettings
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.pdf.child import ChildStopped
from qwen_pl.data.pdf.read import PdfLimits, PdfText, read_pdf
from qwen_pl.errors import InputError


@pytest.fixture(scope="module")
def book() -> PdfText:
    pytest.importorskip("pypdfium2")
    pdf = read_pdf(Path("data/book.pdf"), reader="pdfium")
    pdf.sheets = pdf.sheets[:12]
    return pdf


def test_the_rows_of_a_page_are_drawn_where_they_stand(book: PdfText, tmp_path: Path) -> None:
    [view] = page_views.page_views(book, [10, 5000], ReadingSettings())
    assert view.number == 10
    assert len(view.rows) > 20
    for row in view.rows:
        assert 0 <= row.left <= row.left + row.width <= view.width
        assert 0 <= row.top <= row.top + row.height <= view.height
    texts = " ".join(row.text for row in view.rows)
    assert all(line.text.split()[0] in texts for line in book.pages[9])
    write_views(tmp_path / "pages.html", [("<b>.pdf", [view])])
    page = (tmp_path / "pages.html").read_text()
    assert page.count("<rect") == len(view.rows)
    assert "&lt;b&gt;.pdf" in page and "data:image/png;base64,iVBOR" in page


def test_a_file_that_cannot_be_rendered_is_told_of(book: PdfText, tmp_path: Path) -> None:
    (tmp_path / "no.pdf").write_text("no PDF")
    other = PdfText(tmp_path / "no.pdf", book.sheets)
    with pytest.raises(ChildStopped):
        page_views.page_views(other, [1], ReadingSettings(limits=PdfLimits(page_seconds=60)))


def test_every_role_has_a_colour_of_its_own() -> None:
    assert set(COLOURS) == set(Role)
    assert len(set(COLOURS.values())) == len(COLOURS)


@pytest.mark.parametrize("text", ["", "x", "0", "5-3", "1-1000000", "1,,2", "-3", "3-"])
def test_what_is_no_range_of_pages_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--debug-pages"):
        page_numbers(text)
