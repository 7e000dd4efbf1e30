"""Does the time of cleaning, of the report and of tokenizing grow with the input, and no faster?

    python -m benchmarks.growth [--short] [--kinds WORD ...]

Each kind of input is made, doubled and doubled again. The factor is that of the processor time of
the last two: about 2 where time is linear, 4 where it is quadratic. The exit code is 1 if a factor
is above 3, or if an input took longer than a minute.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from qwen_pl.data.cache_dir import CorpusEntry
from qwen_pl.data.cleaning.clean import clean_pages
from qwen_pl.data.cleaning.clean_text import Cleaning, CleanText, Paragraph
from qwen_pl.data.corpus.document import Document, paragraph_key, written_document
from qwen_pl.data.corpus.duplicates import drop_repeated, find_copies, shingles, signature
from qwen_pl.data.page.line import Line, Page, Sheet
from qwen_pl.data.pdf.read import PdfText
from qwen_pl.data.report.file_report import FileReport, describe_file
from qwen_pl.data.report.write import write_report
from qwen_pl.data.texts.html_groups import html_groups
from qwen_pl.data.texts.line_groups import clean_groups
from qwen_pl.data.texts.text_file import clean_plain_text
from qwen_pl.data.tokens.splits import split_corpus
from qwen_pl.data.tokens.tokenizer import train_tokenizer

_MOST_FACTOR = 3.0
_TOO_SHORT = 0.1  # seconds, below which a factor says nothing
_MOST_SECONDS = 60.0
_PLAIN = Cleaning(characters=False, hyphens=False)


def letters(number: int, alphabet: str = "abcdefghijklmnop", seed: int = 0) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=number))


def words(number: int, seed: int = 0) -> list[str]:
    source = random.Random(seed)
    return [letters(source.randint(1, 9), seed=source.randrange(999)) for _ in range(number)]


def chinese(number: int) -> str:
    characters = [chr(0x4E00 + index) for index in range(3000)]
    weights = [1 / (index + 1) for index in range(3000)]
    return "".join(random.Random(0).choices(characters, weights, k=number))


def page(texts: Iterable[str], *, x: float = 72, size: float = 10, top: float = 700) -> Page:
    return [Line(text, x, top - 12 * row, size) for row, text in enumerate(texts)]


def book(number: int, **changes: Callable[[int], str]) -> list[Page]:
    """Pages with a head, three lines and a foot, each of which ``changes`` may make otherwise."""
    made = []
    for index in range(number):
        own = words(24, index % 50)
        lines = {
            "head": f"Chapter {index // 20} {index + 1}",
            "first": " ".join(own[:8]),
            "second": " ".join(own[8:16]),
            "third": " ".join(own[16:]) + ".",
            "foot": str(index + 1),
        }
        lines |= {name: change(index) for name, change in changes.items()}
        made.append(page(filter(None, lines.values())))
    return made


def notes(number: int, marks: Sequence[str]) -> list[Page]:
    """A page of which each line calls a note, with all the notes at its foot."""
    called = [f"the word{marks[i % len(marks)]} and more of it" for i in range(number)]
    foot = [f"{marks[i % len(marks)]} See the page before." for i in range(number)]
    return [[*page(called, top=24 * number), *page(foot, top=12 * number, size=7)]]


def scattered(number: int, texts: Sequence[str]) -> Page:
    """Lines anywhere on a page, in any size."""
    source = random.Random(0)
    return [
        Line(
            texts[i % len(texts)],
            source.random() * 500,
            source.random() * 700,
            source.choice([8, 30]),
        )
        for i in range(number)
    ]


TEXTS: dict[str, tuple[int, Callable[[int], str]]] = {
    "words, one a line": (20_000, lambda n: "\n".join(words(n))),
    "one long line": (40_000, lambda n: " ".join(words(n))),
    "one letter a line": (20_000, lambda n: "\n".join(letters(n))),
    "hyphens at every line": (10_000, lambda n: "\n".join(f"{w}-" for w in words(n))),
    "soft hyphens at every line": (10_000, lambda n: "\n".join(f"{w}\u00ad" for w in words(n))),
    "a chain of hyphens": (50_000, lambda n: "-".join(letters(n)) + "-\nx"),
    "chains of hyphens": (500, lambda n: "\n".join("-".join(letters(50)) + "-" for _ in range(n))),
    "addresses": (5_000, lambda n: "\n".join(f"www.{w}/" for w in words(n))),
    "w": (50_000, lambda n: "w" * n + "/\nx"),
    "addresses in one line": (10_000, lambda n: "http://a/" * n + "\nx"),
    "quotation marks": (50_000, lambda n: "“" * n + "x\n" + "‘" * n + "\n“a"),
    "quotation marks, one a line": (20_000, lambda n: "“\n" * n),
    "dashes and slashes": (10_000, lambda n: "—\n/\n" * n),
    "Chinese without spaces": (100_000, chinese),
    "Chinese, ten a line": (10_000, lambda n: "\n".join([chinese(100)[:10]] * n)),
    "Chinese, stretched": (50_000, lambda n: " ".join(chinese(n))),
    "combining marks": (50_000, lambda n: "a" + "\u0316\u0300" * n),
    "combining marks in two blocks": (50_000, lambda n: "a" + "\u0300" * n + "\u0316" * n),
    "marks of Tibetan": (50_000, lambda n: "\u0f40" + "\u0f73\u0f71" * n),
    "quotations in quotations": (50_000, lambda n: ">" * n + "x\n" + ">" * n),
    "lists in lists": (20_000, lambda n: "- " * n + "x"),
    "fences that do not end": (5_000, lambda n: "```a\n\n" * n),
    "a fence of blank lines": (20_000, lambda n: "```\n" + "\n" * n),
    "rows and rules": (5_000, lambda n: "* * * x\n| a |\n--|--\n" * n),
    "HTML": (5_000, lambda n: "<pre\n<!-- <div>\n\n" * n),
    "tags that do not end": (20_000, lambda n: "<a b=\"<a b='<!" * n),
    "marks alone": (50_000, lambda n: "<" * n + "<!--" * n),
    "tables in tables": (3_000, lambda n: "<table><tr><td>a<td>b<p>" * n),
    "lists in lists of HTML": (5_000, lambda n: "<ul><li>a <b> </b>" * n),
    "raised letters": (5_000, lambda n: "<sup>a<a href='#'>b" * n + "</sup>c</a>" * n),
    "spaces and one word": (20_000, lambda n: (" " * 50 + "x\n") * n),
    "accents apart": (20_000, lambda n: "´ " * n + "`a`" * n),
    "spaces": (200_000, lambda n: "a" + " " * n + "b"),
    "spaces, each line": (500, lambda n: ("a" + " " * 1000 + "\n") * n),
    "blank lines only": (500_000, lambda n: "\n" * n),
    "form feeds": (100_000, lambda n: "a\f" * n),
    "digits": (100_000, lambda n: letters(n, "0123456789")),
    "digits, one a line": (20_000, lambda n: "\n".join(letters(n, "0123456789"))),
    "dots": (200_000, lambda n: "." * n + "\nx"),
    "leaders": (2_000, lambda n: "\n".join(f"Chapter {i} ......... {i}" for i in range(n))),
    "fences": (20_000, lambda n: "```\na\n" * n),
    "one fence": (20_000, lambda n: "```\n" + "a\n" * n),
    "items": (10_000, lambda n: "- a\n" * n),
    "rules": (1_000, lambda n: ("-" * 100 + "x\n") * n),
    "one rule": (200_000, lambda n: "-" * n + " " * n + "x"),
    "set in": (10_000, lambda n: "a\n" + "    b\n" * n),
    "repeated paragraphs": (5_000, lambda n: "The same paragraph, over and over.\n\n" * n),
    "a glyph without a name": (20_000, lambda n: "(cid:1" * n + "/glyph" * n),
}
PAGES: dict[str, tuple[int, Callable[[int], list[Page]]]] = {
    "pages with heads": (1_000, book),
    "pages with one head": (1_000, lambda n: book(n, head=lambda i: "The same head")),
    "pages of one paragraph": (
        500,
        lambda n: book(n, head=lambda i: "", foot=lambda i: "", third=lambda i: "and on it goes"),
    ),
    "pages of one line": (3_000, lambda n: [page([str(i)]) for i in range(n)]),
    "empty pages": (20_000, lambda n: [[] for _ in range(n)]),
    "pages nobody can read": (1_000, lambda n: [page(["\ufffd" * 60] * 5) for _ in range(n)]),
    "lines of one page": (5_000, lambda n: [page(words(n))]),
    "one row": (5_000, lambda n: [[Line(w, 5.0 * i, 700, 10) for i, w in enumerate(words(n))]]),
    "two rows apart": (
        3_000,
        lambda n: (
            [
                [
                    Line(w, 5.0 * i, y, 10)
                    for y in (700, 660, 600, 588, 576)
                    for i, w in enumerate(words(n))
                ]
            ]
            * 3
        ),
    ),
    "one letter a line, large": (2_000, lambda n: [scattered(n, ["A", "word"])]),
    "one letter a line": (2_000, lambda n: [page(letters(n))]),
    "large initials": (
        1_000,
        lambda n: [[Line("T", 72, 500, 30), *page(words(5), x=100)] for _ in range(n)],
    ),
    "scattered": (3_000, lambda n: [scattered(n, words(50))]),
    "scattered, on every page": (30, lambda n: [scattered(20, words(50)) for _ in range(n)]),
    "numbered notes": (
        500,
        lambda n: notes(n, [str(i % 900 + 1) for i in range(n)]),
    ),
    "notes with signs": (2_000, lambda n: notes(n, "*†")),
    "calls in one line": (
        2_000,
        lambda n: [[Line("word* " * n, 72, 700, 10), *page(["* Note."] * n, top=600, size=7)]],
    ),
    "raised digits": (
        20_000,
        lambda n: [[Line("¹" * n, 72, 700, 10), *page(["1 See."] * 9, top=600, size=7)]],
    ),
    "a note over all pages": (
        1_000,
        lambda n: [
            [
                *page(["text word1 here" if not i else "text"]),
                *page(["1 a note" if not i else "and on"] * 3, top=90, size=7),
            ]
            for i in range(n)
        ],
    ),
    "contents with leaders": (
        3_000,
        lambda n: [page(f"Chapter {i} . . . . . {i}" for i in range(n))],
    ),
    "contents that fall": (
        5_000,
        lambda n: [page(f"Chapter {n - i} ..... {n - i}" for i in range(n))],
    ),
    "entries that fall": (
        5_000,
        lambda n: [page(f"{'a' * 50} {9999 - i % 9999}" for i in range(n))],
    ),
    "verse": (3_000, lambda n: [page(f"And {w}" for w in words(n))]),
    "hyphens on pages": (5_000, lambda n: [page(f"{w}-" for w in words(n))]),
    "columns": (3_000, lambda n: [[Line(w, 72, 100 + i, 10) for i, w in enumerate(words(n))]]),
    "Hebrew": (3_000, lambda n: [page(["\u05d3\u05d4 12 \u05d5"] * n)]),
    "pages of spaces": (
        500,
        lambda n: [[Line("1" + " " * 100 + "." * 100, 72, 700 - i, 7) for i in range(n)]],
    ),
}


def clean_text(text: str) -> object:
    chunks = [
        clean_plain_text(text, cleaning, suffix)
        for cleaning in (Cleaning(), _PLAIN)
        for suffix in (".txt", ".md")
    ]
    chunks.append(clean_groups(html_groups(text), Cleaning()))
    for clean in chunks:
        describe_file(Path("made.txt"), "", None, clean)
        shingles(paragraph.text for paragraph in clean.paragraphs)
        for paragraph in clean.paragraphs:
            paragraph_key(paragraph.text)
    return chunks


def clean_and_describe(pages: list[Page]) -> object:
    pdf = PdfText(Path("made.pdf"), list(map(Sheet, pages)), num_pages=len(pages))
    for cleaning in (Cleaning(), _PLAIN):
        describe_file(pdf.path, "", pdf, clean_pages(pages, cleaning))
    return pdf


def train(text: str) -> object:
    return train_tokenizer([text], 3000).encode(text)


LEARNED: dict[str, tuple[int, Callable[[int], str]]] = {
    "Chinese without spaces": (100_000, chinese),
    "one word": (200_000, letters),
    "one sign": (200_000, lambda n: "-" * n),
    "spaces": (200_000, lambda n: " " * n + "x"),
    "newlines": (200_000, lambda n: "\n" * n + "x"),
    "marks": (100_000, lambda n: "a" + "\u0300" * n + "\u0316" * n),
    "one paragraph": (100_000, lambda n: " ".join(words(n))),
}


def corpus_of(number: int, text: Callable[[int], list[str]]) -> list[list[str]]:
    return [text(index) for index in range(number)]


def handle_files(files: list[list[str]]) -> object:
    with tempfile.TemporaryDirectory() as name:
        folder, documents, signatures = Path(name), [], []
        for number, paragraphs in enumerate(files):
            with written_document(folder / f"{number}.txt") as writer:
                writer.write([Paragraph(text, 1) for text in paragraphs])
            documents.append(_document(number, folder, writer))
            signatures.append(signature(shingles(paragraphs)))
        find_copies(list(zip(documents, signatures, strict=True)), 0.9)
        split_corpus(drop_repeated(documents), 0.1, 0.1)
        write_report(
            CorpusEntry(folder),
            [_report(number, paragraphs) for number, paragraphs in enumerate(files)],
        )
    return documents


def _document(number: int, folder: Path, writer: Any) -> Document:
    return Document(
        f"{number}.txt",
        f"{number:064x}",
        writer.text,
        writer.num_paragraphs,
        writer.num_bytes,
        group=number,
    )


def _report(number: int, paragraphs: list[str]) -> FileReport:
    clean = CleanText([Paragraph(text, 1) for text in paragraphs])
    return describe_file(Path(f"{number}.txt"), "", None, clean)


FILES: dict[str, tuple[int, Callable[[int], list[list[str]]]]] = {
    "small files": (300, lambda n: corpus_of(n, lambda i: [" ".join(words(60, i))])),
    "files half alike": (
        150,
        lambda n: corpus_of(n, lambda i: [" ".join(words(400)), " ".join(words(400, i + 1))]),
    ),
    "the same file": (300, lambda n: corpus_of(n, lambda i: [" ".join(words(60))])),
}

STEPS: dict[str, tuple[dict[str, Any], Callable[[Any], object]]] = {
    "text": (TEXTS, clean_text),
    "pages": (PAGES, clean_and_describe),
    "tokenizer": (LEARNED, train),
    "files": (FILES, handle_files),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="smaller inputs, doubled once")
    parser.add_argument("--kinds", nargs="*", default=[], help="only those with one of these words")
    options = parser.parse_args()
    wrong = 0
    print(f"{'step':10} {'input':32} {'size':>9} {'seconds, doubled each time':>28}  factor")
    for step, (kinds, work) in STEPS.items():
        for kind, (size, make) in kinds.items():
            if options.kinds and not any(word in f"{step} {kind}" for word in options.kinds):
                continue
            seconds = _doubled(
                make, work, size // 4 if options.short else size, 2 if options.short else 3
            )
            factor = seconds[-1] / max(seconds[-2], 1e-9)
            is_wrong = seconds[-1] > _TOO_SHORT and factor > _MOST_FACTOR
            is_wrong |= seconds[-1] > _MOST_SECONDS
            wrong += is_wrong
            shown = " ".join(f"{second:8.2f}" for second in seconds)
            print(
                f"{step:10} {kind:32} {size:9,} {shown:>28}  {factor:5.1f}{' !' * is_wrong}",
                flush=True,
            )
    if wrong:
        sys.exit(f"{wrong} kinds of input take more time than they may")


def _doubled(
    make: Callable[[int], Any], work: Callable[[Any], object], size: int, times: int
) -> list[float]:
    """Processor seconds for inputs of once, twice, four times a size; fewer if one takes long."""
    seconds: list[float] = []
    for _ in range(times):
        made = make(size)
        started = time.process_time()
        work(made)
        seconds.append(time.process_time() - started)
        if seconds[-1] > _MOST_SECONDS / 4:
            break
        size *= 2
    return seconds if len(seconds) > 1 else [seconds[0] / 2, *seconds]


if __name__ == "__main__":
    main()
