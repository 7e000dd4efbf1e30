"""Measures training as it goes: loss, learning rate, gradient norm and tokens per second."""

import time
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor


class TrainingCurves(pl.Callback):
    """Logs every ``log_every_n_steps`` steps, from a callback, since logging in each step is slow.

    ``train_loss`` is the mean over the batches since the last time. ``gradient_norm`` is that of
    the last step, before clipping. ``tokens_per_second`` counts all processes and leaves out the
    time that validation took.
    """

    def __init__(self) -> None:
        self.latest: dict[str, float] = {}
        """The values of the last time, for whoever shows them."""
        self._last_step = 0
        self._start_over()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._last_step = trainer.global_step
        self._start_over()

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if (trainer.global_step + 1) % trainer.log_every_n_steps == 0:
            gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
            self._gradient_norm = torch.nn.utils.get_total_norm(gradients)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: dict[str, Any],
        batch: dict[str, Tensor],
        batch_idx: int,
    ) -> None:
        # Lightning has divided the loss, so that the gradients of accumulated batches average.
        self._loss += outputs["loss"].detach().float() * trainer.accumulate_grad_batches
        self._batches += 1
        self._tokens += batch["labels"].numel()
        if trainer.global_step == self._last_step:
            return  # gradients are still being accumulated
        self._last_step = trainer.global_step
        if trainer.global_step % trainer.log_every_n_steps == 0:
            self._record(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validation_started = time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started += time.perf_counter() - self._validation_started
        if not trainer.sanity_checking:
            metrics = trainer.callback_metrics.items()
            measured = ("val_", "reference_")
            values = {name: float(value) for name, value in metrics if name.startswith(measured)}
            self._log(trainer, values)

    def _record(self, trainer: pl.Trainer) -> None:
        loss = trainer.strategy.reduce(self._loss / self._batches, reduce_op="mean")
        norm = self._gradient_norm
        norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # a sharded one
        self.latest = {
            "train_loss": float(loss),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "gradient_norm": float(norm),
        }
        # Timed after the values above have arrived from the device: the work is done by then.
        seconds = time.perf_counter() - self._started
        self.latest["tokens_per_second"] = self._tokens * trainer.world_size / seconds
        self._log(trainer, self.latest)
        self._start_over()

    def _log(self, trainer: pl.Trainer, values: dict[str, float]) -> None:
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.global_step)

    def _start_over(self) -> None:
        self._loss: Tensor | float = 0.0
        self._gradient_norm = torch.tensor(float("nan"))
        self._batches = 0
        self._tokens = 0
        self._started = time.perf_counter()
