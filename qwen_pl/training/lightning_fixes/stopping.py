"""What makes a run end before its last step, and what it says then."""

import sys
from collections.abc import Sequence

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, EarlyStopping, Timer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from qwen_pl.errors import InputError


class ToldStop(pl.Callback):
    """Says why ``EarlyStopping`` or ``trainer.max_time`` ended a run, and at which step.

    A resumed run has the patience of its config, where Lightning would take the checkpoint's.

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
        timer = next((c for c in trainer.callbacks if isinstance(c, Timer)), None)
        has_duration = timer is not None and timer.time_remaining() is not None
        if has_duration and timer.time_remaining() <= 0:
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
