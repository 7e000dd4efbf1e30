"""What a page shows, by its operators: where text stands, which is not seen, what is drawn."""

import pytest

from qwen_pl.data.page.line import Line, Sheet
from qwen_pl.data.pdf.pypdf.file import open_file

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
TO_UNICODE = (
    b"1 begincodespacerange <0000> <FFFF> endcodespacerange 3 beginbfchar"
    b" <0001> <65E5> <0002> <672C> <0003> <8A9E> endbfchar"
)
TYPE3 = (
    b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1 1] /FontMatrix [%b]"
    b" /FirstChar 97 /LastChar 99 /Widths [%b] /CharProcs << >>"
    b" /Encoding << /Differences [97 /a /b /c] >> >>"
)


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(data), entries, data)


def read(
    content: bytes,
    font: bytes = FONT,
    page: bytes = b"",
    resources: bytes = b"",
    catalog: bytes = b"",
    more: dict[int, bytes] | None = None,
) -> tuple[Sheet, str]:
    """The one page of a file; F1 is the font, and other objects have numbers from 10 on."""
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R %b >>" % catalog,
        2: b"<< /Type /Pages /Count 1 /Kids [4 0 R] >>",
        3: font,
        4: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] %b"
        b" /Resources << /Font << /F1 3 0 R >> %b >> >>"
        % (page if b"/Contents" in page else page + b"/Contents 5 0 R", resources),
        5: stream(content),
        **(more or {}),
    }
    # Without a table of objects these are looked for.
    parts = [b"%d 0 obj\n%b\nendobj\n" % each for each in objects.items()]
    end = b"trailer\n<< /Size 30 /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"
    return open_file(b"%PDF-1.7\n" + b"".join(parts) + end, "").sheet(0)


def texts(*args: object, **kwargs: object) -> list[str]:
    sheet, left_out = read(*args, **kwargs)
    assert not left_out
    return [line.text for line in sheet.lines]


def shown(text: bytes, y: int = 700) -> bytes:
    return b"BT /F1 10 Tf 72 %d Td (%b) Tj ET " % (y, text)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"(sh) Tj /Span << /ActualText <FEFF00660066> >> BDC (\x1f) Tj EMC ( it) Tj", "shff it"),
        (b"(a) Tj /Span << /ActualText (bc) >> BDC [(x) -400 (y)] TJ EMC (d) Tj", "abcd"),
        (b"(a) Tj /Span << /ActualText () >> BDC (x) Tj EMC", "a"),
        (b"(H) Tj -2 Ts /F1 7 Tf (2) Tj 0 Ts /F1 10 Tf (O) Tj", "H2O"),
        (b"(10) Tj 4 Ts /F1 7 Tf (5) Tj 0 Ts /F1 10 Tf ( Pa) Tj", "10⁵ Pa"),
        (b"[(wo) 20 (rds) -333 (a) -15 (part)] TJ", "words apart"),
        (b"(one) Tj T* 20 TL (two) ' 1 0 (three) \"", "one two three"),
        (b"100 Tz (a\\(b) Tj", "a(b"),
    ],
)
def test_text_is_what_its_operators_show(content: bytes, expected: str) -> None:
    assert " ".join(texts(b"BT /F1 10 Tf 72 700 Td " + content + b" ET")) == expected


def test_forms_that_can_show_no_text_are_as_many_as_they_like() -> None:
    entries = b"/Subtype /Form /BBox [0 0 9 9] /Resources << /ExtGState << >> >>"
    more = {10: stream(b"0 0 m 1 2 3 4 5 6 c f", entries)}
    content = b"/X Do " * 1500 + shown(b"behind them")
    assert texts(content, resources=b"/XObject << /X 10 0 R >>", more=more) == ["behind them"]


def test_what_is_printed_twice_is_there_once() -> None:
    twice = b"BT /F1 10 Tf 72 700 Td (bold) Tj 0.3 0 Td (bold) Tj 18.6 0 Td (ll) Tj ET"
    assert texts(twice) == ["boldll"]


