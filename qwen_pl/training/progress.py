"""What a run shows on the console: a bar of steps on a terminal, a line now and then elsewhere."""

import sys
import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

from qwen_pl.training.curves import TrainingCurves

SECONDS_BETWEEN_LINES = 20


class StepProgress(ProgressBar):
    """Counts optimizer steps towards ``max_steps`` and shows losses, speed and the time left."""

    def __init__(self, curves: TrainingCurves) -> None:
        super().__init__()
        self.curves = curves
        self._bar: tqdm | None = None
        self._enabled = True
        self._on_terminal = sys.stderr.isatty()
        self._last_line = 0.0
        self._val_loss: float | None = None

    def disable(self) -> None:
        self._enabled = False  # all processes but the first

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._bar = tqdm(
            total=trainer.max_steps,
            initial=trainer.global_step,
            bar_format="{n_fmt}/{total_fmt} steps |{bar}| {elapsed}, {remaining} left{postfix}",
            disable=not (self._enabled and self._on_terminal),
            dynamic_ncols=True,
        )
        self._started, self._first_step = time.perf_counter(), trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if self._bar is None or not self._enabled:
            return
        self._bar.set_postfix_str(", ".join(self._values()), refresh=False)
        self._bar.update(trainer.global_step - self._bar.n)
        now = time.perf_counter()
        due = now - self._last_line > SECONDS_BETWEEN_LINES
        if not self._on_terminal and (due or trainer.global_step == trainer.max_steps):
            self._last_line = now
            self._print_line(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        value = trainer.callback_metrics.get("val_loss")
        if value is not None and not trainer.sanity_checking:
            self._val_loss = float(value)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self._bar is not None:
            self._bar.close()

    def print(self, *args: Any, **kwargs: Any) -> None:
        tqdm.write(" ".join(map(str, args)), file=sys.stderr)

    def _values(self) -> list[str]:
        values = []
        if "train_loss" in self.curves.latest:
            values.append(f"loss {self.curves.latest['train_loss']:.3f}")
        if self._val_loss is not None:
            values.append(f"val {self._val_loss:.3f}")
        if "tokens_per_second" in self.curves.latest:
            values.append(f"{self.curves.latest['tokens_per_second']:,.0f} tokens/s")
        return values

    def _print_line(self, trainer: pl.Trainer) -> None:
        step = trainer.global_step
        elapsed = time.perf_counter() - self._started
        left = elapsed / max(1, step - self._first_step) * (trainer.max_steps - step)
        values = [f"step {step}/{trainer.max_steps}", *self._values()]
        print(", ".join([*values, f"{tqdm.format_interval(left)} left"]), file=sys.stderr)
