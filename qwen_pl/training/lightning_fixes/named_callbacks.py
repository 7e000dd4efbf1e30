"""Lightning's own callbacks, as a config names them, fitted to runs that have steps, not epochs."""

import sys
from collections.abc import Sequence
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateFinder,
    StochasticWeightAveraging,
    Timer,
)
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from qwen_pl.errors import InputError
from qwen_pl.training.lightning_fixes.lr_finder import TidyLearningRateFinder


def mended_callbacks(callbacks: Sequence[Callback], run_dir: Path) -> list[Callback]:
    """The callbacks in the form they need here, in their order.

    Raises:
        InputError: If one of them cannot work here.
    """
    for callback in callbacks:
        if isinstance(callback, StochasticWeightAveraging):
            raise InputError(
                "StochasticWeightAveraging counts epochs, of which a run has none: leave it out"
            )
    tidy = [
        TidyLearningRateFinder(c, run_dir) if type(c) is LearningRateFinder else c
        for c in callbacks
    ]
    return [ToldStop(tidy), *tidy]


class ToldStop(pl.Callback):
    """Says why ``EarlyStopping`` or ``trainer.max_time`` ended a run, and at which step.

    Works around: Lightning writes its reason to a log that a run does not show, gives a resumed run
    the patience of its checkpoint and not of its config, and lets a run that had stopped train on
    until its next validation (Lightning #8278, closed without a change). This class can go when
    ``test_early_stopping_ends_a_run_says_why_and_gives_way_to_more_patience`` passes without it.

    Args:
        callbacks: Those that the config names; this one has to stand before them.

    Raises:
        InputError: While fitting, if what they watch is not measured.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self.watching = {c: c.patience for c in callbacks if isinstance(c, EarlyStopping)}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        measured = trainer.callback_metrics
        for callback in self.watching:
            if callback.strict and callback.monitor not in measured:
                raise InputError(
                    f"EarlyStopping watches {callback.monitor}, which is not measured: "
                    f"monitor one of {', '.join(measured)}"
                )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.watching and not sum(trainer.num_val_batches):
            raise InputError("EarlyStopping has no validation to watch: raise data.val_fraction")
        for callback, patience in self.watching.items():
            callback.patience = patience
            was_exhausted = callback.stopping_reason is EarlyStoppingReason.PATIENCE_EXHAUSTED
            if was_exhausted and callback.wait_count >= patience:
                trainer.should_stop = True  # as it had, and nothing has changed since
            else:
                callback.stopping_reason = EarlyStoppingReason.NOT_STOPPED
                callback.stopping_reason_message = None

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        for callback in self.watching:
            if callback.stopping_reason is not EarlyStoppingReason.NOT_STOPPED:
                _tell(trainer, _reason(callback))
        # The Trainer has added a Timer; one of its parts sets what mypy misses.
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        timer = next((c for c in callbacks if isinstance(c, Timer)), None)
        left = None if timer is None else timer.time_remaining()
        if left is not None and left <= 0:
            _tell(trainer, "its time is over, raise trainer.max_time to go on")


def _reason(callback: EarlyStopping) -> str:
    if callback.stopping_reason is EarlyStoppingReason.PATIENCE_EXHAUSTED:
        return (
            f"{callback.monitor} has not improved on {callback.best_score:.4f} in "
            f"{callback.wait_count} validations, raise the patience of EarlyStopping to go on"
        )
    told = callback.stopping_reason_message or callback.stopping_reason.value
    return told.removesuffix("Signaling Trainer to stop.").rstrip(". ")


def _tell(trainer: pl.Trainer, reason: str) -> None:
    print(f"\nstopped at step {trainer.global_step:,}: {reason}", file=sys.stderr)
