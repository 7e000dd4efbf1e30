"""When a run validates: between steps only, and never left out when a run resumes."""

import sys
from typing import Any

import lightning.pytorch as pl


class ValidateBetweenSteps(pl.Callback):
    """Rounds ``val_check_interval`` up to whole optimizer steps.

    It counts batches, and where several are accumulated it could fall into the middle of a step. No
    checkpoint knows of such a moment, so a resumed run would validate there a second time.
    """

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        interval, accumulated = trainer.val_check_interval, trainer.accumulate_grad_batches
        if stage != "fit" or not isinstance(interval, int) or interval % accumulated == 0:
            return
        trainer.val_check_interval = -(-interval // accumulated) * accumulated
        if trainer.is_global_zero:
            print(
                f"trainer.val_check_interval is {interval} batches, a step takes {accumulated}: "
                f"validating every {trainer.val_check_interval}",
                file=sys.stderr,
            )


class LastValidation(pl.Callback):
    """Validates the last step of a run that was ended before it could.

    The Trainer would find that a run with all its steps has nothing left to do. So it is shown one
    step more until it has begun, when only the validation is left.
    """

    def __init__(self) -> None:
        self._is_owed = False

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn != "fit" or checkpoint["global_step"] != trainer.max_steps:
            return
        batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]
        interval = trainer.val_check_interval
        self._is_owed = (
            batches["completed"] < batches["processed"]
            and trainer.enable_validation
            and isinstance(interval, int)
            and batches["processed"] % interval == 0
        )
        if trainer.optimizers:  # a sharded model is restored after the hook below
            self._show_steps(trainer, 1)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Not earlier: the schedule has been made of the real number by now.
        self._show_steps(trainer, 1)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._show_steps(trainer, -1)  # to other hooks; validate_first shows it again

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._show_steps(trainer, -1)
        self._is_owed = False

    def _show_steps(self, trainer: pl.Trainer, more: int) -> None:
        if self._is_owed:
            trainer.fit_loop.epoch_loop.max_steps += more


def validation_follows(trainer: pl.Trainer) -> bool:
    """Whether the Trainer validates after the batch that it trains on, as ``val_check_interval``
    says."""
    interval = trainer.val_check_batch
    return (
        trainer.enable_validation
        and trainer.check_val_every_n_epoch is None
        and isinstance(interval, int)
        and (trainer.fit_loop.total_batch_idx + 1) % interval == 0
        and sum(trainer.num_val_batches) > 0
    )


def owes_validation(trainer: pl.Trainer) -> bool:
    """Whether the checkpoint that training starts from was saved when validation was to follow.

    To be asked in ``on_train_start``.
    """
    return trainer.fit_loop.epoch_loop.restarted_on_train_batch_end and validation_follows(trainer)


def validate_first(trainer: pl.Trainer) -> None:
    """Makes the Trainer validate before its first step; it would take it as done.

    To be called in ``on_train_start``. The Trainer finishes a validation in whose middle it was
    saved, so it is told that it was, with no batch of it done.
    """
    epoch = trainer.fit_loop.epoch_loop
    epoch.val_loop._restart_stage = "restarted_mid_evaluation"
    epoch.val_loop.batch_progress.current.reset()
    epoch._batches_that_stepped -= 1  # it will be counted once more
    if trainer.global_step == trainer.max_steps:
        _show_a_step_when_begun(trainer)


def _show_a_step_when_begun(trainer: pl.Trainer) -> None:
    """Shows one step more, for ``LastValidation``, once all hooks have seen the real number."""
    strategy = trainer.strategy
    begin = strategy.on_train_start  # the last thing that is called

    def begin_with_a_step() -> None:
        begin()
        trainer.fit_loop.epoch_loop.max_steps += 1

    strategy.on_train_start = begin_with_a_step
