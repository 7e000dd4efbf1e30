"""Writes down which samples the steps of a fit see, so that any of them can be looked up."""

import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from qwen_pl.files import set_aside, sha256
from qwen_pl.seals import Damaged
from qwen_pl.terminal import tell
from qwen_pl.training.steps.ledger import Stretch, append_end, append_stretch, read_ledger
from qwen_pl.training.training_data import samples_seen, training_data


class SampleLedger(pl.Callback):
    """Appends a line where a fit begins, one where it ends, and one where a step is no like others.

    The last is for Trainer settings that end an epoch before enough batches are accumulated.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._per_step = self._seen = self._last_step = 0
        self._has_begun = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._last_step, self._seen = trainer.global_step, samples_seen(trainer)
        batch_size = training_data(trainer).settings.batch_size
        self._per_step = batch_size * trainer.world_size * trainer.accumulate_grad_batches
        if trainer.is_global_zero and self.path.exists():
            self._set_damaged_aside(trainer.global_step)
        self._append(trainer)
        self._has_begun = True

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.global_step == self._last_step:
            return  # gradients are still being accumulated
        seen = samples_seen(trainer)
        if seen - self._seen != self._per_step:
            self._per_step = seen - self._seen
            self._append(trainer)
        self._last_step, self._seen = trainer.global_step, seen

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._end(trainer)

    def on_exception(self, trainer: pl.Trainer, *args: Any) -> None:
        self._end(trainer)

    def _set_damaged_aside(self, step: int) -> None:
        """Lets the ledger begin anew where it is damaged: what steps see from here on is known."""
        try:
            read_ledger(self.path)
        except Damaged as damage:
            place = set_aside(self.path)
            tell(
                f"{damage.path} {damage.why}: moved to {place}, and what the steps up to {step:,} "
                "saw is not known any more",
                file=sys.stderr,
            )

    def _append(self, trainer: pl.Trainer) -> None:
        """Notes the steps after the last one that was noted."""
        if not trainer.is_global_zero:
            return
        data = training_data(trainer)
        stretch = Stretch(
            from_step=self._last_step,
            to_step=trainer.max_steps,
            samples_seen=self._seen,
            samples_per_step=self._per_step,
            seq_len=data.settings.seq_len,
            stride=data.settings.stride,
            seed=data.settings.seed,
            tokens=str(data.tokens.folder),
            tokens_fingerprint=data.tokens.fingerprint,
            tokenizer=str(data.tokenizer_dir),
            tokenizer_sha256=sha256(data.tokenizer_dir / "tokenizer.json"),
        )
        append_stretch(self.path, stretch)

    def _end(self, trainer: pl.Trainer) -> None:
        """Notes how far the run came: a step that failed has been begun, and is looked for most."""
        if self._has_begun and trainer.is_global_zero:
            append_end(self.path, self._last_step + (samples_seen(trainer) > self._seen))
        self._has_begun = False
