"""Keeps the random generators in the checkpoint, so that a resumed run draws what it would have."""

import random
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import torch.distributed as dist


class RandomState(pl.Callback):
    """Saves the generators of torch, Python, NumPy and CUDA for every process, and restores them.

    A run that resumes on another number of processes keeps the seeds it started with.
    """

    def __init__(self) -> None:
        self._restored: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        mine = random_state()
        if not (dist.is_available() and dist.is_initialized()):
            return {"processes": [mine]}
        states: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(states, mine)
        return {"processes": states}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._restored = state["processes"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Not earlier: building the network and a first validation draw numbers too.
        if len(self._restored) == trainer.world_size:
            set_random_state(self._restored[trainer.global_rank])
        self._restored = []


def random_state() -> dict[str, Any]:
    """The state of every generator as tensors and plain data, loadable with ``weights_only``."""
    name, keys, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": [name, keys.tolist(), *rest],
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Puts every generator where ``random_state`` found it."""
    torch.set_rng_state(state["torch"])
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
