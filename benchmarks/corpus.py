"""Does a corpus of ten times the size take ten times the time, and the same memory?

    python -m benchmarks.corpus [--megabytes 100 1000] [--num_proc 2] [--vocab_size 8192]

Makes up a corpus of text files of one megabyte each, prepares it (reading, copies, tokenizer,
tokens) and takes training steps on it, each size in a process of its own. Memory is the most that
the process and those it started held at once, as Linux counts their own pages (files that are
mapped, such as the tokens, belong to the page cache and can be dropped at any time).
"""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_FILE_BYTES = 1 << 20


def make_corpus(folder: Path, megabytes: int, num_words: int = 300_000) -> None:
    """Text files of made-up words as frequent as words are (Zipf's law), in paragraphs.

    The words of all sizes are the same, but rare ones turn up only in the larger ones.
    """
    random = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    weights = 1 / np.arange(1, 27)
    lengths = random.integers(2, 11, num_words)
    spelled = random.choice(letters, (num_words, 10), p=weights / weights.sum())
    words = np.array(["".join(s[:n]) for s, n in zip(spelled, lengths, strict=True)])
    frequency = 1 / np.arange(1, num_words + 1)
    cumulative = np.cumsum(frequency / frequency.sum())
    folder.mkdir(parents=True)
    for number in range(megabytes):
        chosen = words[np.searchsorted(cumulative, random.random(190_000))]
        ends = np.cumsum(random.integers(20, 120, 3000))
        paragraphs = [" ".join(p) for p in np.split(chosen, ends[ends < len(chosen)])]
        text = "\n\n".join(paragraphs)[:_FILE_BYTES]
        (folder / f"{number:05}.txt").write_text(text, encoding="utf-8")


@contextlib.contextmanager
def watched_memory() -> Iterator[list[float]]:
    """Keeps the most megabytes that this process and its children have held, in a list of one."""
    most, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            most[0] = max(most[0], sum(map(_own_megabytes, _family())))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def _family() -> list[int]:
    """This process and all that it has started, directly or not."""
    found = ["self"]
    for process in found:
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += children.read_text().split()
    return found


def _own_megabytes(process: str) -> float:
    """Memory of a process that is no file, in megabytes."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    _, found, rest = status.partition("RssAnon:")
    return int(rest.split()[0]) / 1024 if found else 0.0  # one that has ended holds nothing


def measure(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Seconds and megabytes of preparing a corpus and of reading windows from it."""
    from qwen_pl.data.prepare.prepare import prepare
    from qwen_pl.data.prepare.settings import DataSettings

    settings = DataSettings(
        source=str(folder / "texts"),
        cache_dir=str(folder / "cache"),
        vocab_size=options.vocab_size,
        seq_len=1024,
        num_proc=options.num_proc,
    )
    with watched_memory() as most:
        started = time.perf_counter()
        prepared = prepare(settings.recipe, settings.cache_dir, num_proc=settings.num_proc)
        seconds = time.perf_counter() - started
    again = time.perf_counter()
    prepare(settings.recipe, settings.cache_dir)
    again = time.perf_counter() - again
    with watched_memory() as training:
        _train(settings, steps=options.steps)
    return {
        "prepare_seconds": seconds,
        "again_seconds": again,
        "prepare_megabytes": most[0],
        "train_megabytes": training[0],
        "tokens": len(prepared.tokens.tokens),
    }


def _train(settings: object, steps: int) -> None:
    """Takes steps with a small model on windows from all over the corpus."""
    import torch

    from qwen_pl.data.datamodule import PDFDataModule
    from qwen_pl.model.config import Qwen3Config
    from qwen_pl.model.qwen3 import Qwen3ForCausalLM

    data = PDFDataModule(
        source=settings.recipe.source,
        cache_dir=str(settings.cache_dir),
        vocab_size=settings.recipe.vocab_size,
        seq_len=settings.seq_len,
        batch_size=4,
    )
    data.setup("fit")
    config = Qwen3Config(
        vocab_size=-(-settings.recipe.vocab_size // 64) * 64,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
    )
    model = Qwen3ForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters())
    for _, batch in zip(range(steps), data.train_dataloader(), strict=False):
        logits = model(batch["input_ids"])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--num_proc", type=int, default=2)
    parser.add_argument("--vocab_size", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--folder", type=Path, help="of one corpus, in a process of its own")
    options = parser.parse_args()
    if options.folder:
        print(json.dumps(measure(options.folder, options)))
        return
    print(f"{'MB':>6} {'prepare s':>10} {'again s':>8} {'MB prepare':>11} {'MB train':>9} tokens")
    for megabytes in options.megabytes:
        folder = Path(tempfile.mkdtemp(prefix="corpus-"))
        try:
            make_corpus(folder / "texts", megabytes)
            command = [sys.executable, "-m", "benchmarks.corpus", "--folder", str(folder)]
            for name in ("num_proc", "vocab_size", "steps"):
                command += [f"--{name}", str(getattr(options, name))]
            made = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        finally:
            shutil.rmtree(folder)
        row = json.loads(made.splitlines()[-1])
        print(
            f"{megabytes:6} {row['prepare_seconds']:10.1f} {row['again_seconds']:8.2f} "
            f"{row['prepare_megabytes']:11.0f} {row['train_megabytes']:9.0f} {row['tokens']:,}"
        )


if __name__ == "__main__":
    main()
