"""Measures training as it goes: loss, learning rate, gradients, speed, memory and waiting."""

import math
import time
from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist
from torch import Tensor

from qwen_pl.errors import InputError
from qwen_pl.training.devices.dtensors import whole
from qwen_pl.training.monitoring.flops import flops_per_token
from qwen_pl.training.monitoring.memory_use import take_peak_memory
from qwen_pl.training.monitoring.peaks import peak_flops
from qwen_pl.training.monitoring.smoothing import SmoothedValue

MEASURED = ("val_", "reference_")
"""How the names begin of what validation measures and the curves take to the loggers."""


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

    Raises:
        InputError: If a setting is outside its range.
    """

    def __init__(
        self,
        smoothing_steps: int = 100,
        peak_flops: float | None = None,
        histograms_every_n_steps: int = 0,
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
        self.latest: dict[str, float] = {}
        """The newest value of each curve, for whoever shows them."""
        self.tokens_seen = 0
        self._smoothed_loss = SmoothedValue(smoothing_steps)
        self._restored_losses: list[float] = []
        self._last_step = 0
        self._validated_at = 0
        self._speed = _Speed()
        self._start_over()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._last_step = trainer.global_step
        if losses := self._restored_losses:
            alike = len(losses) == trainer.world_size
            self._loss = losses[trainer.global_rank] if alike else sum(losses) / len(losses)
        self._peak = self.peak_flops or _known_peak(trainer)
        take_peak_memory(trainer.strategy.root_device)  # from here on it is the training's
        self._speed = _Speed(_seconds_waited(trainer))

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if (trainer.global_step + 1) % trainer.log_every_n_steps == 0:
            norm = pl_module.gradient_norm  # computed already, to see that it is finite
            if norm is None:
                gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
                norm = torch.nn.utils.get_total_norm(gradients)
            self._gradient_norm = norm
            # After the step the schedule has moved on to the next one's.
            self._learning_rate = optimizer.param_groups[0]["lr"]

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: dict[str, Any],
        batch: dict[str, Tensor],
        batch_idx: int,
    ) -> None:
        # Lightning has divided the loss, so that the gradients of accumulated batches average.
        self._step_loss += outputs["loss"].detach().float() * trainer.accumulate_grad_batches
        self._step_batches += 1
        tokens = batch["labels"].numel() * trainer.world_size
        self._speed.tokens += tokens
        self.tokens_seen += tokens
        step = trainer.global_step
        if step == self._last_step:
            return  # gradients are still being accumulated
        self._last_step = step
        self._steps += 1
        if not pl_module.was_skipped:  # a loss that is no number would hide all others
            self._loss += self._step_loss
            self._batches += self._step_batches
        self._step_loss, self._step_batches = 0.0, 0
        if step % trainer.log_every_n_steps == 0:
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
        losses: list[Any] = [float(self._loss)]
        if dist.is_available() and dist.is_initialized():
            losses = [None] * dist.get_world_size()
            dist.all_gather_object(losses, float(self._loss))
        return {
            "losses": losses,
            "batches": self._batches,
            "steps": self._steps,
            "tokens_seen": self.tokens_seen,
            "smoothed_loss": self._smoothed_loss.state_dict(),
            "validated_at": self._validated_at,
            "latest": self.latest,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._restored_losses = state["losses"]
        self._batches, self._steps = state["batches"], state["steps"]
        self.tokens_seen = state["tokens_seen"]
        self._smoothed_loss.load_state_dict(state["smoothed_loss"])
        self._validated_at = state["validated_at"]
        self.latest = dict(state["latest"])

    def leave_out(self, seconds: float) -> None:
        """Does not count so much of the time that has passed: it was not spent on training."""
        self._speed.started += seconds

    def _record(self, trainer: pl.Trainer, pl_module: pl.LightningModule, seq_len: int) -> None:
        values = {"learning_rate": self._learning_rate, "tokens_seen": self.tokens_seen}
        if self._batches:
            loss = float(trainer.strategy.reduce(self._loss / self._batches, reduce_op="mean"))
            values["train_loss"] = loss
            values["train_loss_smoothed"] = self._smoothed_loss.add(loss, self._steps)
        norm = float(whole(self._gradient_norm))
        if math.isfinite(norm):
            values["gradient_norm"] = norm
        # Timed after the values above have arrived from the device: the work is done by then.
        seconds = time.perf_counter() - self._speed.started
        values["tokens_per_second"] = self._speed.tokens / seconds
        if self._peak is not None:
            flops = flops_per_token(pl_module.config, seq_len) * values["tokens_per_second"]
            values["mfu"] = flops / (self._peak * trainer.world_size)
        waited = _seconds_waited(trainer)
        values |= _of_all(
            trainer,
            take_peak_memory(trainer.strategy.root_device)
            | {"data_wait": (waited - self._speed.waited_before) / seconds},
        )
        self._log(trainer, values)
        self._start_over()
        self._speed = _Speed(waited)

    def _log(self, trainer: pl.Trainer, values: dict[str, float]) -> None:
        self.latest |= values
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.global_step)

    def _start_over(self) -> None:
        self._loss: Tensor | float = 0.0
        self._gradient_norm = torch.tensor(math.nan)
        self._learning_rate = math.nan
        self._batches = 0
        self._steps = 0
        self._step_loss: Tensor | float = 0.0
        self._step_batches = 0


class _Speed:
    """What has passed since the last time; not kept in checkpoints, whose time stands still."""

    def __init__(self, waited_before: float = 0.0) -> None:
        self.tokens = 0
        self.started = time.perf_counter()
        self.waited_before = waited_before


def _known_peak(trainer: pl.Trainer) -> float | None:
    device = trainer.strategy.root_device
    if device.type != "cuda":
        return None
    rounded = torch.get_float32_matmul_precision() != "highest"
    name = torch.cuda.get_device_name(device)
    return peak_flops(name, str(trainer.precision), allow_tf32=rounded)


def _seconds_waited(trainer: pl.Trainer) -> float:
    """Seconds that this process has waited for batches; 0 of a loader that does not count them."""
    return getattr(trainer.train_dataloader, "seconds_waited", 0.0)


def _of_all(trainer: pl.Trainer, values: dict[str, float]) -> dict[str, float]:
    """The largest of each value over all processes: the one that all others wait for."""
    if trainer.world_size == 1:
        return values
    mine = torch.tensor(list(values.values()), device=trainer.strategy.root_device)
    largest = trainer.strategy.reduce(mine, reduce_op="max")
    return dict(zip(values, largest.tolist(), strict=True))
