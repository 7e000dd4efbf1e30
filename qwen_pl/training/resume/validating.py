"""When a run validates: between steps, before the first one, and never left out on a resume."""

import sys
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities.seed import isolate_rng

from qwen_pl.terminal import tell
from qwen_pl.training.training_data import data_or_none


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
            tell(
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


class MeasuredStart(pl.Callback):
    """Validates before the first step of a run that starts from pretrained weights.

    Only where there is a reference text to forget. The values are logged under step 0, as those of
    any other validation, and kept in the checkpoints.
    """

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._reference: str | None = None

    def values(self, trainer: pl.Trainer) -> dict[str, float]:
        """What was measured before the first step, by metric.

        Less what was measured on another reference text than there is now.
        """
        if self._reference == _fingerprint(trainer):
            return self._values
        return {k: v for k, v in self._values.items() if not k.startswith("reference_")}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        reference = _fingerprint(trainer)
        if reference is None:
            return
        if trainer.global_step == 0 and pl_module.from_pretrained is not None:
            with isolate_rng():  # a run trains the same, whether it is measured or not
                validate_now(trainer)
            self._values = {k: float(value) for k, value in trainer.callback_metrics.items()}
            bits = [f"{k} {value:.4f}" for k, value in self._values.items() if "bits" in k]
            if trainer.is_global_zero:
                tell(f"before training: {', '.join(bits)}", file=sys.stderr)
            self._reference = reference
        elif self._values and self._reference != reference and trainer.is_global_zero:
            tell(
                "data.reference_text is not the one that this run began with: what the weights "
                "knew of it before training is not known",
                file=sys.stderr,
            )

    def state_dict(self) -> dict[str, Any]:
        return {"reference": self._reference, "values": self._values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._reference, self._values = state["reference"], state["values"]


def _fingerprint(trainer: pl.Trainer) -> str | None:
    """That of the reference text, if there is one."""
    data = data_or_none(trainer)
    return None if data is None else data.reference_fingerprint


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
