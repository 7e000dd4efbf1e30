"""Which samples a step sees depends on the seed and the step alone, not on who cuts them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from batch_recorder import record
from own_process import in_ranks
from torch import Tensor

STEPS = 7  # into the second epoch


@pytest.fixture
def data(small_data: dict[str, Any]) -> dict[str, Any]:
    return small_data | {"seq_len": 240, "seed": 5}


def in_two_processes(folder: Path, **arguments: Any) -> list[Tensor]:
    """The global batches of a run in two processes."""
    folder.mkdir()
    program = "from batch_recorder import main; main()"
    outcomes = in_ranks([folder, json.dumps(arguments)], folder, program=program)
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    shares = [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]
    # Process r has the samples r, r + 2, ... of each global batch.
    return [torch.stack(pair, dim=1).flatten(0, 1) for pair in zip(*shares, strict=True)]


def test_two_processes_with_workers_see_the_samples_of_one(
    data: dict[str, Any], tmp_path: Path
) -> None:
    alone = record(data | {"batch_size": 4}, STEPS)
    shared = in_two_processes(
        tmp_path / "shares",
        data=data | {"batch_size": 1, "num_workers": 2},
        steps=STEPS,
        devices=2,
        strategy="ddp",
        accumulate_grad_batches=2,
    )
    assert len(shared) == 2 * STEPS
    assert torch.equal(torch.cat(shared), torch.cat(alone))


@pytest.mark.parametrize(
    ("batch_size", "accumulated", "workers"), [(4, 1, 2), (2, 2, 0), (1, 4, 2)]
)
def test_a_step_sees_the_same_samples_however_they_are_batched(
    data: dict[str, Any], batch_size: int, accumulated: int, workers: int
) -> None:
    whole = record(data | {"batch_size": 4}, STEPS)
    changed = data | {"batch_size": batch_size, "num_workers": workers}
    parts = record(changed, STEPS, accumulate_grad_batches=accumulated)
    assert len(parts) == accumulated * STEPS
    assert torch.equal(torch.cat(parts), torch.cat(whole))
