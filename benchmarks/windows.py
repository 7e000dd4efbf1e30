"""How many tokens a second does one process cut into windows?

    python -m benchmarks.windows [--megatokens 200]

Windows come in the random order of training from a file of random tokens, once from a file that
has been read before and is in the page cache.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from qwen_pl.data.batches.loader import EndlessBatches, TrainingLoader
from qwen_pl.data.batches.order import WindowOrder
from qwen_pl.data.batches.windows import TokenWindows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megatokens", type=int, default=200, help="size of the file")
    num_tokens = parser.parse_args().megatokens * 1_000_000
    print(f"{'seq_len':>8} {'batch':>6} {'million tokens/s':>17}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tokens.bin"
        np.random.default_rng(0).integers(0, 60_000, num_tokens, np.uint16).tofile(file)
        tokens = np.memmap(file, "<u2", mode="r")
        tokens.max()  # reads it all
        for seq_len, batch_size in ((256, 8), (256, 64), (1024, 1), (1024, 16), (4096, 8)):
            order = WindowOrder(((0, num_tokens),), seq_len, seq_len, seed=0)
            windows = TokenWindows(tokens, seq_len, spans=order.spans)
            loader = TrainingLoader(windows, EndlessBatches(order, batch_size, 0, 1), 0)
            batches = iter(loader)
            next(batches)
            count, started = 0, time.perf_counter()
            while time.perf_counter() - started < 2:
                count += next(batches)["input_ids"].numel()
            rate = count / (time.perf_counter() - started) / 1e6
            print(f"{seq_len:8} {batch_size:6} {rate:17.1f}")


if __name__ == "__main__":
    main()
