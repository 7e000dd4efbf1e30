"""Writes the config of a run into its folder."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from qwen_pl.files import write_text
from qwen_pl.training.checkpoint import step_of


class SaveRunConfig(SaveConfigCallback):
    """Writes the whole config into the run's folder: ``config.yaml`` at the start.

    A run that resumes with another config leaves that one beside it, under the step it began at.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, save_to_log_dir=False, **kwargs)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        text = self.parser.dump(self.config)
        folder = Path(trainer.checkpoint_callback.dirpath).parent
        first = folder / "config.yaml"
        resumed_at = self.config.get("ckpt_path")
        if resumed_at is None:
            write_text(first, text)
        elif not first.is_file() or first.read_text(encoding="utf-8") != text:
            write_text(folder / f"config.from-step-{step_of(Path(resumed_at))}.yaml", text)
