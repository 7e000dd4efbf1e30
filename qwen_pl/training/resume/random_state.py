"""Keeps the random generators in the checkpoint, so that a resumed run draws what it would have."""

import random
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch

from qwen_pl.training.devices.sharding import of_all_processes


class RandomState(pl.Callback):
    """Saves the generators of torch, Python, NumPy and the device of every process; restores them.

    Processes draw different numbers. A run that resumes on another number of them goes on with the
    generators of the first ones; processes that were not there before get their own from those.
    One that is given another seed restores nothing.
    """

    def __init__(self, restores: bool = True) -> None:
        self.restores = restores
        self._restored: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"processes": of_all_processes(random_state())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._restored = state["processes"] if self.restores else []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Not earlier: building the network and a first validation draw numbers too.
        rank, states = trainer.global_rank, self._restored
        if states:
            set_random_state(states[rank % len(states)])
        if rank >= max(1, len(states)):
            # It has the generators of another process, at the start those of the first.
            draw_apart(rank)
        self._restored = []


def random_state() -> dict[str, Any]:
    """The state of every generator as tensors and plain data, loadable with ``weights_only``."""
    numpy: Any = np.random.get_state()
    name, keys, *rest = numpy
    device = _device()
    return {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": [name, keys.tolist(), *rest],
        "device": device.get_rng_state() if device is not None else None,
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Puts every generator where ``random_state`` found it, as far as there is such a device."""
    torch.set_rng_state(state["torch"])
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    device, theirs = _device(), state.get("device")
    if device is not None and theirs is not None and len(theirs) == len(device.get_rng_state()):
        device.set_rng_state(theirs)


def draw_apart(rank: int) -> None:
    """Seeds every generator by the next number of torch's and by ``rank``."""
    seed = int(torch.randint(1 << 31, ())) + rank
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % (1 << 32))


def _device() -> Any:
    """The module that holds the generator of this process's accelerator, ``torch.cuda`` maybe."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return None if accelerator is None else torch.get_device_module(accelerator)
