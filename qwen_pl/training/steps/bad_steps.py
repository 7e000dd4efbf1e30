"""Steps that would spoil the weights are skipped, counted, and told with the pages they saw."""

import dataclasses
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from qwen_pl.errors import InputError, TrainingFailed
from qwen_pl.terminal import tell
from qwen_pl.training.checkpoints.checkpoint import newest_checkpoint
from qwen_pl.training.devices.sharding import own_weights, whole
from qwen_pl.training.step_facts import StepFacts
from qwen_pl.training.steps.provenance import SeenBatch, suspects
from qwen_pl.training.training_data import samples_seen

HORIZON = 100
"""Steps that the mean and the deviation look back on, about."""
LEAST_DEVIATION = 0.01
"""As a share of the mean: a loss that has hardly moved for long would else seem to leap."""


class BadSteps(pl.Callback):
    """Skips steps whose loss or gradient is not finite, and tells where the loss leaps.

    A skipped step counts as a step: the schedule goes on and its samples are not seen again. But
    weights, moments and average stay as they were. All processes decide alike, by the mean of
    their losses and the norm of the whole gradient, which the host waits for once a step; clipping
    takes the same norm. With 16-mixed, an infinite gradient of a finite loss is how the scaler
    finds its scale: it skips such steps itself, and they count only once its scale is below 1.

    Logs ``skipped_steps`` and ``loss_spikes``, both counted from the start of the run.

    Args:
        max_in_a_row: After so many skipped steps without another between, the run stops.
        spike_deviations: A loss so many standard deviations above its running mean is told with
            the pages it comes from; null tells none. Nothing is skipped for it.
        spike_warmup_steps: Steps to learn from what is usual, before any loss is told.
        step_facts: Those of the module; the norm of the gradient and what is skipped are told here.

    Raises:
        InputError: If a setting is outside its range.
    """

    def __init__(
        self,
        max_in_a_row: int = 10,
        spike_deviations: float | None = 6.0,
        spike_warmup_steps: int = 20,
        step_facts: StepFacts | None = None,
    ) -> None:
        if max_in_a_row < 1:
            raise InputError(f"bad_steps.max_in_a_row is {max_in_a_row}: it has to be at least 1")
        if spike_deviations is not None and not 0 < spike_deviations < math.inf:
            raise InputError(
                f"bad_steps.spike_deviations is {spike_deviations}: give a number above 0, or null"
            )
        if spike_warmup_steps < 2:
            raise InputError(
                f"bad_steps.spike_warmup_steps is {spike_warmup_steps}: it has to be at least 2"
            )
        self.max_in_a_row = max_in_a_row
        self.spike_deviations = spike_deviations
        self.spike_warmup_steps = spike_warmup_steps
        self.step_facts = step_facts or StepFacts()
        self.skipped_steps = self.in_a_row = self.loss_spikes = 0
        self.usual = UsualLoss()
        self._losses: list[Tensor] = []
        self._batches: list[SeenBatch] = []
        self._has_news = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._losses, self._batches = [], []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._batches.append(SeenBatch(batch, samples_seen(trainer)))

    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor
    ) -> None:
        self._losses.append(loss.detach().float())

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.get_total_norm([g for g in gradients if g is not None])
        self.step_facts.gradient_norm = norm
        # The Trainer has divided each loss by the number of batches, so their sum is the mean.
        loss = trainer.strategy.reduce(torch.stack(self._losses).sum(), reduce_op="mean")
        values = torch.stack([loss, whole(norm).to(loss)]).tolist()  # here the host waits
        self._judge(trainer, optimizer, *values)
        self._losses, self._batches = [], []

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if self._batches:
            return  # gradients are still being accumulated
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]  # a connector sets it
        if self._has_news or trainer.global_step % every == 0:
            counts: dict[str, float] = {
                "skipped_steps": self.skipped_steps,
                "loss_spikes": self.loss_spikes,
            }
            for logger in trainer.loggers:
                logger.log_metrics(counts, step=trainer.global_step)
        self._has_news = False
        if self.in_a_row >= self.max_in_a_row:
            what = f"{self.in_a_row} steps in a row had to be skipped"
            raise _failed(trainer, f"stopped at step {trainer.global_step:,}: {what}")

    def state_dict(self) -> dict[str, Any]:
        return {
            "skipped_steps": self.skipped_steps,
            "in_a_row": self.in_a_row,
            "loss_spikes": self.loss_spikes,
            "usual": dataclasses.asdict(self.usual),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.skipped_steps = state["skipped_steps"]
        self.in_a_row = state["in_a_row"]
        self.loss_spikes = state["loss_spikes"]
        self.usual = UsualLoss(**state["usual"])

    def _judge(
        self, trainer: pl.Trainer, optimizer: torch.optim.Optimizer, loss: float, norm: float
    ) -> None:
        """Skips the step or lets it be, and tells what there is to tell."""
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        scale = 1.0 if scaler is None else scaler.get_scale()
        loss /= scale
        is_good = math.isfinite(loss) and math.isfinite(norm)
        self.step_facts.was_skipped = not is_good
        if is_good:
            self.in_a_row = 0
            self._look_for_spike(trainer, loss)
            return
        optimizer.zero_grad(set_to_none=True)  # without a gradient, an optimizer moves nothing
        if scaler is not None and math.isfinite(loss) and scale >= 1:
            return  # the scaler lowers its scale and goes on
        self.skipped_steps += 1
        self.in_a_row += 1
        what = f"loss is {loss}" if not math.isfinite(loss) else f"gradient norm is {norm}"
        self._tell(trainer, f"skipped, as its {what}", is_spike=False)

    def _look_for_spike(self, trainer: pl.Trainer, loss: float) -> None:
        if self.spike_deviations is None:
            return
        usual, deviations = self.usual, self.usual.deviations(loss)
        if usual.count >= self.spike_warmup_steps and deviations > self.spike_deviations:
            self.loss_spikes += 1
            what = f"has loss {loss:.3f}, {deviations:.1f} deviations above {usual.mean:.3f}"
            self._tell(trainer, what, is_spike=True)
        usual.add(loss, self.spike_deviations)

    def _tell(self, trainer: pl.Trainer, what: str, *, is_spike: bool) -> None:
        """Prints a line with the pages of the samples that are, or may be, to blame."""
        self._has_news = True
        where = suspects(trainer, self._batches, self._losses, is_spike=is_spike)
        if trainer.is_global_zero:
            line = f"step {trainer.global_step + 1:,} {what}" + (f": {where}" if where else "")
            tell(line, file=sys.stderr)


@dataclass
class UsualLoss:
    """Running mean and deviation of the loss, of which leaps move little.

    The first steps count alike, later ones fade: each ``1 / HORIZON`` of what is left. A loss
    farther from the mean than ``most`` deviations counts as if it were that far. So one leap hides
    no other, and a loss that stays where it leapt to is soon the usual one.

    >>> usual = UsualLoss()
    >>> for loss in (4.0, 3.8, 4.2, 3.9, 4.1):
    ...     usual.add(loss, most=6)
    >>> round(usual.mean, 2), round(usual.deviation, 3), round(usual.deviations(5.0), 1)
    (4.0, 0.141, 7.1)
    """

    mean: float = 0.0
    variance: float = 0.0
    count: int = 0

    @property
    def deviation(self) -> float:
        """The standard deviation, but at least a hundredth of the mean."""
        return max(math.sqrt(self.variance), LEAST_DEVIATION * abs(self.mean))

    def deviations(self, loss: float) -> float:
        """How many deviations a loss lies above the mean."""
        return (loss - self.mean) / self.deviation if self.count else 0.0

    def add(self, loss: float, most: float) -> None:
        """Counts the loss of a step, if it is a number."""
        if not math.isfinite(loss):
            return
        if self.count > 1:
            reach = most * self.deviation
            loss = min(max(loss, self.mean - reach), self.mean + reach)
        self.count += 1
        share = max(1 / self.count, 1 / HORIZON)
        difference = loss - self.mean
        self.mean += share * difference
        self.variance = (1 - share) * (self.variance + share * difference**2)


def check_weights(trainer: pl.Trainer) -> None:
    """Keeps weights that are spoilt from being saved, and the run from going on with them.

    Raises:
        TrainingFailed: If a weight is not finite.
    """
    weights = [parameter for _, parameter in own_weights(trainer.lightning_module)]
    norm = torch.nn.utils.get_total_norm(weights)
    if not math.isfinite(whole(norm).item()):
        raise _failed(trainer, f"the weights of step {trainer.global_step:,} are not finite")


def _failed(trainer: pl.Trainer, what: str) -> BaseException:
    """What ends the run: with the checkpoint to go on from, said once by all processes."""
    message = f"{what}{_way_on(trainer)}" if trainer.is_global_zero else ""
    trainer.strategy.barrier()  # a process that ended sooner would take the others with it
    return TrainingFailed(message) if trainer.is_global_zero else SystemExit(1)


def _way_on(trainer: pl.Trainer) -> str:
    # Ours stands behind those of the user; there may be none.
    callbacks = reversed(trainer.checkpoint_callbacks)
    folder = next((c.dirpath for c in callbacks if hasattr(c, "dirpath")), None)
    try:
        kept = None if folder is None else newest_checkpoint(Path(folder).parent)
    except InputError:
        kept = None
    if kept is None:
        return ", and no checkpoint was saved before: lower model.lr"
    return (
        f"; the last good checkpoint is {kept}: lower model.lr, or leave out what spoils it, and "
        "go on with --ckpt_path last"
    )
