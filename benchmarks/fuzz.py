"""Does every damaged PDF come to a known end? Reads random mutations of the PDFs of a folder.

    python -m benchmarks.fuzz FOLDER [--number 200] [--reader pdfium] [--seed 0]

Fails if reading raises, gives an unknown status, or takes much longer than its limits allow. The
file that did it is kept in the folder for temporary files.
"""

import argparse
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from qwen_pl.data.pdf.read import MAX_LOST_PAGES, PdfLimits, Status, read_pdf
from qwen_pl.data.pdf.readers import READERS

LIMITS = PdfLimits(page_seconds=5, file_seconds=15, memory_mb=512)
_NUMBER = re.compile(rb"-?\d+(\.\d+)?")
_START_SECONDS = 5.0  # of a child process, on a busy machine


def mutated(content: bytes, source: random.Random) -> bytes:
    """A file with one to three kinds of damage.

    Args:
        content: A PDF that is not empty.
        source: Decides all; the same state gives the same damage.
    """
    for change in source.choices(_CHANGES, k=source.randint(1, 3)):
        content = change(content, source) or content
    return content


def _flip_bytes(content: bytes, source: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(source.choice([1, 10, 100])):
        damaged[source.randrange(len(damaged))] = source.randrange(256)
    return bytes(damaged)


def _truncate(content: bytes, source: random.Random) -> bytes:
    return content[: source.randrange(len(content))]


def _delete_chunk(content: bytes, source: random.Random) -> bytes:
    start, end = _chunk(content, source)
    return content[:start] + content[end:]


def _repeat_chunk(content: bytes, source: random.Random) -> bytes:
    start, end = _chunk(content, source)
    return content[:end] + source.choice([1, 50]) * content[start:end] + content[end:]


def _insert_noise(content: bytes, source: random.Random) -> bytes:
    place = source.randrange(len(content))
    return content[:place] + source.randbytes(source.choice([1, 30, 3000])) + content[place:]


def _change_numbers(content: bytes, source: random.Random) -> bytes:
    """Object numbers, offsets, lengths and coordinates, whichever they are."""
    numbers = list(_NUMBER.finditer(content))
    others = [b"0", b"-1", b"7", b"65536", b"2147483648", b"99999999999999999999", b"1e9"]
    for number in sorted(source.sample(numbers, min(3, len(numbers))), key=lambda n: -n.start()):
        other = source.choice([*others, source.choice(numbers)[0]])
        content = content[: number.start()] + other + content[number.end() :]
    return content


def _chunk(content: bytes, source: random.Random) -> tuple[int, int]:
    start = source.randrange(len(content))
    return start, min(len(content), start + source.choice([10, 300, 5000]))


_CHANGES: list[Callable[[bytes, random.Random], bytes]] = [
    _flip_bytes,
    _truncate,
    _delete_chunk,
    _repeat_chunk,
    _insert_noise,
    _change_numbers,
]


def longest_seconds(limits: PdfLimits, reader: str) -> float:
    """How long reading one file may take at most."""
    readers = 2 if reader == "auto" else 1
    return readers * (limits.file_seconds + (1 + MAX_LOST_PAGES) * _START_SECONDS)


def main() -> None:
    """Prints how the readings ended."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="with PDFs, whole or damaged")
    parser.add_argument("--number", type=int, default=200, help="of mutations")
    parser.add_argument("--reader", default="pypdf", choices=READERS)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    files = [path for path in sorted(args.folder.rglob("*.pdf")) if path.stat().st_size]
    if not files:
        sys.exit(f"no PDF in {args.folder}")
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    ends: Counter[str] = Counter()
    longest = 0.0
    for number in range(args.number):
        source = random.Random(f"{args.seed}-{number}")
        original = source.choice(files)
        path = folder / f"{original.stem}-{args.seed}-{number}.pdf"
        path.write_bytes(mutated(original.read_bytes(), source))
        started = time.monotonic()
        pdf = read_pdf(path, reader=args.reader, limits=LIMITS)
        seconds = time.monotonic() - started
        if pdf.status not in get_args(Status) or seconds > longest_seconds(LIMITS, args.reader):
            sys.exit(f"{path}: {pdf.status} after {seconds:.1f} s, {pdf.reason}")
        longest = max(longest, seconds)
        reason = pdf.reason if pdf.status in ("crashed", "timeout") else ""
        ends[f"{pdf.status:10} {reason}"] += 1
        path.unlink()
    folder.rmdir()
    for end, count in ends.most_common():
        print(f"{count:5} {end}")
    print(f"the longest took {longest:.1f} s")


if __name__ == "__main__":
    main()
