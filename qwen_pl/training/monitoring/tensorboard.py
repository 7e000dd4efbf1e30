"""What TensorBoard alone shows: which curves stand together, and histograms where asked for."""

import sys
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from qwen_pl.terminal import tell
from qwen_pl.training.devices.sharding import whole

BINS = 64

# On one page what belongs together. Names are patterns, and one that is not ended would take in
# longer ones too.
LAYOUT = {
    "learning": {
        "loss": ["Multiline", [r"train_loss$", r"train_loss_smoothed$", r"val_loss$"]],
        "bits per byte": ["Multiline", [r"val_bits_per_byte$", r"reference_bits_per_byte$"]],
        "gradient norm": ["Multiline", [r"gradient_norm$"]],
        "learning rate": ["Multiline", [r"learning_rate$"]],
    },
    "machine": {
        "tokens per second": ["Multiline", [r"tokens_per_second$"]],
        "shares": ["Multiline", [r"mfu$", r"data_wait$", r"device_memory_share$"]],
        "memory in GB": ["Multiline", [r"device_memory_gb$"]],
    },
}


class Histograms(pl.Callback):
    """Logs how the numbers of each tensor are spread, every so many steps.

    Gradients are those of the step, before clipping; weights are those it led to. Loggers other
    than TensorBoard have no histograms that Lightning would know of.
    """

    def __init__(self, every_n_steps: int) -> None:
        self.every_n_steps = every_n_steps
        self._last_step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._last_step = trainer.global_step
        has_place = any(isinstance(logger, TensorBoardLogger) for logger in trainer.loggers)
        if not has_place and trainer.is_global_zero:
            message = "curves.histograms_every_n_steps: only TensorBoard shows histograms"
            tell(message, file=sys.stderr)

    def on_before_optimizer_step(self, trainer: pl.Trainer, *args: Any) -> None:
        if (step := trainer.global_step + 1) % self.every_n_steps == 0:
            for name, parameter in trainer.lightning_module.named_parameters():
                if parameter.grad is not None:
                    self._log(trainer, "gradients", name, parameter.grad, step)

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        step = trainer.global_step
        if step == self._last_step:
            return  # gradients are still being accumulated
        self._last_step = step
        if step % self.every_n_steps == 0:
            for name, parameter in trainer.lightning_module.named_parameters():
                self._log(trainer, "weights", name, parameter.detach(), step)

    def _log(self, trainer: pl.Trainer, kind: str, name: str, tensor: Tensor, step: int) -> None:
        tensor = whole(tensor)  # which takes all processes, where it is sharded
        name = f"{kind}/{name.removeprefix('model.').removeprefix('model.')}"
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
                logger.experiment.add_histogram_raw(name, **histogram(tensor), global_step=step)


def histogram(tensor: Tensor) -> dict[str, object]:
    """What ``SummaryWriter.add_histogram_raw`` takes, counted on the device; ``BINS`` equal bins.

    Numbers that are infinite or none are left out.

    >>> counted = histogram(torch.tensor([0.0, 1.0, 1.0, float("nan")]))
    >>> counted["num"], counted["min"], counted["max"], counted["bucket_counts"][-1]
    (3, 0.0, 1.0, 2.0)
    """
    values = tensor.float().flatten()
    values = values[values.isfinite()]
    if not len(values):
        values = values.new_zeros(1)
    low, high = (value.item() for value in values.aminmax())
    width = (high - low) / BINS or max(abs(low), 1.0) * 1e-6
    first = low if high > low else low - width * BINS / 2
    counts = torch.histc(values, BINS, min=first, max=first + width * BINS)
    return {
        "min": low,
        "max": high,
        "num": len(values),
        "sum": values.sum().item(),
        "sum_squares": values.square().sum().item(),
        "bucket_limits": [first + width * (index + 1) for index in range(BINS)],
        "bucket_counts": counts.tolist(),
    }
