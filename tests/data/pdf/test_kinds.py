"""Kinds of pages that PDF programs are known to read badly: what both readers make of them."""

from pathlib import Path
from typing import NamedTuple

import pytest
from pdf_writer import KindPage, stream, write_kinds

from qwen_pl.data.page.line import Page
from qwen_pl.data.pdf.read import read_pdf

ABOVE = b"BT /F1 11 Tf 72 720 Td (The mill stood at the bend of the river.) Tj ET\n"
BELOW = b"BT /F1 11 Tf 72 600 Td (When the railway came the carts grew fewer.) Tj ET\n"
BESIDE = ["The mill stood at the bend of the river.", "When the railway came the carts grew fewer."]

OBJECTS: dict[str, str | bytes] = {
    "off": "<< /Type /OCG /Name (Draft) >>",
    "on": "<< /Type /OCG /Name (Print) >>",
    "any_of_off": "<< /Type /OCMD /OCGs [{off} 0 R] /P /AnyOn >>",
    "all_but_off": "<< /Type /OCMD /OCGs {off} 0 R /P /AllOff >>",
    "form_of_layer": stream(
        b"BT /F1 11 Tf 72 660 Td (a form of the draft) Tj ET",
        "/Type /XObject /Subtype /Form /BBox [0 0 612 792] /OC 4 0 R"
        " /Resources << /Font << /F1 3 0 R >> >>",
    ),
    "form": stream(
        b"BT /F1 11 Tf 0 0 Td (within the clip) Tj 0 -60 Td (below the clip) Tj ET",
        "/Type /XObject /Subtype /Form /BBox [-10 -30 300 30]"
        " /Resources << /Font << /F1 3 0 R >> >>",
    ),
    "image": stream(
        b"\x80",
        "/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray"
        " /BitsPerComponent 8",
    ),
    "name": "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Margaret Holloway)"
    " /DA (/F1 10 Tf 0 g) /Rect [160 675 360 692] >>",
    "kid": "<< /Type /Annot /Subtype /Widget /Parent {street} 0 R /Rect [160 655 360 672] >>",
    "street": "<< /FT /Tx /T (street) /V (14 Canal Street, Leeds) /DA (/F1 10 Tf 0 g)"
    " /Kids [{kid} 0 R] >>",
    "box": "<< /Type /Annot /Subtype /Widget /FT /Btn /T (box) /V /Yes /AS /Yes"
    " /Rect [160 635 172 647] >>",
    "note": "<< /Type /Annot /Subtype /FreeText /Contents (Paid on the third of May.)"
    " /DA (/F1 10 Tf 0 g) /Rect [300 500 500 520] >>",
    "hidden_note": "<< /Type /Annot /Subtype /FreeText /Contents (nobody is to see) /F 2"
    " /DA (/F1 10 Tf 0 g) /Rect [300 400 500 420] >>",
    "pop_up": "<< /Type /Annot /Subtype /Text /Contents (a remark of the editor)"
    " /Rect [300 300 320 320] >>",
}
CATALOG = (
    "/OCProperties << /OCGs [{off} 0 R {on} 0 R] /D << /OFF [{off} 0 R] >> >>"
    " /AcroForm << /Fields [{name} 0 R {street} 0 R {box} 0 R] /DR << /Font << /F1 3 0 R >> >> >>"
)
LAYERS = (
    "/Properties << /Off {off} 0 R /On {on} 0 R /Any {any_of_off} 0 R /But {all_but_off} 0 R >>"
)


class Kind(NamedTuple):
    """A page, and the text of its lines from the top down."""

    page: KindPage
    lines: list[str]


def between(content: bytes, *lines: str, resources: str = "", entries: str = "") -> Kind:
    """A page with something between two lines of prose."""
    page = KindPage(ABOVE + content + BELOW, resources, entries)
    return Kind(page, [BESIDE[0], *lines, BESIDE[1]])


def twice(right: float, up: float) -> bytes:
    """A line that is shown again beside itself."""
    shown = b"BT /F1 11 Tf %g %g Td (Important notice to all tenants) Tj ET\n"
    return shown % (72, 660) + shown % (72 + right, 660 + up)


