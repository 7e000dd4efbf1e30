"""Measures training as it goes: loss, learning rate, gradients, speed, memory and waiting."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from qwen_pl.errors import InputError
from qwen_pl.training.devices.sharding import of_all_processes, whole
from qwen_pl.training.monitoring.machine import flops_per_token, peak_flops, take_peak_memory
from qwen_pl.training.monitoring.recorded import MEASURED
from qwen_pl.training.step_facts import StepFacts
from qwen_pl.training.training_data import seconds_waited


class TrainingCurves(pl.Callback):
    """Logs every ``log_every_n_steps`` steps, from a callback, since logging in each step is slow.

    ``train_loss`` is the mean over the batches since the last time. ``gradient_norm`` is that of
    the last step, before clipping. Steps that were skipped have no part in either. Speeds count all
    processes and leave out the time that validation took. What is summed up goes into checkpoints:
    a resumed run logs what the unbroken one would. docs/curves.md tells what to read in each curve.

    Args:
        smoothing_steps: Steps after which a loss counts 1/e of what it did in train_loss_smoothed.
        peak_flops: Operations per second that one device reaches at most, which mfu is a share of;
            by default those of its data sheet, if it is known here.
        histograms_every_n_steps: Steps between histograms of weights and gradients in TensorBoard;
            0 for none.
        step_facts: Those of the module.

    Raises:
        InputError: If a setting is outside its range.
    """

    def __init__(
        self,
        smoothing_steps: int = 100,
        peak_flops: float | None = None,
        histograms_every_n_steps: int = 0,
        step_facts: StepFacts | None = None,
    ) -> None:
        if smoothing_steps < 1:
            raise InputError(
                f"curves.smoothing_steps is {smoothing_steps}: it has to be at least 1"
            )
        if peak_flops is not None and not 0 < peak_flops < math.inf:
            raise InputError(
                f"curves.peak_flops is {peak_flops}: give operations per second, such as 312e12"
            )
        if histograms_every_n_steps < 0:
            raise InputError(
                f"curves.histograms_every_n_steps is {histograms_every_n_steps}: give steps, "
                "or 0 for no histograms"
            )
        self.peak_flops = peak_flops
        self.histograms_every_n_steps = histograms_every_n_steps
        self.step_facts = step_facts or StepFacts()
        self.latest: dict[str, float] = {}
        """The newest value of each curve, for whoever shows them."""
        self.tokens_seen = 0
        self._smoothed_loss = SmoothedValue(smoothing_steps)
        self._restored_losses: list[float] = []
        self._last_step = self._validated_at = 0
        self._speed = _Speed()
        self._sums = _Sums()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._last_step = trainer.global_step
        if losses := self._restored_losses:
            alike = len(losses) == trainer.world_size
            self._sums.loss = losses[trainer.global_rank] if alike else sum(losses) / len(losses)
        self._peak = self.peak_flops or _known_peak(trainer)
        take_peak_memory(trainer.strategy.root_device)  # from here on it is the training's
        self._speed = _Speed(seconds_waited(trainer))

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if _is_logged(trainer, trainer.global_step + 1):
            norm = self.step_facts.gradient_norm
            if norm is None:
                gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
                norm = torch.nn.utils.get_total_norm(gradients)
            self._sums.gradient_norm = norm
            # After the step the schedule has moved on to the next one's.
            self._sums.learning_rate = optimizer.param_groups[0]["lr"]

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: dict[str, Tensor],
        batch_idx: int,
    ) -> None:
        # Lightning has divided the loss, so that the gradients of accumulated batches average.
        loss = outputs["loss"].detach().float() * trainer.accumulate_grad_batches
        self._sums.step_loss += loss
        self._sums.step_batches += 1
        tokens = batch["labels"].numel() * trainer.world_size
        self._speed.tokens += tokens
        self.tokens_seen += tokens
        step = trainer.global_step
        if step == self._last_step:
            return  # gradients are still being accumulated
        self._last_step = step
        self._sums.end_step(counts=not self.step_facts.was_skipped)
        if _is_logged(trainer, step):
            self._record(trainer, pl_module, seq_len=batch["labels"].shape[1])

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validation_started = time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.leave_out(time.perf_counter() - self._validation_started)
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            metrics = trainer.callback_metrics.items()
            self._validated_at = trainer.global_step
            self._log(trainer, {k: float(v) for k, v in metrics if k.startswith(MEASURED)})

    def state_dict(self) -> dict[str, Any]:
        return {
            "losses": of_all_processes(float(self._sums.loss)),
            "batches": self._sums.batches,
            "steps": self._sums.steps,
            "tokens_seen": self.tokens_seen,
            "smoothed_loss": self._smoothed_loss.state_dict(),
            "validated_at": self._validated_at,
            "latest": self.latest,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._restored_losses = state["losses"]
        self._sums.batches, self._sums.steps = state["batches"], state["steps"]
        self.tokens_seen = state["tokens_seen"]
        self._smoothed_loss.load_state_dict(state["smoothed_loss"])
        self._validated_at = state["validated_at"]
        self.latest = dict(state["latest"])

    def leave_out(self, seconds: float) -> None:
        """Does not count so much of the time that has passed: it was not spent on training."""
        self._speed.started += seconds

    def _record(self, trainer: pl.Trainer, pl_module: pl.LightningModule, seq_len: int) -> None:
        sums = self._sums
        values = {"learning_rate": sums.learning_rate, "tokens_seen": self.tokens_seen}
        if sums.batches:
            loss = float(trainer.strategy.reduce(sums.loss / sums.batches, reduce_op="mean"))
            values["train_loss"] = loss
            values["train_loss_smoothed"] = self._smoothed_loss.add(loss, sums.steps)
        norm = float(whole(sums.gradient_norm))
        if math.isfinite(norm):
            values["gradient_norm"] = norm
        # Timed after the values above have arrived from the device: the work is done by then.
        seconds = time.perf_counter() - self._speed.started
        values["tokens_per_second"] = self._speed.tokens / seconds
        if self._peak is not None:
            config: Any = pl_module.config
            flops = flops_per_token(config, seq_len) * values["tokens_per_second"]
            values["mfu"] = flops / (self._peak * trainer.world_size)
        waited = seconds_waited(trainer)
        mine = take_peak_memory(trainer.strategy.root_device)
        mine["data_wait"] = (waited - self._speed.waited_before) / seconds
        values |= _largest(trainer, mine)
        self._log(trainer, values)
        self._sums = _Sums()
        self._speed = _Speed(waited)

    def _log(self, trainer: pl.Trainer, values: dict[str, float]) -> None:
        self.latest |= values
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.global_step)


@dataclass
class _Sums:
    """What has come together since the last time, kept in checkpoints but for the last four."""

    loss: Tensor | float = 0.0
    """Of the batches of whole steps, those that were skipped left out."""
    batches: int = 0
    """How many those are."""
    steps: int = 0
    """Skipped ones too."""
    step_loss: Tensor | float = 0.0
    step_batches: int = 0
    gradient_norm: Tensor = field(default_factory=lambda: torch.tensor(math.nan))
    learning_rate: float = math.nan

    def end_step(self, *, counts: bool) -> None:
        """Counts the step, and its batches unless it was skipped.

        A loss that is no number would hide all others.
        """
        self.steps += 1
        if counts:
            self.loss += self.step_loss
            self.batches += self.step_batches
        self.step_loss, self.step_batches = 0.0, 0


@dataclass
class _Speed:
    """What has passed since the last time; not kept in checkpoints, whose time stands still."""

    waited_before: float = 0.0
    tokens: int = 0
    started: float = field(default_factory=time.perf_counter)


class SmoothedValue:
    """An exponential moving average over steps, without the pull to 0 that it would begin with.

    After ``s`` steps of value ``x`` the average is ``a·average + (1 - a)·x`` with ``a = exp(-s /
    steps)``, over the weight that all values have together. What is no number is left out.

    Source: Kingma and Ba 2015, https://arxiv.org/abs/1412.6980, section 3, for the weight

    >>> smoothed = SmoothedValue(steps=10)
    >>> smoothed.add(5.0), round(smoothed.add(5.0, steps=3), 9)
    (5.0, 5.0)
    >>> round(smoothed.add(3.0, steps=4), 3), round(smoothed.add(math.nan), 3)
    (3.803, 3.803)
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._sum = self._weight = 0.0

    def add(self, value: float, steps: int = 1) -> float:
        """Takes in a value that stands for so many steps; gives the average, or nan before one."""
        if math.isfinite(value):
            kept = math.exp(-steps / self.steps)
            self._sum = kept * self._sum + (1 - kept) * value
            self._weight = kept * self._weight + (1 - kept)
        return self._sum / self._weight if self._weight else math.nan

    def state_dict(self) -> dict[str, float]:
        return {"sum": self._sum, "weight": self._weight}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self._sum, self._weight = state["sum"], state["weight"]


def _is_logged(trainer: pl.Trainer, step: int) -> bool:
    every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]  # a connector sets it
    return step % every == 0


def _known_peak(trainer: pl.Trainer) -> float | None:
    device = trainer.strategy.root_device
    if device.type != "cuda":
        return None
    rounded = torch.get_float32_matmul_precision() != "highest"
    name = torch.cuda.get_device_name(device)
    return peak_flops(name, str(trainer.precision), allow_tf32=rounded)


def _largest(trainer: pl.Trainer, values: dict[str, float]) -> dict[str, float]:
    """The largest of each value over all processes: the one that all others wait for."""
    if trainer.world_size == 1:
        return values
    mine = torch.tensor(list(values.values()), device=trainer.strategy.root_device)
    largest = trainer.strategy.reduce(mine, reduce_op="max")
    return dict(zip(values, largest.tolist(), strict=True))
