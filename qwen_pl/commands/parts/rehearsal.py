"""Rehearses a crash: notes what every step saw, and ends the process at a chosen moment."""

import contextlib
import json
import os
import random
import signal
import sys
import threading
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor

from qwen_pl.training.resume.saving import StepCheckpoint

MOMENTS = ("anywhere", "accumulating", "saving", "validating", "never")


class Rehearsal(pl.Callback):
    """Ends all processes of a run as ``kill -9`` would, at the first moment of a kind.

    Args:
        notes: Folder that gets a file for each process with a line for each step, and one with the
            moment of each kill.
        moment: ``anywhere`` is any time in the step; ``accumulating``, between two batches of one;
            ``saving``, while the checkpoint is being written; ``validating``, between two batches.
        step: Steps that have to be taken before.
        until: Steps after which the run is ended where it is, whatever ``max_steps`` says.
        within_seconds: Kills that may come at any time come within so much of their beginning.
    """

    def __init__(
        self,
        notes: str,
        moment: str = "never",
        step: int = 0,
        until: int | None = None,
        within_seconds: float = 0.1,
    ) -> None:
        assert moment in MOMENTS, moment
        self.notes = Path(notes)
        self.moment = moment
        self.step = step
        self.until = until
        self.within_seconds = within_seconds
        self._inputs = 0
        self._losses: list[str] = []
        self._last_step = 0
        self._is_ending = False
        self._ending = threading.Lock()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._last_step = trainer.global_step
        self.notes.mkdir(parents=True, exist_ok=True)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # All that belongs to the step before, its checkpoint and validation, is done by now.
        if self.until is not None and trainer.global_step >= self.until:
            trainer.strategy.barrier()
            if trainer.is_global_zero and not self._is_ending:
                self._end(trainer, "until")
            time.sleep(60)  # the end comes from the first process
        if self._is_time(trainer, "anywhere"):
            self.moment, self._is_ending = "never", True
            delay = random.Random(os.urandom(8)).uniform(0, self.within_seconds)
            threading.Timer(delay, self._end, [trainer, "anywhere"]).start()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: STEP_OUTPUT,
        batch: dict[str, Tensor],
        batch_idx: int,
    ) -> None:
        assert isinstance(outputs, Mapping)
        self._inputs = zlib.crc32(batch["input_ids"].cpu().numpy().tobytes(), self._inputs)
        self._losses.append(float(outputs["loss"]).hex())
        if trainer.global_step == self._last_step:
            if self._is_time(trainer, "accumulating"):
                self._end(trainer, "accumulating")
            return
        self._last_step = trainer.global_step
        line = {"step": self._last_step, "inputs": self._inputs, "losses": self._losses}
        self._note(f"rank-{trainer.global_rank}.jsonl", line)
        self._inputs, self._losses = 0, []

    def on_validation_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if not trainer.sanity_checking and self._is_time(trainer, "validating"):
            self._end(trainer, "validating")

    def on_save_checkpoint(self, trainer: pl.Trainer, *args: Any) -> None:
        if self._is_time(trainer, "saving"):
            threading.Thread(target=self._end_in_save, args=[trainer], daemon=True).start()

            def end_instead(fd: object) -> None:
                self._end(trainer, "saving")

            # It may look too late; once all is written and before it is in place, there is no
            # more waiting.
            os.fsync = end_instead

    def _is_time(self, trainer: pl.Trainer, moment: str) -> bool:
        due = moment == self.moment and trainer.global_step >= self.step
        return due and trainer.is_global_zero

    def _end_in_save(self, trainer: pl.Trainer) -> None:
        """Waits for the unfinished file beside the checkpoint; it is there for milliseconds."""
        saving = (c for c in trainer.checkpoint_callbacks if isinstance(c, StepCheckpoint))
        dirpath = next(saving).dirpath
        assert dirpath is not None  # the command line has set it
        folder = Path(dirpath)
        before = {*folder.glob("*.tmp-*")}
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up and before.issuperset(folder.glob("*.tmp-*")):
            pass
        self._end(trainer, "saving")

    def _end(self, trainer: pl.Trainer, moment: str) -> None:
        if not self._ending.acquire(blocking=False):
            time.sleep(60)  # another thread has come first
        self._note("kills.jsonl", {"moment": moment, "step": trainer.global_step})
        end_all()

    def _note(self, name: str, line: dict[str, Any]) -> None:
        with (self.notes / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def rehearsal_options(**settings: object) -> list[str]:
    """The options with which ``fit`` has a ``Rehearsal`` of these settings among its callbacks."""
    options = ["--trainer.callbacks+", f"{Rehearsal.__module__}.{Rehearsal.__name__}"]
    for name, value in settings.items():
        options += [f"--trainer.callbacks.{name}", str(value)]
    return options


def end_all() -> None:
    """Ends this process without a word, and those started with it if they are a session."""
    if sys.platform == "win32":
        os.kill(os.getpid(), signal.SIGTERM)  # which is TerminateProcess there
    elif os.getpgrp() == os.getsid(0):
        os.killpg(0, signal.SIGKILL)
    else:
        os.kill(os.getpid(), signal.SIGKILL)


def read_notes(folder: Path, name: str) -> list[dict[str, Any]]:
    """The lines of a file of notes; one that a kill cut off is left out."""
    file = folder / name
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
        with contextlib.suppress(ValueError):
            lines.append(json.loads(line))
    return lines
