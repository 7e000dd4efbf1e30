"""Lightning's own callbacks, as a config names them, fitted to runs that have steps, not epochs."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import (
    BackboneFinetuning,
    BatchSizeFinder,
    Callback,
    EarlyStopping,
    GradientAccumulationScheduler,
    LearningRateFinder,
    ModelCheckpoint,
    ModelPruning,
    SpikeDetection,
    StochasticWeightAveraging,
    Timer,
)
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason
from lightning.pytorch.utilities.model_helpers import is_overridden

from qwen_pl.errors import InputError
from qwen_pl.runs import CHECKPOINTS
from qwen_pl.terminal import tell

_CANNOT_WORK: dict[type[Callback], str] = {
    StochasticWeightAveraging: "counts epochs, of which a run has none",
    GradientAccumulationScheduler: "counts epochs, and trainer.accumulate_grad_batches does not",
    BackboneFinetuning: "unfreezes what a module calls its backbone, and ours calls nothing so",
    BatchSizeFinder: "changes a batch that data.batch_size has decided",
    ModelPruning: "looks for weights before there are any",
}


def mended_callbacks(callbacks: Sequence[Callback], run_dir: Path) -> list[Callback]:
    """The callbacks in the form they need here, in their order.

    Raises:
        InputError: If one of them cannot work here.
    """
    for callback in callbacks:
        for kind, reason in _CANNOT_WORK.items():
            if isinstance(callback, kind):
                raise InputError(f"{kind.__name__} {reason}: leave it out")
        if isinstance(callback, ModelCheckpoint):
            _give_place(callback, run_dir / CHECKPOINTS)
        if isinstance(callback, SpikeDetection):
            # The name under which it looks for its state when a run resumes (Lightning 2.6).
            vars(callback)["running"] = callback.running_mean
    keys = [c.state_key for c in callbacks if is_overridden("state_dict", c, Callback)]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise InputError(
            f"trainer.callbacks has {twice.pop().partition('{')[0]} twice, and a run that resumes "
            "could not tell their states apart: let them differ in monitor, mode or how often they "
            "save"
        )
    tidy = [
        TidyLearningRateFinder(c, run_dir) if type(c) is LearningRateFinder else c
        for c in callbacks
    ]
    return [ToldStop(tidy), *tidy]


def _give_place(callback: ModelCheckpoint, folder: Path) -> None:
    """Lets it save where Lightning's would: beside the checkpoints of the run, none of which it is
    to write over."""
    callback.dirpath = callback.dirpath or str(folder)
    try:
        name = Path(callback.format_checkpoint_name({})).name
    except (LookupError, ValueError) as error:
        raise InputError(f"ModelCheckpoint: filename is {callback.filename}: {error}") from None
    is_beside = Path(callback.dirpath).resolve() == folder.resolve()
    if is_beside and re.fullmatch(r"(best|step=\d{8,})\.ckpt", name):
        raise InputError(
            f"ModelCheckpoint would write {name}, a name of the run's own checkpoints: give it "
            "another filename, or a dirpath"
        )


class TidyLearningRateFinder(pl.Callback):
    """Sweeps the learning rate before a new run, tells what it suggests, and lets the run use it.

    The steps of the sweep are in no curve, ledger or checkpoint, and their samples come again: the
    run trains as one that was given the rate. One that resumes keeps the rate it began with.

    Works around: Lightning sweeps again where a run resumes, tells nothing of what it has found,
    keeps what it needs to go back in a file of the folder that all runs share (Lightning #9574
    gave the files names of their own), and ends with a progress bar in every process. The rate it
    sets in the optimizer (Lightning #21030) lasts until the schedule's next step; the module sets
    that of the schedule when training starts. This class can go when
    ``test_a_run_uses_the_rate_that_a_sweep_finds_and_is_otherwise_untouched_by_it`` passes with
    Lightning's own callback.

    Source: Smith 2017, https://arxiv.org/abs/1506.01186
    """

    def __init__(self, finder: LearningRateFinder, run_dir: Path) -> None:
        self.finder = finder
        self.run_dir = run_dir
        self.found: float | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module: Any = pl_module  # whose learning rate is its lr
        if trainer.fast_dev_run:  # type: ignore[attr-defined]  # a connector sets it
            return  # a sweep takes more steps than there are, and a file
        if trainer.ckpt_path is not None:
            module.lr = module.lr if self.found is None else self.found
            return
        before = module.lr
        self._sweep(trainer, pl_module)
        result = self.finder.optimal_lr
        suggestion = None if result is None else result.suggestion()
        if module.lr == suggestion:  # which the callback's update_attr can forbid
            self.found = suggestion
        if trainer.is_global_zero:
            tell(self._told(suggestion, before), file=sys.stderr)

    def state_dict(self) -> dict[str, Any]:
        return {"found": self.found}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.found = state["found"]

    def _sweep(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leaves its temporary checkpoint, if it is killed, in the run's folder."""
        if trainer.is_global_zero:
            self.run_dir.mkdir(parents=True, exist_ok=True)
            for left in self.run_dir.glob(".lr_find_*"):
                left.unlink()
        holder: Any = trainer  # whose folder can be set by no public name once it is made
        root, holder._default_root_dir = holder._default_root_dir, str(self.run_dir)
        try:
            self.finder.on_fit_start(trainer, pl_module)
        finally:
            holder._default_root_dir = root
        bar = trainer.progress_bar_callback
        if bar is not None and not trainer.is_global_zero:
            bar.disable()

    def _told(self, suggestion: float | None, before: float) -> str:
        if suggestion is None:
            return (
                f"LearningRateFinder took too few steps to suggest a rate: model.lr is {before:g}"
            )
        if self.found is None:
            return f"LearningRateFinder suggests model.lr {suggestion:g}, used is {before:g}"
        return f"LearningRateFinder: model.lr is {suggestion:g} instead of {before:g}"


class ToldStop(pl.Callback):
    """Says why ``EarlyStopping`` or ``trainer.max_time`` ended a run, and at which step.

    Works around: Lightning writes its reason to a log that a run does not show, gives a resumed run
    the patience of its checkpoint and not of its config, and lets a run that had stopped train on
    until its next validation (Lightning #8278, closed without a change). This class can go when
    ``test_early_stopping_ends_a_run_says_why_and_gives_way_to_more_patience`` passes without it.
    It has to stand before the ``callbacks`` that the config names.

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
    tell("", f"stopped at step {trainer.global_step:,}: {reason}", file=sys.stderr)
