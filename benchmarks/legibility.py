"""Measures what of good and of wrongly told text is taken for wrong.

Good are all PDFs of a folder, and messages of programs in languages that the table of letter pairs
does not know; wrong is what becomes of their lines by the faults that fonts have. Aim: no alarm on
good pages, and all of ten wrong lines or more found.

    python -m benchmarks.legibility FOLDER [--locales /usr/share/locale]
"""

import argparse
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.letter_pairs import messages
from qwen_pl.data.page.legibility import wrong_lines
from qwen_pl.data.page.line import Line, Page
from qwen_pl.data.pdf.read import read_pdf

UNKNOWN_LANGUAGES = (
    "eu sq ga af eo lv sk sl gl nb ms be sr mk ka hy km uk@latin kk mn ne gu pa kn ml"
)
LENGTHS = (4, 10, 30)  # lines that are wrong
TRIES = 5  # for each fault, length and document
Fault = Callable[[str], str]


def shifted(by: int) -> Fault:
    """Numbers of glyphs in the order of the alphabet, taken for text."""
    return lambda text: "".join(chr(ord(c) - by) if " " < c <= "~" else c for c in text)


def permuted(seed: int) -> Fault:
    """Numbers of glyphs in the order in which they were met, taken for text."""

    def change(text: str) -> str:
        letters = sorted({c for c in text if c.isalpha()})
        other = [chr(0x41 + i % 26 + 32 * (i // 26 % 2)) for i in range(len(letters))]
        random.Random(seed).shuffle(other)
        return text.translate(dict(zip(map(ord, letters), other, strict=True)))

    return change


def misread(written: str, read: str) -> Fault:
    """Text of one encoding, read as if it were of another."""
    return lambda text: text.encode(written, "replace").decode(read, "replace")


def syllables(text: str) -> str:
    """Codes of glyphs, taken for Korean."""
    return "".join(chr(0xAC00 + hash(c) % 11172) if c.isalpha() else c for c in text)


FAULTS: dict[str, Fault] = {
    "shifted by 29": shifted(29),
    "shifted by 31": shifted(31),
    "shifted by 3": shifted(3),
    "permuted": permuted(1),
    "permuted otherwise": permuted(2),
    "utf-8 as Windows-1252": misread("utf-8", "cp1252"),
    "cp1251 as Latin-1": misread("cp1251", "latin-1"),
    "koi8-r as cp1251": misread("koi8-r", "cp1251"),
    "shift_jis as Latin-1": misread("shift_jis", "latin-1"),
    "gb18030 as Latin-1": misread("gb18030", "latin-1"),
    "gb18030 as Big5": misread("gb18030", "big5"),
    "euc_jp as gb18030": misread("euc_jp", "gb18030"),
    "as Korean": syllables,
}


def pages_of(folder: Path) -> dict[str, list[Page]]:
    found = {}
    for path in sorted(folder.glob("*.pdf")):
        pages = read_pdf(path, reader="pdfium").pages
        if any(pages):
            found[path.name] = pages
    return found


def is_changed(text: str, fault: Fault) -> bool:
    """Whether most letters of a text are others after a fault, and no placeholders."""
    changed = fault(text)
    same = sum(a == b for a, b in zip(text, changed, strict=False))
    return same < len(text) / 2 and changed.count("\ufffd") + changed.count("?") < len(changed) / 4


def found_share(pages: Sequence[Page], fault: Fault, length: int) -> tuple[int, int]:
    """How many of some runs of wrong lines are found, each alone in its document."""
    chooser = random.Random(length)
    found = tried = 0
    full = [n for n, page in enumerate(pages) if len(page) >= length]
    for number in chooser.choices(full, k=TRIES) if full else []:
        start = chooser.randint(0, len(pages[number]) - length)
        page = pages[number]
        part = page[start : start + length]
        text = "\n".join(line.text for line in part)
        if sum(map(str.isalpha, text)) < 25 * length or not is_changed(text, fault):
            continue
        wrong = [line._replace(text=fault(line.text)) for line in part]
        near = list(pages[max(0, number - 5) : number + 6])
        near[number - max(0, number - 5)] = page[:start] + wrong + page[start + length :]
        tried += 1
        found += bool(wrong_lines(near))
    return found, tried


def good(found: Iterable[tuple[str, list[Page]]]) -> None:
    alarms = count = 0
    for name, pages in found:
        wrong = {page for page, _ in wrong_lines(pages)}
        alarms, count = alarms + len(wrong), count + len(pages)
        if wrong:
            print(f"  {name}: pages {sorted(page + 1 for page in wrong)}")
            for page, line in sorted(wrong_lines(pages))[:3]:
                print(f"    {pages[page][line].text[:90]!r}")
    print(f"{alarms} of {count} pages alarm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--locales", type=Path, default=Path("/usr/share/locale"))
    options = parser.parse_args()
    documents = {k: v for folder in options.folders for k, v in pages_of(folder).items()}
    print("good PDFs:")
    good(documents.items())
    print("good text in languages that the table does not know:")
    for language in UNKNOWN_LANGUAGES.split():
        lines = [
            t for m in messages(options.locales, language) for t in m.splitlines() if t.strip()
        ]
        pages = [[Line(text, 0, 0, 0) for text in lines[i : i + 40]] for i in range(0, 4000, 40)]
        good([(language, [page for page in pages if page])])
    print("wrong text found, by its lines:", LENGTHS)
    for name, fault in FAULTS.items():
        row = []
        for length in LENGTHS:
            shares = [found_share(pages, fault, length) for pages in documents.values()]
            found, tried = map(sum, zip(*shares, strict=True))
            row.append(f"{found}/{tried}")
        print(f"  {name:24}", *row)


if __name__ == "__main__":
    main()
