"""Lets a run go on with batches accumulated otherwise than before."""

from typing import Any

import lightning.pytorch as pl


class ElasticAccumulation(pl.Callback):
    """Counts the batches of a checkpoint as if they had been accumulated as they are now.

    The Trainer steps when the number of batches since the start is a multiple of
    ``accumulate_grad_batches``, and validates by the same number. Left as it is, the first step
    after a change would take fewer batches than the others, and validations would move.
    """

    _accumulated = 1

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._accumulated = trainer.accumulate_grad_batches

    def state_dict(self) -> dict[str, Any]:
        return {"accumulate_grad_batches": self._accumulated}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn != "fit":
            return
        batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        state = checkpoint.get("callbacks", {}).get(self.state_key, {})
        # Those written before this was kept had no epochs that could cut a step short.
        per_step = batches["total"]["processed"] // max(1, checkpoint["global_step"])
        before = state.get("accumulate_grad_batches", per_step) or 1
        if before != trainer.accumulate_grad_batches:
            for counts in (batches["total"], batches["current"]):
                # Those of whole steps are counted anew, those under way keep their distance.
                steps = -(-counts["processed"] // before)
                moved = steps * trainer.accumulate_grad_batches - counts["processed"]
                for name in counts:
                    counts[name] += moved
