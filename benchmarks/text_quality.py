"""How true is the text that comes out of a PDF? Word error rate and paragraph boundaries.

    python -m benchmarks.text_quality FOLDER [--reader pdfium]

FOLDER holds pairs of NAME.pdf and NAME.txt; the text has one paragraph per line, or several lines
with blank ones between, and no running heads, page numbers or table of contents.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from qwen_pl.data.cleaning.clean import clean_pages
from qwen_pl.data.pdf.read import read_pdf
from qwen_pl.data.pdf.readers import READERS

_FIRST_BAND = 128
_UNREACHED = np.int32(1 << 30)


def edit_distance(left: Sequence[str], right: Sequence[str]) -> int:
    """The fewest insertions, deletions and substitutions that make one sequence the other.

    Exact: a path that costs ``d`` stays within ``d`` of the diagonal, so the search is confined to
    a band that grows until it holds the cheapest path. Source: Ukkonen 1985, "Algorithms for
    approximate string matching".

    >>> edit_distance("my dear Mr. Bennet".split(), "mydear Mr. Bennet said".split())
    3
    """
    numbers: dict[str, int] = {}
    a, b = (
        np.array([numbers.setdefault(item, len(numbers)) for item in items], dtype=np.int32)
        for items in (left, right)
    )
    band = max(_FIRST_BAND, 2 * abs(len(a) - len(b)))
    while (distance := _distance_in_band(a, b, band)) > band:
        band *= 4
    return distance


def _distance_in_band(a: np.ndarray, b: np.ndarray, band: int) -> int:
    """The cost of the cheapest path that stays within ``band`` of the diagonal.

    Args:
        a: ``(n,)`` int32.
        b: ``(m,)`` int32, with ``m`` at most ``band`` away from ``n``.
    """
    width = 2 * band + 1
    margin = np.full(band, -1, dtype=np.int32)
    longer = np.full(max(0, len(a) - len(b)), -1, dtype=np.int32)
    padded = np.concatenate([margin, b, longer, margin])
    # Cell c of row i stands for the first i items of a and the first i - band + c of b.
    steps = np.arange(width, dtype=np.int32)
    row = np.where(steps < band, _UNREACHED, steps - band).astype(np.int32)
    for i, item in enumerate(a):
        best = row + (padded[i : i + width] != item)  # kept or substituted
        np.minimum(best[:-1], row[1:] + 1, out=best[:-1])  # an item of a left out
        row = np.minimum.accumulate(best - steps) + steps  # items of b put in
    return int(row[len(b) - len(a) + band])


def word_error_rate(paragraphs: Sequence[str], truth: Sequence[str]) -> float:
    """Edits for each true word that make the words of one text those of the other."""
    words, true_words = " ".join(paragraphs).split(), " ".join(truth).split()
    return edit_distance(words, true_words) / max(1, len(true_words))


def boundary_f1(paragraphs: Sequence[str], truth: Sequence[str], context: int = 3) -> float:
    """Harmonic mean of precision and recall of the places where paragraphs meet.

    Two boundaries are the same if the ``context`` words before and after them are.
    """
    found, true = (Counter(_boundaries(texts, context)) for texts in (paragraphs, truth))
    both = (found & true).total()
    return 2 * both / max(1, found.total() + true.total())


def _boundaries(paragraphs: Sequence[str], context: int) -> Iterator[tuple[tuple[str, ...], ...]]:
    for before, after in pairwise(paragraphs):
        yield tuple(before.split()[-context:]), tuple(after.split()[:context])


def read_truth(text: str) -> list[str]:
    """The paragraphs of a text with one on each line, or with blank lines between them.

    >>> read_truth("one\\ntwo\\n"), read_truth("a wrapped\\nline\\n\\nb\\n")
    (['one', 'two'], ['a wrapped line', 'b'])
    """
    text = text.strip()
    blocks = [block.split("\n") for block in text.split("\n\n" if "\n\n" in text else "\n")]
    lines = [[" ".join(line.split()) for line in block if line.strip()] for block in blocks]
    return [" ".join(block) for block in lines if block]


def main() -> None:
    """Prints a table, one row for each pair in the folder."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="with pairs of NAME.pdf and NAME.txt")
    parser.add_argument("--reader", default="auto", choices=READERS)
    args = parser.parse_args()
    folder = args.folder
    pairs = [path for path in sorted(folder.glob("*.pdf")) if path.with_suffix(".txt").exists()]
    if not pairs:
        sys.exit(f"no NAME.pdf with a NAME.txt beside it in {folder}")
    print(f"{'book':24} {'words':>8} {'word errors':>12} {'boundary F1':>12} {'seconds':>8}")
    for path in pairs:
        truth = read_truth(path.with_suffix(".txt").read_text(encoding="utf-8"))
        started = time.perf_counter()
        text = clean_pages(read_pdf(path, reader=args.reader).pages)
        seconds = time.perf_counter() - started
        paragraphs = [paragraph.text for paragraph in text.paragraphs]
        words = sum(len(paragraph.split()) for paragraph in truth)
        error_rate, f1 = word_error_rate(paragraphs, truth), boundary_f1(paragraphs, truth)
        print(f"{path.stem[:24]:24} {words:8} {error_rate:12.3%} {f1:12.3f} {seconds:8.1f}")


if __name__ == "__main__":
    main()
