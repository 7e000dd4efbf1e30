"""Texts beside the curves: what a run is made of, and how any text gets to the loggers."""

from typing import Any

import lightning.pytorch as pl
import yaml
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from qwen_pl.training.monitoring.tensorboard import log_layout
from qwen_pl.training.training_data import training_data


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
        corpus = training_data(trainer).describe()
        texts = {"config": f"```yaml\n{self.config}```", "corpus": corpus}
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


def log_text(logger: Logger, name: str, markdown: str, step: int) -> None:
    """Logs a text to TensorBoard, W&B or MLflow; loggers that know only numbers are left alone."""
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_text(name, markdown, step)
    elif isinstance(logger, WandbLogger):
        row: list[Any] = [step, markdown]
        logger.log_text(name, columns=["step", "text"], data=[row], step=step)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_text(logger.run_id, markdown, f"{name}/step={step:08d}.md")


def plain(text: str) -> str:
    """Markdown that shows ``text`` as it is, line by line.

    >>> plain("# a *b*")
    '\\\\# a \\\\*b\\\\*'
    """
    for mark in "\\`*_{}[]()<>#+-!|~&$":
        text = text.replace(mark, f"\\{mark}" if mark not in "<>&" else _ENTITIES[mark])
    return text.replace("\n", "  \n")


_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
