"""Measures published weights before they learn anything, so that forgetting has its zero."""

import sys
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities.seed import isolate_rng

from qwen_pl.training.resume.validating import validate_now
from qwen_pl.training.training_data import data_or_none


class MeasuredStart(pl.Callback):
    """Validates before the first step of a run that starts from pretrained weights.

    Only where there is a reference text to forget. The values are logged under step 0, as those of
    any other validation, and kept in the checkpoints.
    """

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._reference: str | None = None

    def values(self, trainer: pl.Trainer) -> dict[str, float]:
        """What was measured before the first step, by metric.

        Less what was measured on another reference text than there is now.
        """
        if self._reference == _fingerprint(trainer):
            return self._values
        return {k: v for k, v in self._values.items() if not k.startswith("reference_")}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        reference = _fingerprint(trainer)
        if reference is None:
            return
        if trainer.global_step == 0 and pl_module.from_pretrained is not None:
            self._measure(trainer)
            self._reference = reference
        elif self._values and self._reference != reference and trainer.is_global_zero:
            print(
                "data.reference_text is not the one that this run began with: what the weights "
                "knew of it before training is not known",
                file=sys.stderr,
            )

    def state_dict(self) -> dict[str, Any]:
        return {"reference": self._reference, "values": self._values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._reference, self._values = state["reference"], state["values"]

    def _measure(self, trainer: pl.Trainer) -> None:
        with isolate_rng():  # a run trains the same, whether it is measured or not
            validate_now(trainer)
        self._values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        bits = [f"{name} {value:.4f}" for name, value in self._values.items() if "bits" in name]
        if trainer.is_global_zero:
            print(f"before training: {', '.join(bits)}", file=sys.stderr)


def _fingerprint(trainer: pl.Trainer) -> str | None:
    """That of the reference text, if there is one."""
    data = data_or_none(trainer)
    return None if data is None else data.reference_fingerprint
