"""Which samples of a step are to blame for its loss, and the pages that they come from."""

import math
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import lightning.pytorch as pl
import torch
from torch import Tensor

from qwen_pl.training.devices.sharding import is_sharded, of_all_processes
from qwen_pl.training.training_data import TrainingData, data_or_none

MOST_NAMED = 4
"""Samples that a line names; ``locate`` shows the others."""


class SeenBatch(NamedTuple):
    """A batch of this process, while the step that it belongs to is being taken."""

    batch: dict[str, Tensor]
    samples_seen: int
    """Samples of all processes that were taken when this batch was, itself included."""


def suspects(
    trainer: pl.Trainer, seen: list[SeenBatch], losses: list[Tensor], *, is_spike: bool
) -> str:
    """Names the samples to blame, like ``sample 3 of 8, data/book.pdf, pages 27-28``.

    They are those whose loss is not finite, or of a spike the highest. Batches are told apart by
    the losses of training, and the samples of a batch by computing each alone, without the noise
    on its input, which is done only now that there is something to find. Where that tells nothing,
    or weights are sharded and no process can compute alone, it is all samples of the batch; where
    every loss is finite and only the gradient is not, all samples of the step.

    All processes have to call this, each with its own batches; all get the same.
    """
    data = data_or_none(trainer)
    if data is None:
        return ""
    mine = torch.stack(losses).tolist()
    highest = max(map(_badness, chain.from_iterable(of_all_processes(mine))))
    is_clear = is_spike or math.isinf(highest)
    samples = [
        sample
        for batch, loss in zip(seen, mine, strict=True)
        if not is_clear or _badness(loss) == highest
        for sample in _samples(trainer, batch, is_spike=is_spike)
    ]
    samples_per_batch = data.settings.batch_size * trainer.world_size
    first = seen[0].samples_seen - samples_per_batch
    total = samples_per_batch * len(seen)
    here = [(sample, _pages(data, sample)) for sample in samples]
    found = sorted(chain.from_iterable(of_all_processes(here)))
    named = [f"sample {s - first} of {total}, {pages}" for s, pages in found[:MOST_NAMED]]
    if len(found) > MOST_NAMED:
        step = trainer.global_step + 1
        named.append(f"and {len(found) - MOST_NAMED} more, which locate --step {step} shows")
    return "; ".join(named)


def _samples(trainer: pl.Trainer, seen: SeenBatch, *, is_spike: bool) -> Iterator[int]:
    """Positions of the samples of one batch that are to blame."""
    rows = len(seen.batch["input_ids"])
    chosen = list(range(rows))
    if not is_sharded(trainer.lightning_module):
        badness = [_badness(loss) for loss in _losses_of_rows(trainer, seen.batch)]
        if is_spike or math.isinf(max(badness)):
            chosen = [row for row in chosen if badness[row] == max(badness)]
    first = seen.samples_seen - rows * trainer.world_size + trainer.global_rank
    return (first + row * trainer.world_size for row in chosen)


@torch.no_grad()
def _losses_of_rows(trainer: pl.Trainer, batch: dict[str, Tensor]) -> list[float]:
    network, losses = trainer.lightning_module.get_submodule("model"), []
    names = {"input_ids", "labels", "document_ids"} & batch.keys()
    # Compiled layers would be compiled again for a single row.
    with trainer.precision_plugin.forward_context(), torch.compiler.set_stance("force_eager"):
        for row in range(len(batch["input_ids"])):
            losses.append(network(**{name: batch[name][row : row + 1] for name in names}))
    return torch.stack(losses).tolist()


def _badness(loss: float) -> float:
    """The loss, so that it can be compared: infinite where it is no number."""
    return loss if math.isfinite(loss) else math.inf


def _pages(data: TrainingData, sample: int) -> str:
    return " and ".join(
        f"{p.source}, page {p.first_page}"
        if p.first_page == p.last_page
        else f"{p.source}, pages {p.first_page}-{p.last_page}"
        for p in data.passages_of(sample)
    )
