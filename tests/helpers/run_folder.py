"""What a run leaves in its folder, read for tests."""

from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def weights(path: Path) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint, by their names."""
    return torch.load(path, weights_only=True)["state_dict"]


def same(one: Path, other: Path) -> bool:
    """Whether two checkpoints have the same weights to the last bit."""
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def scalars(run_dir: Path, name: str) -> dict[int, float]:
    """A curve by its steps, each of which is there once."""
    events = EventAccumulator(str(run_dir))
    events.Reload()
    values = [(event.step, event.value) for event in events.Scalars(name)]
    assert len(dict(values)) == len(values), f"{name} has a step twice"
    return dict(values)
