"""Callbacks as a user's own module has them, to be named in a config."""

import os
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback, Checkpoint

HOOKS = [
    name
    for name, value in vars(Callback).items()
    if callable(value) and (name.startswith("on_") or name in ("setup", "teardown"))
]
CALLED: list[str] = []
"""The hooks that were called, in their order."""


def note(hook: str) -> Callable[..., None]:
    """A function that notes that a hook was called."""
    return lambda *args, **options: CALLED.append(hook)


class Notes(Callback):
    """Notes each of its hooks."""


for _hook in HOOKS:
    setattr(Notes, _hook, note(_hook))
    globals()[f"note_{_hook}"] = note(_hook)


class Counts(Callback):
    """Keeps a number in the checkpoints."""

    def __init__(self) -> None:
        self.batches = 0

    def on_train_batch_end(self, *args: Any) -> None:
        self.batches += 1

    def state_dict(self) -> dict[str, int]:
        return {"batches": self.batches}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.batches = state["batches"]


class KeepsADate(Callback):
    """Keeps what no checkpoint gives back."""

    def state_dict(self) -> dict[str, datetime]:
        return {"now": datetime(1998, 1, 1)}


class AddsItself(Callback):
    """Puts what no checkpoint gives back beside all else."""

    def on_save_checkpoint(self, trainer: Any, module: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint["mine"] = [self]


class Asks(Callback):
    """Asks once, after a batch, for the run to stop: by a word to the Trainer, or by a signal."""

    def __init__(self, after: int, by_signal: bool = False) -> None:
        self.after = after
        self.by_signal = by_signal

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx + 1 == self.after:
            if self.by_signal:
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                trainer.should_stop = True


class Saves(Callback):
    """Saves whenever it is called, under the names of the hook and of the batch; not at first."""

    def __init__(self, folder: str, first: int) -> None:
        self.folder = folder
        self.first = first


for _hook in HOOKS:
    if _hook.startswith(("on_train", "on_validation", "on_before", "on_after", "on_exception")):

        def _save(self: Saves, trainer: Any, *args: Any, hook: str = _hook) -> None:
            batches = trainer.fit_loop.epoch_loop.batch_progress.total.ready
            if batches >= self.first:
                name = f"{type(self).__name__} {hook} {batches}.ckpt"
                trainer.save_checkpoint(Path(self.folder) / name)

        setattr(Saves, _hook, _save)


class SavesLast(Saves, Checkpoint):
    """The same, as one of those that are called behind all others."""
