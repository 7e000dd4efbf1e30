"""How true is the text of scans? Word error rate and seconds a page, by resolution and damage.

    python -m benchmarks.ocr FILE.pdf ... [--pages 60] [--cells clean-300 skewed-150]

Pages of typeset books are drawn by pdfium, spoilt as scanners and age do it, written as PDFs of
pictures, and read as any scan is. The truth is what the books themselves say of these pages, which
`text_quality` shows to be true to 0.02%.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pypdfium2

from benchmarks.text_quality import word_error_rate
from qwen_pl.data.cleaning.clean import clean_pages
from qwen_pl.data.page.line import Page
from qwen_pl.data.pdf.read import PdfLimits, read_pdf

_SKEW = 1.0  # degrees
_NOISE = 25.0  # standard deviation of the greys, of 255
_SPECKS = 0.003  # share of the pixels that are black, and as many white
_INK, _PAPER = 90, 190  # greys of the faded page
_STRAIGHT = str.maketrans("“”‘’", "\"\"''")
_LIMITS = PdfLimits(ocr_page_seconds=300, ocr_file_seconds=36_000)

Picture = np.ndarray
"""A page in grey, ``(H, W)`` uint8."""
Damage = Callable[[Picture, np.random.Generator], Picture]


def clean(picture: Picture, random: np.random.Generator) -> Picture:
    return picture


def skewed(picture: Picture, random: np.random.Generator) -> Picture:
    """Turned by one degree, this way or that."""
    import cv2

    height, width = picture.shape
    angle = _SKEW * random.choice([-1, 1])
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    return cv2.warpAffine(picture, turn, (width, height), flags=cv2.INTER_CUBIC, borderValue=255)


def noisy(picture: Picture, random: np.random.Generator) -> Picture:
    """With noise of the sensor, and specks of dirt."""
    spoilt = picture + random.normal(0, _NOISE, picture.shape)
    drawn = random.random(picture.shape)
    spoilt[drawn < _SPECKS] = 0
    spoilt[drawn > 1 - _SPECKS] = 255
    return spoilt.clip(0, 255).astype(np.uint8)


def grey(picture: Picture, random: np.random.Generator) -> Picture:
    """Faded ink on yellowed paper."""
    return (_INK + picture / 255 * (_PAPER - _INK)).astype(np.uint8)


def skewed_noisy(picture: Picture, random: np.random.Generator) -> Picture:
    return noisy(skewed(picture, random), random)


DAMAGES: dict[str, Damage] = {
    "clean": clean,
    "skewed": skewed,
    "noisy": noisy,
    "grey": grey,
    "skewed_noisy": skewed_noisy,
}


def write_scan(path: Path, source: Path, pages: range, damage: Damage, dpi: int) -> None:
    """Writes pages of a PDF as a PDF of pictures, one on each page of the same size."""
    random = np.random.default_rng(0)
    document = pypdfium2.PdfDocument(source)
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids = []
    for index in pages:
        page = document[index]
        width, height = page.get_size()
        drawn = page.render(scale=dpi / 72, grayscale=True).to_numpy()
        picture = damage(drawn.reshape(drawn.shape[:2]), random)
        if (picture.shape[0] > picture.shape[1]) != (height > width):
            width, height = height, width
        pixels, content = (
            zlib.compress(picture.tobytes()),
            b"%f 0 0 %f 0 0 cm /I Do" % (width, height),
        )
        number = len(objects) + 1
        kids.append(b"%d 0 R" % number)
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %f %f] /Contents %d 0 R"
            b" /Resources << /XObject << /I %d 0 R >> >> >>"
            % (width, height, number + 1, number + 2),
            b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
            b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent 8"
            b" /ColorSpace /DeviceGray /Filter /FlateDecode /Length %d >>\nstream\n%b\nendstream"
            % (picture.shape[1], picture.shape[0], len(pixels), pixels),
        ]
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%b] >>" % (len(kids), b" ".join(kids))
    out = b"%PDF-1.7\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    xref = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    xref += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    path.write_bytes(out + xref + trailer + b"startxref\n%d\n%%%%EOF\n" % len(out))


def measure(source: Path, pages: range, damage: str, dpi: int) -> dict[str, float]:
    """Errors, words and seconds of some pages of a book in one state."""
    truth = _paragraphs(read_pdf(source, reader="pdfium").pages[pages.start : pages.stop])
    with tempfile.TemporaryDirectory() as folder:
        scan = Path(folder) / "scan.pdf"
        write_scan(scan, source, pages, DAMAGES[damage], dpi)
        started = time.perf_counter()
        read = read_pdf(scan, ocr="auto", limits=_LIMITS)
        seconds = time.perf_counter() - started
    if len(read.ocr_pages) != len(pages):
        print(f"{source.name} {damage} {dpi}: {read.status}, {read.reason}", file=sys.stderr)
    found = _paragraphs(read.pages)
    words = sum(len(paragraph.split()) for paragraph in truth)
    straight = [[text.translate(_STRAIGHT) for text in texts] for texts in (found, truth)]
    return {
        "pages": len(pages),
        "words": words,
        "errors": word_error_rate(found, truth) * words,
        "errors_but_for_quotes": word_error_rate(*straight) * words,
        "seconds": seconds,
    }


def _paragraphs(pages: list[Page]) -> list[str]:
    return [paragraph.text for paragraph in clean_pages(pages).paragraphs]


def main() -> None:
    """Prints a row for each cell, and keeps them in a file of results beside what was there."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--pages", type=int, default=60, help="of all files together")
    parser.add_argument("--first", type=int, default=20, help="page of each file, from 0")
    names = [f"{damage}-{dpi}" for dpi in (300, 150) for damage in DAMAGES]
    parser.add_argument("--cells", nargs="+", default=names, choices=names)
    parser.add_argument("--to", type=Path, default=Path("benchmarks/results/ocr.json"))
    args = parser.parse_args()
    results = json.loads(args.to.read_text()) if args.to.exists() else {}
    each = args.pages // len(args.files)
    print(
        f"{'':16} {'pages':>6} {'words':>7} {'errors':>12} {'but for quotes':>15} {'s a page':>9}"
    )
    for cell in args.cells:
        damage, dpi = cell.rsplit("-", 1)
        rows = [
            measure(file, range(args.first, args.first + each), damage, int(dpi))
            for file in args.files
        ]
        total = {name: sum(row[name] for row in rows) for name in rows[0]}
        rate, but_for_quotes = (
            total[name] / total["words"] for name in ("errors", "errors_but_for_quotes")
        )
        per_page = total["seconds"] / total["pages"]
        print(
            f"{cell:16} {total['pages']:6} {total['words']:7} {rate:12.2%} {but_for_quotes:15.2%}"
            f" {per_page:9.1f}",
            flush=True,
        )
        results[cell] = {
            "pages": total["pages"],
            "words": total["words"],
            "word_error_rate": round(rate, 5),
            "word_error_rate_but_for_quotes": round(but_for_quotes, 5),
            "seconds_a_page": round(per_page, 2),
            "cores": os.cpu_count(),
        }
        args.to.parent.mkdir(parents=True, exist_ok=True)
        args.to.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
