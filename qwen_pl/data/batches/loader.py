"""Loaders: an endless one for training that resumes at the sample, and one for evaluation."""

import atexit
import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from qwen_pl.data.batches.order import WindowOrder
from qwen_pl.data.batches.windows import TokenWindows

Batch = dict[str, Tensor]


class EndlessBatches(Sampler[list[int]]):
    """Batches of window starts without end, this process's share of each global batch.

    Position ``p`` counts the samples of all processes: the global batch at ``p`` is the windows
    ``p`` to ``p + batch_size * world_size``, whatever the number of processes.
    """

    def __init__(self, order: WindowOrder, batch_size: int, rank: int, world_size: int) -> None:
        self.order = order
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.position = 0

    @property
    def samples_per_batch(self) -> int:
        """Windows in a batch of all processes together."""
        return self.batch_size * self.world_size

    def __len__(self) -> int:
        # A loader of unknown length makes the Trainer fetch one batch ahead, and the position would
        # then count a batch that was never trained on. No run reaches this one's end.
        return 1 << 40

    def __iter__(self) -> Iterator[list[int]]:
        position = self.position + self.rank
        while True:
            mine = range(position, position + self.samples_per_batch, self.world_size)
            yield self.order.starts(mine)
            position += self.samples_per_batch


class TrainingLoader(DataLoader[Batch]):
    """Endless training batches; its state is the number of samples handed out, over all processes.

    Batches that workers have fetched ahead do not count, so a run that resumes from this state
    sees exactly the samples that it had not seen. The Trainer saves and restores it.

    ``seconds_waited`` is how long whoever trains has waited for batches so far.
    """

    def __init__(self, windows: TokenWindows, batches: EndlessBatches, num_workers: int) -> None:
        super().__init__(
            windows,
            batch_sampler=batches,
            num_workers=num_workers,
            collate_fn=_as_it_is,
            worker_init_fn=_leave_signals_alone,
            pin_memory=torch.cuda.is_available(),
            # Without a generator of its own, a loader draws its workers' seed from the global one,
            # and a resumed run would draw once more than the unbroken one.
            generator=torch.Generator().manual_seed(0),
        )
        self.batches = batches
        self.samples_seen = 0
        self.seconds_waited = 0.0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # PyTorch names a private class
        self.batches.position = self.samples_seen
        asked = time.perf_counter()
        for batch in super().__iter__():
            self.seconds_waited += time.perf_counter() - asked
            self.samples_seen += self.batches.samples_per_batch  # a save in this step counts it
            yield batch
            asked = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        return {"samples_seen": self.samples_seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.samples_seen = state["samples_seen"]


def evaluation_loader(
    windows: TokenWindows,
    starts: Sequence[int],
    *,
    batch_size: int,
    num_workers: int,
    rank: int,
    world_size: int,
) -> DataLoader[Batch]:
    """This process's share of the windows at ``starts``, once each and in order.

    Processes may get different numbers of windows but get the same number of batches, since they
    wait for each other after each; what is missing is filled with windows without labels.
    """
    per_batch = batch_size * world_size
    empty = len(windows.tokens)  # a window that starts at the end has no label
    filled = [*starts, *[empty] * (-len(starts) % per_batch if world_size > 1 else 0)]
    mine = filled[rank::world_size]
    return DataLoader(
        windows,
        batch_sampler=[mine[i : i + batch_size] for i in range(0, len(mine), batch_size)],
        num_workers=num_workers,
        collate_fn=_as_it_is,
        worker_init_fn=_leave_signals_alone,
        pin_memory=torch.cuda.is_available(),
        # Else every validation would draw from the global generator, and training would see it.
        generator=torch.Generator().manual_seed(0),
    )


def _as_it_is(batch: Any) -> Any:
    """Windows are cut in batches, not in items; nothing is left to collate."""
    return batch


def _leave_signals_alone(worker: int) -> None:
    """Signals to a whole group reach workers too, which the run needs until its step is done."""
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


@atexit.register
def _end_workers() -> None:
    """Ends the workers that are left when the process ends, and would not hear SIGTERM."""
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch would take it for a failure
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()
