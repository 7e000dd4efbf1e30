"""What does a save cost, beside writing the same bytes and nothing else?

    python -m benchmarks.saving
    python -m benchmarks.saving --megabytes 40 400 --folder /scratch

Both are flushed to the disk, take turns, and are compared by the median of their ratios. A save
also takes checksums of all bytes and reads the structure of its file again before it counts.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from qwen_pl.training.checkpoints.checkpoint import is_whole, save_checkpoint

RECORDS = 60  # tensors of a small network, with the moments of its optimizer


def checkpoint_of(megabytes: int) -> dict[str, Any]:
    """Random tensors of so many megabytes; an embedding makes up a quarter of them."""
    numbers = megabytes * 10**6 // 4
    sizes = [numbers // 4, *[numbers * 3 // 4 // RECORDS] * RECORDS]
    return {"state_dict": {f"weight.{i}": torch.randn(size) for i, size in enumerate(sizes)}}


def write_bytes(content: bytes, path: Path) -> None:
    """Writes a file as plainly as it can be done, and flushes it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def seconds(function: Callable[..., None], what: Any, path: Path) -> float:
    start = time.perf_counter()
    function(what, path)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, nargs="+", default=[20, 80, 400])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="on the disk to measure")
    args = parser.parse_args()

    print(f"{'MB':>6}  {'plain s':>8} {'save s':>8} {'save/plain':>11}")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        saved, plain = Path(folder) / "saved.ckpt", Path(folder) / "plain.bin"
        for megabytes in args.megabytes:
            checkpoint = checkpoint_of(megabytes)
            save_checkpoint(checkpoint, saved)
            content = saved.read_bytes()
            write_bytes(content, plain)
            pairs = []
            for repeat in range(args.repeats):
                # A run writes under new names; each goes first as often as the other.
                saved.unlink()
                plain.unlink()
                turns = [(write_bytes, content, plain), (save_checkpoint, checkpoint, saved)]
                taken = {turn[0]: seconds(*turn) for turn in turns[:: 1 - 2 * (repeat % 2)]}
                pairs.append((taken[write_bytes], taken[save_checkpoint]))
            assert is_whole(saved)
            print(
                f"{len(content) / 1e6:>6.0f}  {statistics.median(p for p, _ in pairs):8.3f} "
                f"{statistics.median(s for _, s in pairs):8.3f} "
                f"{statistics.median(s / p for p, s in pairs):11.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
