"""How much faster do two processes read a folder of PDFs than one?

    python -m benchmarks.workers [FILE.pdf] [--parts 12] [--reader pypdf] [--rounds 2]

The file is cut into PDFs of equal numbers of pages, which are read and cleaned into a fresh cache,
with one process and with more in turns; the ratio is that of the best times.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import pypdf

from qwen_pl.data.corpus.corpus import read_corpus
from qwen_pl.data.corpus.duplicates import Duplicates
from qwen_pl.data.corpus.reading import ReadingSettings
from qwen_pl.data.pdf.readers import READERS


def cut(file: Path, parts: int, folder: Path) -> None:
    """Writes the pages of a PDF as several PDFs."""
    pages = pypdf.PdfReader(file).pages
    size = -(-len(pages) // parts)
    folder.mkdir()
    for number in range(parts):
        writer = pypdf.PdfWriter()
        for page in pages[number * size : (number + 1) * size]:
            writer.add_page(page)
        writer.write(folder / f"{number}.pdf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?", default=Path("data/book.pdf"))
    parser.add_argument("--parts", type=int, default=12)
    parser.add_argument("--reader", default="pypdf", choices=READERS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--num_proc", type=int, default=2)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="workers-"))
    best: dict[int, float] = {}
    try:
        cut(options.file, options.parts, folder / "pdfs")
        for _ in range(options.rounds):
            for num_proc in (1, options.num_proc):
                shutil.rmtree(folder / "cache", ignore_errors=True)
                started = time.perf_counter()
                read_corpus(
                    str(folder / "pdfs"),
                    ReadingSettings(reader=options.reader),
                    folder / "cache",
                    duplicates=Duplicates(documents=False, paragraphs=False),
                    num_proc=num_proc,
                )
                seconds = time.perf_counter() - started
                best[num_proc] = min(seconds, best.get(num_proc, seconds))
                print(f"{num_proc} processes: {seconds:.2f} s", flush=True)
    finally:
        shutil.rmtree(folder)
    print(f"{options.num_proc} are {best[1] / best[options.num_proc]:.2f} times as fast as 1")


if __name__ == "__main__":
    main()
