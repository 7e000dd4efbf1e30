"""pdfium gives the lines that pypdf gives, and can do no more harm."""

import sys
from pathlib import Path

import pypdf
import pytest
from pdf_writer import HELVETICA, PlacedLine, write_pdf, write_placed_pdf, write_raw_pdf

from qwen_pl.data.pdf.read import PdfLimits, PdfText, read_pdf

pypdfium2 = pytest.importorskip("pypdfium2")

GOOD_PAGE = b"BT /F1 12 Tf 72 720 Td (all well) Tj ET"
LARGE_PAGE = b"BT /F1 9 Tf " + b"(x) Tj " * 400_000 + b"ET"  # some hundred bytes for each


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.pdf"


def read(path: Path, **kwargs: object) -> PdfText:
    return read_pdf(path, reader="pdfium", **kwargs)


def texts(pdf: PdfText) -> list[list[str]]:
    return [[line.text for line in page] for page in pdf.pages]


@pytest.mark.parametrize(
    "content",
    [
        b"BT /F1 18 Tf 100 650.5 Td (title) Tj /F1 9 Tf -28 -50.5 Td (text) Tj ET",
        b"BT /F1 10 Tf 0 1 -1 0 300 50 Tm (one) Tj 0 -12 Td (two) Tj ET",
        b"BT /F1 10 Tf -1 0 0 -1 300 50 Tm (one) Tj 0 -12 Td (two) Tj ET",
        b"BT /F1 1 Tf 12 0 0 12 72 720 Tm (scaled) Tj ET",
        b"2 0 0 2 10 20 cm BT /F1 6 Tf 31 350 Td (moved) Tj ET",
        b"BT /F1 30 Tf 72 700 Td (I) Tj /F1 10 Tf 10 12 Td (n a drop) Tj 0 -12 Td (cap) Tj ET",
        b"BT /F1 12 Tf 72 720 Td (see) Tj /F1 7 Tf 18.7 4 Td (23) Tj /F1 12 Tf 8 -4 Td (now) Tj ET",
        b"BT /F1 12 Tf 72 720 Td (man) Tj 6 Tc 23.3 0 Td (yt) Tj 0 Tc 15.3 0 Td (o) Tj ET",
        b"BT /F1 12 Tf 72 720 Td (11) Tj ET",
        b"BT /F1 12 Tf 72 720 Td (we) Tj 17 0 Td (Women) Tj ET",
        b"BT /F1 12 Tf 72 720 Td (a bro-) Tj 0 -14 Td (ken word) Tj ET",
    ],
)
def test_lines_are_those_of_pypdf(path: Path, content: bytes) -> None:
    write_raw_pdf(path, [content])
    pdfium, by_pypdf = read(path), read_pdf(path)
    assert [[line[:4] for line in page] for page in pdfium.pages] == [
        [(line.text, *map(pytest.approx, line[1:4])) for line in page] for page in by_pypdf.pages
    ]


def test_pages_come_as_lines_of_text(path: Path) -> None:
    write_pdf(path, [["Émile said:", "“Ça (va)?”"], ["Yes."]])
    pdf = read(path)
    assert texts(pdf) == [["Émile said:", "“Ça (va)?”"], ["Yes."]]
    assert (pdf.status, pdf.reason, pdf.num_pages) == ("ok", "", 2)
    assert pdf.reader == f"pdfium {pypdfium2.version.PYPDFIUM_INFO}"


def test_a_sign_that_is_raised_does_not_end_the_line(path: Path) -> None:
    lines = [PlacedLine("Script", 72, 720, 10), PlacedLine("®", 97.6, 726, 8)]
    write_placed_pdf(path, [[*lines, PlacedLine("output", 106.4, 720, 10)]])
    assert texts(read(path)) == [["Script® output"]]


def test_characters_outside_the_basic_plane_are_whole(path: Path) -> None:
    font = (
        "<< /Type /Font /Subtype /Type1 /BaseFont /X /FirstChar 65 /LastChar 67"
        " /Widths [500 500 500] /Encoding << /Differences [65 /u1D400 /u1D401 /C] >> >>"
    )
    write_raw_pdf(path, [b"BT /F1 10 Tf 72 720 Td (ABC) Tj ET"], font=font)
    assert texts(read(path)) == [["𝐀𝐁C"]]


