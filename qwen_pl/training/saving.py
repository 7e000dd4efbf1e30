"""When checkpoints are saved: every so many steps, at the last one, and when a signal asks."""

import signal
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint

from qwen_pl.errors import InputError
from qwen_pl.training.checkpoint import BEST, NAME


class StepCheckpoint(ModelCheckpoint):
    """Saves every ``every_n_train_steps`` optimizer steps and at the last, and keeps the newest.

    Args:
        dirpath: The run's checkpoint folder; the command line fills it in.
        every_n_train_steps: Steps between checkpoints.
        save_top_k: How many of the newest are kept; -1 keeps all.
    """

    def __init__(
        self, dirpath: str | None = None, every_n_train_steps: int = 1000, save_top_k: int = 2
    ) -> None:
        if every_n_train_steps < 1:
            raise InputError(
                f"checkpoint.every_n_train_steps is {every_n_train_steps}: it has to be at least 1"
            )
        if save_top_k < 1 and save_top_k != -1:
            raise InputError(
                f"checkpoint.save_top_k is {save_top_k}: keep at least 1, or all with -1"
            )
        super().__init__(
            dirpath=dirpath,
            filename=NAME,
            auto_insert_metric_name=False,
            monitor="step",
            mode="max",
            save_top_k=save_top_k,
            every_n_train_steps=every_n_train_steps,
            enable_version_counter=False,
        )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self._last_global_step_saved = trainer.global_step  # a resumed run starts from this file

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        super().on_train_batch_end(trainer, *args)
        if trainer.global_step == trainer.max_steps:
            self.save_now(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.save_now(trainer)

    def save_now(self, trainer: pl.Trainer) -> None:
        """Saves the present step, unless it is saved already."""
        if not self._should_skip_saving_checkpoint(trainer):
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))


class BestCheckpoint(ModelCheckpoint):
    """Keeps the weights with the lowest validation loss as ``best.ckpt``, to write with."""

    def __init__(self, dirpath: Path) -> None:
        super().__init__(
            dirpath=dirpath,
            filename=Path(BEST).stem,
            monitor="val_loss",
            mode="min",
            save_weights_only=True,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.monitor in trainer.callback_metrics:  # else only a reference text is measured
            super().on_validation_end(trainer, pl_module)


class StopOnSignal(pl.Callback):
    """On Ctrl-C or SIGTERM finishes the optimizer step, saves, and leaves with 130 or 143.

    A second signal ends the process at once. All processes of a run stop at the same step.
    """

    def __init__(self, checkpoint: StepCheckpoint) -> None:
        self.checkpoint = checkpoint
        self._received = 0
        self._last_step = 0
        self._earlier: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._last_step = trainer.global_step
        for number in (signal.SIGINT, signal.SIGTERM):
            self._earlier[number] = signal.signal(number, self._note)

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.global_step == self._last_step:
            return  # gradients are still being accumulated: a checkpoint here would lose them
        self._last_step = trainer.global_step
        # A signal may reach only one process, so all have to agree.
        if trainer.strategy.reduce_boolean_decision(self._received > 0, all=False):
            self.checkpoint.save_now(trainer)
            if trainer.is_global_zero:
                print(f"\nstopped and saved at step {trainer.global_step}", file=sys.stderr)
            raise SystemExit(128 + (self._received or signal.SIGTERM))

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        self._earlier = {}

    def _note(self, number: int, frame: Any) -> None:
        if self._received:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._received = number
        print("\nstopping after this step; once more to stop at once", file=sys.stderr)
