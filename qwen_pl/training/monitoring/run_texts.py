"""Keeps beside the curves what they were made of: the config of the run and its corpus."""

from typing import Any

import lightning.pytorch as pl
import yaml
from lightning.pytorch.loggers import TensorBoardLogger

from qwen_pl.training.monitoring.layout import log_layout
from qwen_pl.training.monitoring.texts import log_text


class RunTexts(pl.Callback):
    """Logs the whole config and the report on the corpus, and again where a resume changes them.

    Args:
        config: As plain data, without what changes from one resume to the next.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = yaml.safe_dump(config, sort_keys=False)
        self._logged: dict[str, str] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        if not self._logged:
            for logger in trainer.loggers:
                if isinstance(logger, TensorBoardLogger):
                    log_layout(logger)
        texts = {"config": f"```yaml\n{self.config}```", "corpus": trainer.datamodule.describe()}
        for name, text in texts.items():
            if text == self._logged.get(name):
                continue
            for logger in trainer.loggers:
                # From the next step on it holds, and should that be taken back, the text is too.
                log_text(logger, name, text, trainer.global_step + 1)
        self._logged = texts

    def state_dict(self) -> dict[str, str]:
        return self._logged

    def load_state_dict(self, state: dict[str, str]) -> None:
        self._logged = dict(state)
