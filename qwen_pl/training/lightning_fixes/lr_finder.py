"""Lightning's LearningRateFinder, made to leave a run as it found it but for the rate."""

import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import LearningRateFinder


class TidyLearningRateFinder(pl.Callback):
    """Sweeps the learning rate before a new run, tells what it suggests, and lets the run use it.

    The steps of the sweep are in no curve, ledger or checkpoint, and their samples come again: the
    run trains as one that was given the rate. One that resumes keeps the rate it began with.

    Works around: Lightning sweeps again where a run resumes, tells nothing of what it has found,
    keeps what it needs to go back in a file of the folder that all runs share (Lightning #9574
    gave the files names of their own), and ends with a progress bar in every process. The rate it
    sets in the optimizer (Lightning #21030) lasts until the schedule's next step; the module sets
    that of the schedule when training starts. This file can go when
    ``test_a_run_uses_the_rate_that_a_sweep_finds_and_is_otherwise_untouched_by_it`` passes with
    Lightning's own callback.

    Source: Smith 2017, https://arxiv.org/abs/1506.01186

    Args:
        finder: Lightning's, with the settings of the config.
        run_dir: The folder of the run.
    """

    def __init__(self, finder: LearningRateFinder, run_dir: Path) -> None:
        self.finder = finder
        self.run_dir = run_dir
        self.found: float | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module: Any = pl_module  # whose learning rate is its lr
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
            print(self._told(suggestion, before), file=sys.stderr)

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
