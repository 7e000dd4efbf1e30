"""What a run shows on the console: what is trained, then a bar of steps, or lines now and then."""

import sys
import time
from typing import Any, cast

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

from qwen_pl.model.config import Qwen3Config
from qwen_pl.terminal import tell
from qwen_pl.training.monitoring.curves import TrainingCurves
from qwen_pl.training.training_data import training_data

SECONDS_BETWEEN_LINES = 20
SECONDS_BETWEEN_SIGHTS = 0.5
"""How often the bar of a terminal moves; drawing it costs more than a step's other hooks."""


class RunSummary(pl.Callback):
    """Prints the size of the network, the device, and how often the text will be seen."""

    def __init__(self, name: str) -> None:
        self.name = name

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        data, config = training_data(trainer), cast(Qwen3Config, pl_module.config)
        windows = data.settings.batch_size * trainer.world_size * trainer.accumulate_grad_batches
        tokens = windows * data.settings.seq_len
        passes = tokens * trainer.max_steps / data.train_tokens
        tell(
            f"{self.name}: {config.num_parameters():,} parameters on "
            f"{trainer.world_size} x {trainer.strategy.root_device.type} in {trainer.precision}",
            f"steps {trainer.global_step:,} to {trainer.max_steps:,} of {tokens:,} tokens: "
            f"{passes:.1f} passes over {data.train_tokens:,} training tokens",
            file=sys.stderr,
        )


class StepProgress(ProgressBar):
    """Counts optimizer steps towards ``max_steps`` and shows losses, speed and the time left.

    All of it fits into 80 columns.
    """

    def __init__(self, curves: TrainingCurves) -> None:
        super().__init__()
        self.curves = curves
        self._bar: tqdm | None = None
        self._enabled = True
        self._on_terminal = sys.stderr.isatty()
        self._last_shown = 0.0

    def disable(self) -> None:
        self._enabled = False  # all processes but the first, and all during a sweep of the rate

    def enable(self) -> None:
        self._enabled = self.trainer.is_global_zero

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._bar = tqdm(
            total=trainer.max_steps,
            initial=trainer.global_step,
            disable=not (self._enabled and self._on_terminal),
            dynamic_ncols=True,
        )
        self._started, self._first_step = time.perf_counter(), trainer.global_step
        self._last_shown = self._started

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if self._is_due() or trainer.global_step == trainer.max_steps:
            self._show(trainer, f"{self._time_left(trainer)} left")

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if self._bar is not None and not trainer.sanity_checking and self._is_due():
            counts = trainer.num_val_batches
            done = sum(counts[:dataloader_idx]) + batch_idx + 1
            self._show(trainer, f"validating {done / sum(counts):.0%}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._bar is not None and self._on_terminal and not trainer.sanity_checking:
            self._show(trainer, f"{self._time_left(trainer)} left")

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self._bar is not None:
            self._bar.close()

    def print(self, *args: Any, **kwargs: Any) -> None:
        tell(" ".join(map(str, args)), file=sys.stderr)

    def _is_due(self) -> bool:
        seconds = SECONDS_BETWEEN_SIGHTS if self._on_terminal else SECONDS_BETWEEN_LINES
        return time.perf_counter() - self._last_shown > seconds

    def _show(self, trainer: pl.Trainer, ending: str) -> None:
        if not self._enabled or self._bar is None:
            return
        self._last_shown = time.perf_counter()
        facts = ", ".join([*told(self.curves.latest), ending])
        steps = f"{trainer.global_step}/{trainer.max_steps}"
        if not self._on_terminal:
            tell(f"step {steps}, {facts}", file=sys.stderr)
            return
        self._bar.bar_format = f"{steps} |{{bar}}| {facts}"
        self._bar.n = trainer.global_step
        self._bar.refresh()

    def _time_left(self, trainer: pl.Trainer) -> str:
        """By the mean speed so far, with all that comes between steps."""
        elapsed = time.perf_counter() - self._started
        taken = max(1, trainer.global_step - self._first_step)
        return duration(elapsed / taken * (trainer.max_steps - trainer.global_step))


def told(values: dict[str, float]) -> list[str]:
    """What a line has room for of the newest values of the curves.

    >>> told({"train_loss": 4.6361, "val_loss": 4.876, "tokens_per_second": 5237.4, "mfu": 0.412})
    ['loss 4.636', 'val 4.876', '5,237 tokens/s', 'MFU 41%']
    >>> told({"train_loss": 11.02, "tokens_per_second": 412_345.0})
    ['loss 11.02', '412k tokens/s']
    """
    forms = {
        "train_loss": lambda loss: f"loss {loss:.4g}" if loss >= 10 else f"loss {loss:.3f}",
        "val_loss": lambda loss: f"val {loss:.4g}" if loss >= 10 else f"val {loss:.3f}",
        "tokens_per_second": lambda speed: f"{short(speed)} tokens/s",
        "mfu": lambda share: f"MFU {share:.0%}" if share >= 0.1 else f"MFU {share:.1%}",
    }
    return [form(values[name]) for name, form in forms.items() if name in values]


def short(number: float) -> str:
    """A number in at most five characters.

    >>> [short(number) for number in (7.4, 9_999, 12_345, 1_234_567, 45_678_901)]
    ['7', '9,999', '12k', '1.2M', '46M']
    """
    if number < 9_999.5:
        return f"{number:,.0f}"
    if number < 999_500:
        return f"{number / 1e3:.0f}k"
    return f"{number / 1e6:.1f}M" if number < 9.95e6 else f"{number / 1e6:.0f}M"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, or days and hours.

    >>> duration(96), duration(7384), duration(200_000)
    ('1:36', '2:03:04', '2d 7h')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24}d {hours % 24}h"
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
