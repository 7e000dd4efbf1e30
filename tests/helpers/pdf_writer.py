"""A small PDF writer for tests: lines of Helvetica, or raw page contents, as plain PDF bytes.

And pages of made-up words to write.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

PAGE_WIDTH, PAGE_HEIGHT = 612, 792
LEFT, TOP, SIZE, LEADING = 72.0, 720.0, 12.0, 14.0
HELVETICA = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


class PlacedLine(NamedTuple):
    """A line of text with the left end of its baseline, in points from the lower left corner."""

    text: str
    x: float = LEFT
    y: float = TOP
    size: float = SIZE


def made_up_pages(count: int, seed: int = 0) -> list[list[str]]:
    """Pages of 30 lines of made-up words, enough for a tokenizer to learn from."""
    chooser = random.Random(seed)
    syllables = ["ba", "ne", "tol", "ri", "sum", "ka", "veth", "o", "lin", "dra"]
    words = ["".join(chooser.choices(syllables, k=chooser.randint(1, 3))) for _ in range(150)]

    def line() -> str:
        return " ".join(chooser.choices(words, k=10)).capitalize() + "."

    return [[line() for _ in range(30)] for _ in range(count)]


def write_pdf(path: Path, pages: Sequence[Sequence[str]]) -> None:
    """Writes one line of text per string, from the top of each page down; "" leaves a gap.

    Raises:
        UnicodeEncodeError: If a character is not in WinAnsi (Windows code page 1252).
    """
    placed = [
        [
            PlacedLine(text, y=TOP - LEADING * row)
            for row, text in enumerate(page)
            if text  # an empty string leaves its row empty
        ]
        for page in pages
    ]
    write_placed_pdf(path, placed)


def write_placed_pdf(path: Path, pages: Sequence[Sequence[PlacedLine]]) -> None:
    """Writes lines of text at the places they name.

    Raises:
        UnicodeEncodeError: If a character is not in WinAnsi (Windows code page 1252).
    """
    write_raw_pdf(path, [b"\n".join(map(_show, page)) for page in pages])


def write_raw_pdf(path: Path, contents: Sequence[bytes], font: str = HELVETICA) -> None:
    """Writes one page per content stream, taken as it is; F1 is the font of that dictionary."""
    pages_id, font_id = 2, 3
    page_ids = [4 + 2 * i for i in range(len(contents))]
    kids = " ".join(f"{page_id} 0 R" for page_id in page_ids)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(contents)} /Kids [{kids}] >>".encode(),
        font.encode(),
    ]
    for page_id, content in zip(page_ids, contents, strict=True):
        page = (
            f"<< /Type /Page /Parent {pages_id} 0 R /MediaBox [0 0 {PAGE_WIDTH} {PAGE_HEIGHT}]"
            f" /Resources << /Font << /F1 {font_id} 0 R >> >> /Contents {page_id + 1} 0 R >>"
        )
        objects.append(page.encode())
        objects.append(stream(content))
    path.write_bytes(_file(objects))


class KindPage(NamedTuple):
    """A page of its own kind, as `write_kinds` takes it."""

    content: bytes
    resources: str = ""
    """Entries of its resources beside the font F1, with `{name}` for the number of an object."""
    entries: str = ""
    """Entries of the page itself, likewise."""


def write_kinds(
    path: Path, pages: Sequence[KindPage], objects: dict[str, str | bytes], catalog: str = ""
) -> None:
    """Writes one file of many kinds of pages, with the objects that they share.

    Args:
        objects: By a name; other objects tell ``{name} 0 R`` where they mean one.
        catalog: Entries of the catalog.
    """
    numbers = {name: 4 + index for index, name in enumerate(objects)}
    first = 4 + len(objects)
    kids = " ".join(f"{first + 2 * index} 0 R" for index in range(len(pages)))
    made = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog.format_map(numbers)} >>".encode(),
        f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>".encode(),
        HELVETICA.encode(),
    ]
    made += [
        body if isinstance(body, bytes) else body.format_map(numbers).encode()
        for body in objects.values()
    ]
    for index, page in enumerate(pages):
        entries = page.entries.format_map(numbers)
        box = "" if "/MediaBox" in entries else f"/MediaBox [0 0 {PAGE_WIDTH} {PAGE_HEIGHT}]"
        own = page.resources.format_map(numbers)
        fonts = "" if "/Font" in own else "/Font << /F1 3 0 R >>"
        made.append(
            f"<< /Type /Page /Parent 2 0 R {box} {entries} /Resources << {fonts} {own} >>"
            f" /Contents {first + 2 * index + 1} 0 R >>".encode()
        )
        made.append(stream(page.content))
    path.write_bytes(_file(made))


def stream(content: bytes, entries: str = "") -> bytes:
    """A stream with more entries in its dictionary."""
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (
        len(content),
        entries.encode(),
        content,
    )


def _show(line: PlacedLine) -> bytes:
    """The operators that show one line."""
    text = line.text.encode("cp1252")
    for special in (b"\\", b"(", b")"):
        text = text.replace(special, b"\\" + special)
    return b"BT /F1 %g Tf %g %g Td (%b) Tj ET" % (line.size, line.x, line.y, text)


def _file(objects: Sequence[bytes]) -> bytes:
    """A whole file: the objects, numbered from 1 with the catalog first, and their offsets."""
    out = b"%PDF-1.7\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    xref = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return out + b"startxref\n%d\n%%%%EOF\n" % xref
