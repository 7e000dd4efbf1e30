import itertools
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from command_line import REPOSITORY

from qwen_pl.data.batches.loader import EndlessBatches, TrainingLoader, evaluation_loader
from qwen_pl.data.batches.order import WindowOrder
from qwen_pl.data.batches.windows import TokenWindows, consecutive_starts

TOKENS = np.arange(1000)
ORDER = WindowOrder(spans=((0, 300),), seq_len=10, stride=10, seed=3)


def loader(*, batch_size: int, rank: int = 0, world_size: int = 1, workers: int = 0):
    windows = TokenWindows(TOKENS, 10, spans=[(0, 300)])
    return TrainingLoader(windows, EndlessBatches(ORDER, batch_size, rank, world_size), workers)


def starts(batches: Iterator[dict], count: int) -> list[list[int]]:
    return [batch["input_ids"][:, 0].tolist() for batch in itertools.islice(batches, count)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_loader_goes_on_with_the_next_sample(workers: int) -> None:
    unbroken = starts(iter(loader(batch_size=4, workers=workers)), 20)
    first = loader(batch_size=4, workers=workers)
    before = starts(iter(first), 13)  # into the second epoch
    second = loader(batch_size=4, workers=workers)
    second.load_state_dict(first.state_dict())
    assert before + starts(iter(second), 7) == unbroken


def test_batches_fetched_ahead_by_workers_do_not_count() -> None:
    fetching = loader(batch_size=4, workers=2)
    starts(iter(fetching), 3)
    assert fetching.state_dict() == {"samples_seen": 12}


def test_two_processes_share_the_global_batch_of_one() -> None:
    alone = starts(iter(loader(batch_size=6)), 15)
    shares = [starts(iter(loader(batch_size=3, rank=r, world_size=2)), 15) for r in (0, 1)]
    together = [sorted(a + b) for a, b in zip(*shares, strict=True)]
    assert together == [sorted(batch) for batch in alone]


def test_a_run_may_resume_with_another_batch_size() -> None:
    first = loader(batch_size=6)
    seen = list(itertools.chain(*starts(iter(first), 5)))
    second = loader(batch_size=10)
    second.load_state_dict(first.state_dict())
    after = list(itertools.chain(*starts(iter(second), 3)))
    assert seen + after == [ORDER.start(i) for i in range(60)]


def test_the_loader_has_a_length_though_no_run_reaches_it() -> None:
    assert len(loader(batch_size=4)) > 10**9  # without one, the Trainer would fetch a batch ahead


def test_making_batches_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    starts(iter(loader(batch_size=4, workers=1)), 3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_evaluation_sees_every_label_once_however_many_processes(world_size: int) -> None:
    windows = TokenWindows(TOKENS, 10, spans=[(100, 295)])
    labels, counts = [], set()
    for rank in range(world_size):
        batches = list(
            evaluation_loader(
                windows,
                consecutive_starts([(100, 295)], 10),
                batch_size=3,
                num_workers=0,
                rank=rank,
                world_size=world_size,
            )
        )
        counts.add(len(batches))
        labels += [label for b in batches for label in b["labels"].flatten().tolist()]
    assert sorted(label for label in labels if label != -100) == list(range(101, 295))
    assert len(counts) == 1  # processes that wait for each other need the same number of batches


@pytest.mark.skipif(os.name == "nt", reason="Windows starts workers from a file only")
def test_workers_that_are_left_at_the_end_are_ended_without_a_word() -> None:
    script = """
import sys
import torch
from qwen_pl.data.batches.loader import _leave_signals_alone
loader = torch.utils.data.DataLoader(
    range(100), num_workers=2, worker_init_fn=_leave_signals_alone
)
kept = iter(loader)  # which would else end them itself
next(kept)
sys.exit(3)
"""
    command = [sys.executable, "-c", script]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stderr) == (3, "")