@pytest.mark.parametrize(
    ("matrix", "widths", "content"),
    [
        (b"1 0 0 1 0 0", b".5 .5 .5", b"/F1 10 Tf (ab) Tj 1 0 0 1 85 700 Tm (c) Tj"),
        (b".01 0 0 .01 0 0", b"50 50 50", b"/F1 10 Tf (ab) Tj 1 0 0 1 85 700 Tm (c) Tj"),
        (b".001 0 0 -.001 0 0", b"500 500 500", b"/F1 10 Tf (ab) Tj 1 0 0 1 85 700 Tm (c) Tj"),
    ],
)
def test_glyphs_of_a_type_3_font_are_as_wide_as_its_matrix_says(
    matrix: bytes, widths: bytes, content: bytes
) -> None:
    sheet, _ = read(b"BT 1 0 0 1 72 700 Tm " + content + b" ET", font=TYPE3 % (matrix, widths))
    assert sheet.lines == [Line("ab c", 72, 700, 10, 90)]


def test_columns_written_from_above_are_lines_from_right_to_left() -> None:
    inner = b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /DW 1000 >>"
    font = (
        b"<< /Type /Font /Subtype /Type0 /BaseFont /ABCDEF+X /Encoding /Identity-V"
        b" /DescendantFonts [10 0 R] /ToUnicode 11 0 R >>"
    )
    content = b"BT /F1 10 Tf 500 700 Td <00010002> Tj -20 0 Td <0003> Tj ET"
    sheet, _ = read(content, font=font, more={10: inner, 11: stream(TO_UNICODE)})
    assert sheet.lines == [
        Line("日本", -700, 500, 10, -680, "X", 270),
        Line("語", -700, 480, 10, -690, "X", 270),
    ]


def test_a_form_has_its_place_on_the_page_and_shows_what_is_in_its_box() -> None:
    inside = stream(
        shown(b"in", 20) + shown(b"out", 90) + b"0 0 50 0.5 re f",
        b"/Subtype /Form /BBox [0 0 200 50] /Matrix [2 0 0 2 0 100] /Resources"
        b" << /Font << /F1 3 0 R >> >>",
    )
    content = b"q 1 0 0 1 10 5 cm /X Do Q " + shown(b"page")
    sheet, _ = read(content, resources=b"/XObject << /X 10 0 R >>", more={10: inside})
    assert [line[:4] for line in sheet.lines] == [("in", 154, 145, 20), ("page", 72, 700, 10)]
    assert sheet.rulings == ((10, 105.5, 110, 105.5),)


@pytest.mark.parametrize(
    ("quarters", "place"), [(0, (62, 680, 0)), (1, (62, 680, 270)), (2, (-530, -92, 180))]
)
def test_places_are_those_of_the_page_as_it_is_shown(
    quarters: int, place: tuple[float, ...]
) -> None:
    entries = b"/CropBox [10 20 602 792] /Rotate %d" % (90 * quarters)
    sheet, _ = read(shown(b"text"), page=entries)
    width, height = (592, 772) if quarters % 2 == 0 else (772, 592)
    assert sheet.box == (0, 0, width, height)
    [line] = sheet.lines
    assert line.turn == place[2]
    if not quarters:
        assert (line.x, line.y) == place[:2]


@pytest.mark.parametrize(
    ("marked", "layer"),
    [
        (b"/OC /L BDC %b EMC", b"<< /Type /OCG /Name (x) >>"),
        (b"/OC /L BDC %b EMC", b"<< /Type /OCMD /OCGs [20 0 R] >>"),
        (b"/OC /L BDC /Span BMC %b EMC EMC", b"<< /Type /OCMD /OCGs 20 0 R /P /AllOn >>"),
    ],
)
def test_a_layer_that_is_off_is_not_read(marked: bytes, layer: bytes) -> None:
    number = b"21" if b"OCMD" in layer else b"20"
    more = {20: b"<< /Type /OCG /Name (x) >>", 21: layer}
    content = marked % shown(b"hidden") + b" " + shown(b"seen", 600)
    off = b"/OCProperties << /OCGs [20 0 R] /D << /OFF [20 0 R] >> >>"
    resources = b"/Properties << /L %b 0 R >>" % number
    assert texts(content, resources=resources, catalog=off, more=more) == ["seen"]
    on = off.replace(b"/OFF [20 0 R]", b"")
    assert texts(content, resources=resources, catalog=on, more=more) == ["hidden", "seen"]