def test_hebrew_is_read_from_the_right_with_its_quotation_marks(path: Path) -> None:
    font = (
        "<< /Type /Font /Subtype /Type1 /BaseFont /X /FirstChar 32 /LastChar 126"
        f" /Widths [{'500 ' * 95}] /Encoding << /Differences"
        " [65 /afii57664 /afii57665 /afii57666 /afii57667 /quotedblleft /quotedblright] >> >>"
    )
    write_raw_pdf(path, [b"BT /F1 10 Tf 72 720 Td [(D)-300(ECBF)-300(A)] TJ ET"], font=font)
    pdf = read(path)
    for page in (*pdf.pages, *read_pdf(path).pages):
        assert [line[:4] for line in page] == [("א ”בג“ ד", 72, 720, 10)]


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_passwords_open_with_both_readers(path: Path, algorithm: str) -> None:
    write_pdf(path, [["secret text"]])
    writer = pypdf.PdfWriter(clone_from=path)
    writer.encrypt(user_password="sesame", algorithm=algorithm)
    writer.write(path)
    for reader in ("pypdf", "pdfium"):
        assert read_pdf(path, reader=reader).status == "encrypted"
        assert read_pdf(path, reader=reader, password="wrong").status == "encrypted"
        assert texts(read_pdf(path, reader=reader, password="sesame")) == [["secret text"]]


def test_an_empty_password_opens_by_itself(path: Path) -> None:
    write_pdf(path, [["open text"]])
    writer = pypdf.PdfWriter(clone_from=path)
    writer.encrypt(user_password="", owner_password="owner", algorithm="AES-256")
    writer.write(path)
    assert texts(read(path)) == texts(read_pdf(path)) == [["open text"]]


def test_what_is_no_pdf_is_corrupt(path: Path) -> None:
    path.write_bytes(b"<html>hello</html>")
    assert (read(path).status, read(path).reason) == ("corrupt", "is not a PDF")


def test_a_truncated_file_gives_the_pages_before_its_end(path: Path) -> None:
    write_pdf(path, [["first"], ["second"], ["third"]])
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"(third)")])
    pdf = read(path)
    assert (texts(pdf)[:2], pdf.status) == ([["first"], ["second"]], "partial")


@pytest.mark.skipif(sys.platform == "win32", reason="memory is watched there, not limited")
def test_a_page_that_needs_too_much_memory_costs_that_page_only(path: Path) -> None:
    write_raw_pdf(path, [GOOD_PAGE, LARGE_PAGE, GOOD_PAGE])
    pdf = read(path, limits=PdfLimits(memory_mb=80))
    assert texts(pdf) == [["all well"], [], ["all well"]]
    assert pdf.status == "partial"
    assert "memory" in pdf.reason


def test_spaces_as_narrow_as_another_of_their_line_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from qwen_pl.data.pdf.pdfium.characters import Characters
    from qwen_pl.data.pdf.pdfium.lines import _Run, _spaced

    shown, found = "he is an old Manx cat", "he is anold Manxcat"
    left = [5 * index for index, letter in enumerate(shown) if letter != " "]
    gaps = [shown[:index].count(" ") * 3.5 for index, letter in enumerate(shown) if letter != " "]
    places = [x - gap for x, gap in zip(left, gaps, strict=True)]  # a space is 1.5 wide
    index_of = {i: found[:i].replace(" ", "") for i in range(len(found))}
    characters = object.__new__(Characters)
    monkeypatch.setattr(characters, "left_end", lambda i: places[len(index_of[i])])
    monkeypatch.setattr(characters, "right_end", lambda i: places[len(index_of[i])] + 5)
    run = _Run(found, 0.0, 0.0, 10.0, 0, len(found) - 1, 95.0, "", 90, 1.5, False)
    assert _spaced(characters, run, 1.5).text == shown


def test_codes_without_a_map_are_never_given_as_text(path: Path) -> None:
    """The font names glyphs that pdfium does not know, of which nothing else says the text."""
    font = HELVETICA.replace("/WinAnsiEncoding", "<< /Differences [65 /T_h /g12 /greekfree] >>")
    write_raw_pdf(path, [b"BT /F1 12 Tf 72 720 Td (A B C e) Tj ET"], font)
    assert texts(read(path)) == [["\ufffd \ufffd \ufffd e"]]


def test_a_word_that_ends_in_a_vowel_sign_is_apart_from_the_next(path: Path) -> None:
    def shown(text: str, x: float) -> bytes:
        told = text.encode("utf-16-be").hex().encode()
        span = b"/Span << /ActualText <FEFF%b> >> BDC" % told
        return b"BT /F1 12 Tf %g 720 Td %b (ab) Tj EMC ET\n" % (x, span)

    words = ["में", "लिखी", "से", "गाँव"]
    write_raw_pdf(path, [b"".join(shown(word, 72 + 16.9 * i) for i, word in enumerate(words))])
    assert texts(read(path)) == [[" ".join(words)]]
