"""When checkpoints are saved and which are kept: the newest, and the best by validation loss."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import TensorBoardLogger

from qwen_pl.errors import InputError
from qwen_pl.runs import CHECKPOINTS
from qwen_pl.terminal import tell
from qwen_pl.training.checkpoints.checkpoint import (
    BEST,
    NAME,
    STEP_ENDS,
    is_whole,
    is_within_step,
    load_facts,
    saved_in,
    written_by_steps,
)
from qwen_pl.training.optim.averaging import WeightAveraging
from qwen_pl.training.resume.validating import (
    make_up_for_validation,
    owes_validation,
    validation_follows,
)
from qwen_pl.training.steps.bad_steps import check_weights

SET_ASIDE = "set-aside"


class StepCheckpoint(Checkpoint):
    """Saves every ``every_n_train_steps`` optimizer steps and at the last, and keeps the newest.

    Where validation follows a step, the step is saved after it, so that a checkpoint holds all that
    belongs to its step. One that a signal made before is owed its validation when it is resumed.
    The last step is saved before its validation too, should that fail.

    What is kept follows from the files in the folder, so none of it is in the checkpoints. A run
    that goes back to an earlier step sets the checkpoints of later ones aside.

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
        self.dirpath = Path(dirpath or CHECKPOINTS).resolve()
        self.every_n_train_steps = every_n_train_steps
        self.save_top_k = save_top_k
        self._saved_step = 0  # before the first one there is nothing to save
        self._last_step = 0
        self._is_to_stop = False
        self._owes_validation = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # A resumed run starts from the file of this step.
        self._saved_step = self._last_step = trainer.global_step
        is_trial = trainer.fast_dev_run  # type: ignore[attr-defined]  # a connector sets it
        if trainer.is_global_zero and not is_trial:
            self._set_aside(trainer)
        self._owes_validation = owes_validation(trainer)
        if self._owes_validation:
            make_up_for_validation(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        step = trainer.global_step
        if step == self._last_step:
            # Half a step cannot be saved: its samples would count as seen and its gradients be
            # lost. A run that is to stop does so at the end of the step.
            self._is_to_stop |= trainer.should_stop
            trainer.should_stop = False
            return
        self._last_step = step
        trainer.should_stop |= self._is_to_stop
        is_due = step % self.every_n_train_steps == 0 and not validation_follows(trainer)
        if is_due or step == trainer.max_steps:
            self.save_now(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        step = trainer.global_step
        if self._owes_validation or step == trainer.max_steps:
            self._owes_validation = False
            self._saved_step = -1  # it was saved, but without this validation
            self.save_now(trainer)
        elif step % self.every_n_train_steps == 0:
            self.save_now(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.save_now(trainer)

    def is_saved(self, trainer: pl.Trainer) -> bool:
        """Whether the present step is on the disk."""
        return self._saved_step == trainer.global_step

    def save_now(self, trainer: pl.Trainer) -> None:
        """Saves the present step, unless it is saved already, and removes what is too old."""
        is_trial = trainer.fast_dev_run  # type: ignore[attr-defined]  # a connector sets it
        if is_trial or trainer.sanity_checking or self.is_saved(trainer):
            return
        check_weights(trainer)  # else the newest would take the place of the last good one
        path = self.dirpath / f"{NAME.format(step=trainer.global_step)}.ckpt"
        # What a kill takes from a logger's memory, a run that resumes here would not log again. But
        # a step that is saved again for its validation would, as long as it is not.
        is_again = trainer.validating and path.exists()
        if not is_again:
            _write_out_logs(trainer)
        _save(trainer, path)
        self._saved_step = trainer.global_step
        if is_again:
            _write_out_logs(trainer)
        if self.save_top_k > 0:  # only now that the new one is on the disk
            others = [old for old in written_by_steps(self.dirpath) if old != path]
            for old in others[self.save_top_k - 1 :]:
                trainer.strategy.remove_checkpoint(old)

    def _set_aside(self, trainer: pl.Trainer) -> None:
        """Moves away the checkpoints that this run does not go on from.

        ``last`` would else mean them until the run has passed them, and the newest be lost to them.
        """
        step = trainer.global_step
        later = (s for s in saved_in(self.dirpath) if s.is_complete and s.step > step)
        others = sorted(saved.path for saved in later)
        if trainer.ckpt_path is not None and not _goes_on_in(self.dirpath, trainer):
            others = sorted(self.dirpath.glob("*.ckpt"))
        for path in others:
            place = _free_place(self.dirpath / SET_ASIDE / path.name)
            place.parent.mkdir(exist_ok=True)
            path.rename(place)
            tell(f"{path} is not where this run goes on from: moved to {place}", file=sys.stderr)


class StepEnds(pl.Callback):
    """Keeps in each checkpoint whether it was saved at the end of a step, which all have seen.

    Any callback may save at any time, by the clock or after an exception. From the middle of a step
    no run goes on: gradients would be lost, and to some callbacks the step. Stands behind all that
    have to see a step; those that derive from ``Checkpoint`` are called later still.
    """

    def __init__(self) -> None:
        self._is_at_end = True
        self._was_at_end = True
        self._last_step = 0

    @property
    def state_key(self) -> str:
        return STEP_ENDS

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._last_step = trainer.global_step

    def on_train_batch_start(self, *args: Any) -> None:
        self._is_at_end = False

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        self._is_at_end = trainer.global_step != self._last_step
        self._last_step = trainer.global_step

    def on_validation_start(self, *args: Any) -> None:
        self._was_at_end, self._is_at_end = self._is_at_end, False

    def on_validation_end(self, *args: Any) -> None:
        self._is_at_end = self._was_at_end

    def state_dict(self) -> dict[str, bool]:
        return {"is_at_end": self._is_at_end}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn == "fit" and is_within_step(checkpoint):
            raise InputError(
                "this checkpoint was saved while a step or its validation was under way, of which "
                "a part would be lost: resume with --ckpt_path last"
            )


class BestCheckpoint(Checkpoint):
    """Keeps the weights with the lowest validation loss as ``best.ckpt``, to write with.

    What counts is the file that is there: neither a kill nor going back to an earlier step makes
    anything but a lower loss replace it. Where weights are averaged, those were measured, and are
    kept.
    """

    def __init__(self, dirpath: Path, averaging: WeightAveraging) -> None:
        self.dirpath = dirpath.resolve()
        self.averaging = averaging
        self._lowest = math.inf

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        is_own = trainer.is_global_zero and _goes_on_in(self.dirpath, trainer)
        lowest = _measured_loss(self.dirpath / BEST) if is_own else math.inf
        # It may be lower already, of weights that were measured before the first step.
        self._lowest = min(self._lowest, trainer.strategy.broadcast(lowest))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loss = trainer.callback_metrics.get("val_loss")
        if loss is None or trainer.sanity_checking or trainer.state.fn != "fit":
            return
        if trainer.strategy.broadcast(float(loss) < self._lowest):
            with self.averaging.shown(pl_module):
                _save(trainer, self.dirpath / BEST, weights_only=True)
            self._lowest = float(loss)


def _save(trainer: pl.Trainer, path: Path, *, weights_only: bool = False) -> None:
    """Saves for all processes or for none: where one cannot write, all of them stop."""
    with refused_by_all(trainer):
        try:
            trainer.save_checkpoint(path, weights_only)
        except InputError:
            trainer.strategy.barrier()  # where those that had nothing to write are waiting
            raise


@contextmanager
def refused_by_all(trainer: pl.Trainer) -> Iterator[None]:
    """Lets all processes stop where one of them refuses what is in the block; that one says why.

    All of them have to come to its end.

    Raises:
        InputError: If this process has refused.
        SystemExit: If another one has.
    """
    problem: InputError | None = None
    try:
        yield
    except InputError as error:
        problem = error
    if trainer.strategy.reduce_boolean_decision(problem is not None, all=False):
        raise problem or SystemExit(2)


def _write_out_logs(trainer: pl.Trainer) -> None:
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.flush()  # to save it would leave a file of no settings, too
        else:
            logger.save()


def _goes_on_in(folder: Path, trainer: pl.Trainer) -> bool:
    """Whether the run goes on from a checkpoint in ``folder``: then the others are its own too."""
    resumed_from = trainer.ckpt_path
    return resumed_from is not None and Path(resumed_from).resolve().parent == folder.resolve()


def _measured_loss(path: Path) -> float:
    """The validation loss of the weights in a checkpoint; infinite if they cannot be used."""
    if not path.exists():
        return math.inf
    if not is_whole(path):
        tell(f"{path} is damaged, the next validation makes another", file=sys.stderr)
        return math.inf
    try:
        return float(load_facts(path)["qwen_pl"]["measured"]["val_loss"])
    except (InputError, KeyError, TypeError):  # not one of ours
        return math.inf


def _free_place(path: Path) -> Path:
    """``path``, or the same with a number behind it, where nothing is yet."""
    places = (path.with_name(f"{path.name}.{n}" if n else path.name) for n in range(10**6))
    return next(place for place in places if not place.exists())