IMAGE = b"q 400 0 0 400 50 380 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \xff EI Q "
UNSEEN = b"3 Tr " + shown(b"layer", 700) + b"0 Tr "


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (UNSEEN, ["layer"]),
        (IMAGE + UNSEEN, ["layer"]),
        (IMAGE + UNSEEN + shown(b"stamp", 30), ["layer", "stamp"]),
        (shown(b"layer") + UNSEEN, ["layer"]),
        (UNSEEN + shown(b"words elsewhere", 300), ["words elsewhere"]),
    ],
    ids=["alone", "of a scan", "of a scan with a stamp", "over text", "over nothing"],
)
def test_text_that_is_not_painted_counts_on_a_scan_only(
    content: bytes, expected: list[str]
) -> None:
    assert texts(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (shown(b"body") + shown(b"job 4711", 900), ["body"]),
        (shown(b"body", 10) + shown(b"runs off the page", -4), ["body", "runs off the page"]),
        (
            b"BT /F1 10 Tf 560 700 Td (to the edge) Tj 56 0 Td (and on) Tj ET",
            ["to the edge and on"],
        ),
        (shown(b"body") + b"BT /F1 10 Tf 700 700 Td (proof) Tj ET", ["body"]),
    ],
)
def test_what_is_beside_the_page_is_not_read_but_where_text_runs_off(
    content: bytes, expected: list[str]
) -> None:
    assert texts(content) == expected


def test_rulings_and_pictures_are_told() -> None:
    content = (
        b"72 700 400 0.4 re f 72 100 m 300 100 l S 1 g 0 0 600 700 re f 0 g"
        b" 100 200 m 150 260 l 120 280 180 290 200 300 c S 72 20 50 30 re S " + IMAGE
    )
    sheet, _ = read(content)
    assert sheet.rulings[:2] == ((72, 700.2, 472, 700.2), (72, 100, 300, 100))
    assert len(sheet.rulings) == 6
    assert sheet.pictures == ((100, 200, 200, 300), (50, 380, 450, 780))


@pytest.mark.parametrize(
    ("content", "left_out"),
    [
        (shown(b"whole") + b"(cut", "ends within a text"),
        (shown(b"whole") + b"[(cut", "ends within"),
        (shown(b"whole") + b"BI /W 9 ID xyz", "ends within an image"),
        (shown(b"whole") + b"[" * 20_000, "more than 100 arrays"),
        (b"/F9 Tf 1 cm (x) Td EMC Q Q 1 2 3 re /X Do " + shown(b"whole"), ""),
    ],
)
def test_damaged_content_is_read_as_far_as_it_goes_and_named(content: bytes, left_out: str) -> None:
    sheet, reason = read(content)
    assert [line.text for line in sheet.lines] == ["whole"]
    assert left_out in reason
    assert bool(reason) == bool(left_out)


@pytest.mark.parametrize("packed", [b"no zlib at all", b"x\x9c" + b"\xff" * 40])
def test_a_part_of_the_content_that_does_not_unpack_is_named(packed: bytes) -> None:
    more = {
        10: stream(shown(b"whole")),
        11: stream(packed, b"/Filter /FlateDecode"),
        12: stream(shown(b"end", 600)),
    }
    page = b"/Contents [10 0 R 11 0 R 12 0 R]"
    sheet, reason = read(b"", page=page, more=more)
    assert [line.text for line in sheet.lines] == ["whole", "end"]
    assert "a part of the content is" in reason


def test_values_of_fields_and_free_text_come_behind_the_page() -> None:
    box = b"/Rect [100 500 300 520]"
    more = {
        10: b"<< /Subtype /Widget /FT /Tx /V (a value) %b >>" % box,
        11: b"<< /Subtype /FreeText /Contents (a remark) %b >>" % box.replace(b"500", b"490"),
        12: b"<< /Subtype /Widget /FT /Tx /Ff 8192 /V (password) %b >>" % box,
        13: b"<< /Subtype /Widget /FT /Tx /F 2 /V (hidden) %b >>" % box,
        14: b"<< /Subtype /Text /Contents (a sticky note) %b >>" % box,
    }
    page = b"/Annots [10 0 R 11 0 R 12 0 R 13 0 R 14 0 R]"
    sheet, _ = read(shown(b"Name:"), page=page, more=more)
    told = [(line.text, line.font) for line in sheet.lines]
    assert told == [("Name:", "Helvetica"), ("a value", "@form"), ("a remark", "@form")]
