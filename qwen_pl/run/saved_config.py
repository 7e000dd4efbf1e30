"""Writes the config of a run into its folder, and finds it again."""

import re
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from qwen_pl.files import write_text

_LATER = "config.from-step-{step}.yaml"


class SaveRunConfig(SaveConfigCallback):
    """Writes the whole config into the run's folder: ``config.yaml`` at the start.

    A run that resumes with another config leaves that one beside it, under the step it began at.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, save_to_log_dir=False, **kwargs)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit" and self.config.get("ckpt_path") is None:
            self._save(trainer, 0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.config.get("ckpt_path") is not None and trainer.is_global_zero:
            self._save(trainer, trainer.global_step)  # known only now

    def _save(self, trainer: Trainer, step: int) -> None:
        config = self.config.clone()
        config["ckpt_path"] = None  # how this fit was begun, not how the next one is to be
        text = self.parser.dump(config)
        folder = Path(trainer.checkpoint_callback.dirpath).parent
        for file in _configs(folder):
            if _begins_at(file) > step:  # of steps that are taken again
                file.unlink()
        in_force = config_in_force(folder, step + 1)
        if step == 0 or in_force is None:
            write_text(folder / "config.yaml", text)
        elif in_force.read_text(encoding="utf-8") != text:
            write_text(folder / _LATER.format(step=step), text)


def config_in_force(folder: Path, step: int) -> Path | None:
    """The config that a step of a run, counted from 1, was taken with; None if it is not there."""
    before = (file for file in _configs(folder) if _begins_at(file) < step)
    return max(before, key=_begins_at, default=None)


def _configs(folder: Path) -> list[Path]:
    return [*folder.glob("config.yaml"), *folder.glob(_LATER.format(step="*"))]


def _begins_at(file: Path) -> int:
    match = re.fullmatch(_LATER.format(step=r"(\d+)"), file.name)
    return int(match[1]) if match else 0
