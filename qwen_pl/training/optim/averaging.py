"""An average of the weights over the steps, which is measured, kept as the best, and written with.

Lightning has a callback for it that does not serve here: it refuses sharded weights, copies the
whole module, and where ``best.ckpt`` is saved it has put back the weights that were not measured.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from qwen_pl.errors import InputError
from qwen_pl.terminal import tell
from qwen_pl.training.checkpoints.checkpoint import AVERAGED
from qwen_pl.training.devices.sharding import own_weights, sharded_like, whole
from qwen_pl.training.step_facts import StepFacts


class WeightAveraging(pl.Callback):
    """Keeps an exponential moving average of the weights: ``average ← d average + (1 - d) weight``.

    Validation measures the average, and the verbs that use a checkpoint take it. Training goes on
    with the weights themselves. After ``n`` steps ``d`` is ``(1 + n) / (10 + n)`` until that is
    ``decay``, so that the random weights of the start are forgotten soon.

    The average is float32 whatever the weights are, since small steps would vanish in bfloat16, and
    sharded where they are. A step that was skipped does not count.

    Source: Polyak and Juditsky 1992, https://doi.org/10.1137/0330046; in this form, with the rising
    decay: TensorFlow's ``ExponentialMovingAverage``

    Args:
        decay: Share of the average that a step keeps, in [0, 1): 0.999 averages over about the last
            thousand steps. By default nothing is averaged.
        step_facts: Those of the module; whether the network holds the average is told here.

    Raises:
        InputError: If the decay is outside its range.
    """

    def __init__(self, decay: float | None = None, step_facts: StepFacts | None = None) -> None:
        if decay is not None and not 0 <= decay < 1:
            raise InputError(f"weight_averaging.decay is {decay}: it has to be in [0, 1)")
        self.decay = decay
        self.step_facts = step_facts or StepFacts()
        self._averages: list[Tensor] | None = None
        self._updates = self._last_step = 0
        self._restored: dict[str, Tensor] | None = None
        self._trained: list[Tensor] | None = None
        """The network's own weights, while it holds the average."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._last_step = trainer.global_step
        if self.decay is None:
            return
        restored, self._restored = self._restored, None
        if restored is None:
            self._updates = 0
            if trainer.global_step and trainer.is_global_zero:
                tell(f"weights are averaged from step {trainer.global_step} on", file=sys.stderr)
        self._averages = [
            parameter.detach().clone().float()
            if restored is None
            else sharded_like(restored[name], parameter)
            for name, parameter in own_weights(pl_module)
        ]

    @torch.no_grad()
    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if self.decay is None or self._averages is None or trainer.global_step == self._last_step:
            return
        self._last_step = trainer.global_step
        if self.step_facts.was_skipped:
            return
        decay = min(self.decay, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        named = own_weights(trainer.lightning_module)
        weights = [parameter.detach().float() for _, parameter in named]
        torch._foreach_lerp_(self._averages, weights, 1 - decay)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.show(pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.hide(pl_module)

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self._updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._updates = state["updates"]

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self._averages is None:
            return
        averages: dict[str, Tensor] = {}
        for (name, _), average in zip(own_weights(pl_module), self._averages, strict=True):
            average = whole(average)  # every process takes part, the first one keeps it
            if trainer.is_global_zero:
                averages[name] = average.cpu()
        checkpoint[AVERAGED] = averages

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        averages = checkpoint.get(AVERAGED)
        if trainer.state.fn == "fit":
            self._restored = averages if self.decay is not None else None
        elif averages is not None:
            with torch.no_grad():
                for name, parameter in own_weights(pl_module):
                    parameter.copy_(sharded_like(averages[name], parameter))

    @torch.no_grad()
    def show(self, pl_module: pl.LightningModule) -> None:
        """Puts the average into the network, if there is one and it is not there already."""
        if self._averages is None or self._trained is not None:
            return
        parameters = [parameter for _, parameter in own_weights(pl_module)]
        self._trained = [parameter.detach().clone() for parameter in parameters]
        for parameter, average in zip(parameters, self._averages, strict=True):
            parameter.copy_(average)
        self.step_facts.is_averaged = True

    @torch.no_grad()
    def hide(self, pl_module: pl.LightningModule) -> None:
        """Gives the network its own weights back."""
        if self._trained is None:
            return
        for (_, parameter), weight in zip(own_weights(pl_module), self._trained, strict=True):
            parameter.copy_(weight)
        self._trained = None
        self.step_facts.is_averaged = False

    @contextmanager
    def shown(self, pl_module: pl.LightningModule) -> Iterator[None]:
        """While it lasts, the network holds the average, where one is kept; then what it held."""
        was_shown = self._trained is not None
        self.show(pl_module)
        try:
            yield
        finally:
            if not was_shown:
                self.hide(pl_module)
