"""Lightning's LearningRateFinder, made to leave a run as it found it but for the rate."""

import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import LearningRateFinder


class TidyLearningRateFinder(LearningRateFinder):
    """Sweeps the learning rate before a new run, tells what it suggests, and lets the run use it.

    The steps of the sweep are in no curve, ledger or checkpoint, and their samples come again: the
    run trains as one that was given the rate. One that resumes keeps the rate it began with.

    Source: Smith 2017, https://arxiv.org/abs/1506.01186
    """

    found: float | None = None
    run_dir: Path

    @classmethod
    def of(cls, finder: LearningRateFinder, run_dir: Path) -> "TidyLearningRateFinder":
        """One with the settings of Lightning's."""
        tidy = cls()
        tidy.__dict__ |= finder.__dict__
        tidy.run_dir = run_dir
        return tidy

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.ckpt_path is not None:
            pl_module.lr = pl_module.lr if self.found is None else self.found
            return
        before = pl_module.lr
        at_first = [group["lr"] for group in trainer.optimizers[0].param_groups]
        self._sweep(trainer, pl_module)
        result = self.optimal_lr
        suggestion = None if result is None else result.suggestion()
        if suggestion is not None and self._update_attr:
            self.found = suggestion
            self._rescale(trainer, at_first, suggestion / before if before else None)
        if trainer.is_global_zero:
            print(self._told(suggestion, before), file=sys.stderr)

    def state_dict(self) -> dict[str, Any]:
        return {"found": self.found}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.found = state["found"]

    def _sweep(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leaves its temporary checkpoint, if it is killed, in the run's folder."""
        bar, root = trainer.progress_bar_callback, trainer._default_root_dir
        if trainer.is_global_zero:
            self.run_dir.mkdir(parents=True, exist_ok=True)
            for left in self.run_dir.glob(".lr_find_*"):
                left.unlink()
        if bar is not None:
            # It is switched off for the sweep, and on again on all processes.
            bar.enable = lambda: bar.__dict__.update(_enabled=trainer.is_global_zero)
        trainer._default_root_dir = str(self.run_dir)
        try:
            super().on_fit_start(trainer, pl_module)
        finally:
            trainer._default_root_dir = root

    def _rescale(self, trainer: pl.Trainer, at_first: list[float], factor: float | None) -> None:
        """Lets the schedule work on the new rate; Lightning's first step would undo it."""
        [optimizer], [config] = trainer.optimizers, trainer.lr_scheduler_configs
        scheduler = config.scheduler
        for i, group in enumerate(optimizer.param_groups):
            base = scheduler.base_lrs[i] * factor if factor else self.found
            scheduler.base_lrs[i] = group["initial_lr"] = base
            group["lr"] = at_first[i] * factor if factor else self.found
        scheduler._last_lr = [group["lr"] for group in optimizer.param_groups]

    def _told(self, suggestion: float | None, before: float) -> str:
        if suggestion is None:
            return (
                f"LearningRateFinder took too few steps to suggest a rate: model.lr is {before:g}"
            )
        if not self._update_attr:
            return f"LearningRateFinder suggests model.lr {suggestion:g}, used is {before:g}"
        return f"LearningRateFinder: model.lr is {suggestion:g} instead of {before:g}"
