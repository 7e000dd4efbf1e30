"""When a run validates: between steps, before the first one, and never left out on a resume."""

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
    """Lets a run begin that has all its steps and lacks only the validation of the last one.

    The Trainer would find that it has nothing left to do, and not come to ``on_train_start``, where
    the validation is made up for. So it is shown one step more until then.
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
        self._show_steps(trainer, -1)

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


def validate_now(trainer: pl.Trainer) -> None:
    """Lets the Trainer validate before its first step, with all hooks, as it does between steps.

    To be called in ``on_train_start``, by a callback that comes behind those that have to be ready.
    """
    loop = trainer.fit_loop.epoch_loop.val_loop
    loop.restarting = False  # it begins with the first batch
    trainer.validating = True
    loop.run()
    trainer.training = True


def make_up_for_validation(trainer: pl.Trainer) -> None:
    """Validates now what should have been before the run was ended, and the Trainer takes as done.

    A checkpoint that is saved in this validation is as that of a run that was never ended.
    """
    loop = trainer.fit_loop.epoch_loop
    counts = (loop.batch_progress, loop.val_loop.batch_progress)
    before = [progress.state_dict() for progress in counts]
    loop.batch_progress.increment_completed()  # a validation follows when a batch is completed
    validate_now(trainer)
    for progress, state in zip(counts, before, strict=True):
        progress.load_state_dict(state)  # the Trainer counts both itself as it goes on