KINDS = {
    "printed twice for bold": between(twice(0.3, 0), "Important notice to all tenants"),
    "printed twice in the same place": between(twice(0, 0), "Important notice to all tenants"),
    "printed with a shadow": between(twice(1.2, -1.2), "Important notice to all tenants"),
    "each letter printed twice": between(
        b"BT /F1 11 Tf 72 660 Td "
        + b" ".join(
            b"(%c) Tj 0.3 0 Td (%c) Tj %g 0 Td" % (c, c, width - 0.3)
            for c, width in zip(b"NOTE", (7.94, 8.56, 6.72, 7.34), strict=True)
        )
        + b" ET\n",
        "NOTE",
    ),
    "words that are there twice": between(
        b"BT /F1 11 Tf 72 660 Td (very) Tj 30 0 Td (very) Tj 30 0 Td (good) Tj ET\n",
        "very very good",
    ),
    "a layer that is off": between(
        b"/OC /Off BDC BT /F1 11 Tf 72 660 Td (a draft) Tj ET EMC\n", resources=LAYERS
    ),
    "a layer that is on": between(
        b"/OC /On BDC BT /F1 11 Tf 72 660 Td (a print) Tj ET EMC\n", "a print", resources=LAYERS
    ),
    "layers by membership": between(
        b"/OC /Any BDC BT /F1 11 Tf 72 660 Td (if any is on) Tj ET EMC\n"
        b"/OC /But BDC BT /F1 11 Tf 72 640 Td (if all are off) Tj ET EMC\n",
        "if all are off",
        resources=LAYERS,
    ),
    "a form of a layer that is off": between(
        b"/Form Do\n", resources="/XObject << /Form {form_of_layer} 0 R >>"
    ),
    "outside the crop box": between(
        b"BT /F1 9 Tf 72 30 Td (job 4711 proof 2 cyan) Tj ET\n"
        b"BT /F1 9 Tf 590 700 Td (next) Tj ET\n",
        entries="/CropBox [50 50 562 742]",
    ),
    "outside a page that is turned": between(
        b"BT /F1 9 Tf 72 20 Td (job 4711 proof 2 cyan) Tj ET\n",
        entries="/Rotate 90 /CropBox [50 50 562 742]",
    ),
    "outside a clip": between(
        b"q 60 650 400 30 re W n BT /F1 11 Tf 72 660 Td (within) Tj 0 -40 Td (below) Tj ET Q\n",
        "within",
    ),
    "outside the box of a form": between(
        b"q 1 0 0 1 72 660 cm /Form Do Q\n",
        "within the clip",
        resources="/XObject << /Form {form} 0 R >>",
    ),
    "not painted over what is": between(
        b"BT /F1 11 Tf 72 660 Td (The fee is nine) Tj ET\n"
        b"BT 3 Tr /F1 11 Tf 72.4 660 Td (Tlie fee is n1ne) Tj 0 Tr ET\n",
        "The fee is nine",
    ),
    "not painted under what is": between(
        b"BT 3 Tr /F1 11 Tf 72 660 Td (The fee is nine) Tj ET\n"
        b"BT 0 Tr /F1 11 Tf 72 660 Td (The fee is nine) Tj ET\n",
        "The fee is nine",
    ),
    "the text of a scan": Kind(
        KindPage(
            b"q 612 0 0 792 0 0 cm /Image Do Q BT 3 Tr /F1 11 Tf 72 660 Td (read from it) Tj ET\n",
            resources="/XObject << /Image {image} 0 R >>",
        ),
        ["read from it"],
    ),
    "values of a form": Kind(
        KindPage(
            ABOVE
            + b"BT /F1 11 Tf 72 680 Td (Name:) Tj 0 -20 Td (Street:) Tj 0 -20 Td (Paid:) Tj ET\n",
            entries="/Annots [{name} 0 R {kid} 0 R {box} 0 R]",
        ),
        [BESIDE[0], "Name:", "Street:", "Paid:", "Margaret Holloway", "14 Canal Street, Leeds"],
    ),
    "notes on the page": Kind(
        KindPage(ABOVE + BELOW, entries="/Annots [{note} 0 R {hidden_note} 0 R {pop_up} 0 R]"),
        [*BESIDE, "Paid on the third of May."],
    ),
    "a stamp in the margin": between(
        b"BT /F1 20 Tf 0 1 -1 0 32 200 Tm (arXiv:2401.01234v2) Tj ET\n", "arXiv:2401.01234v2"
    ),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kinds") / "kinds.pdf"
    write_kinds(path, [kind.page for kind in KINDS.values()], OBJECTS, CATALOG)
    return path


@pytest.fixture(scope="module", params=["pypdf", "pdfium"])
def pages(request: pytest.FixtureRequest, written: Path) -> dict[str, Page]:
    """The lines of each kind, by one of the readers."""
    pdf = read_pdf(written, reader=request.param)
    assert (pdf.status, pdf.reason) == ("ok", "")
    return dict(zip(KINDS, pdf.pages, strict=True))


@pytest.mark.parametrize("name", KINDS)
def test_a_page_gives_the_lines_that_it_shows(pages: dict[str, Page], name: str) -> None:
    assert [line.text for line in pages[name]] == KINDS[name].lines


def test_text_that_is_turned_is_told_apart(pages: dict[str, Page]) -> None:
    assert [line.turn for line in pages["a stamp in the margin"]] == [0, 90, 0]
    assert {line.turn for line in pages["outside a page that is turned"]} == {270}


def test_places_are_those_on_the_page_as_it_is_shown(pages: dict[str, Page]) -> None:
    line, _ = pages["outside the crop box"]
    assert line[1:4] == pytest.approx((22, 670, 11))


def test_what_a_form_holds_is_told_apart(pages: dict[str, Page]) -> None:
    fonts = [line.font for line in pages["values of a form"]]
    assert fonts == ["Helvetica"] * 4 + ["@form"] * 2
