"""The loggers of a run: those that its config names, taken back to where it goes on from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch.loggers import Logger

from qwen_pl.training.checkpoints.checkpoint import step_of
from qwen_pl.training.monitoring.loggers import make_logger
from qwen_pl.training.monitoring.rewind import has_validated, rewind

TENSORBOARD = "lightning.pytorch.loggers.TensorBoardLogger"


def run_loggers(given: Any, run_dir: Path, resumed_from: str | None) -> list[Logger]:
    """Those that ``trainer.logger`` names, or TensorBoard; each writes into the run's folder."""
    if given is False:
        return []
    if given in (None, True):
        given = Namespace(class_path=TENSORBOARD)
    resumed_at = step_of(Path(resumed_from)) if resumed_from else None
    loggers = []
    for one in given if isinstance(given, list | tuple) else [given]:
        settings = {**(one.get("init_args") or {}), **(one.get("dict_kwargs") or {})}
        loggers.append(make_logger(one.class_path, settings, run_dir, resumed_at))
    return loggers


def rewind_loggers(loggers: Sequence[Logger], run_dir: Path, resumed_from: str | None) -> None:
    """Takes back what was logged after the step that the run goes on from."""
    step, validated = -1, True
    if resumed_from:
        step = step_of(Path(resumed_from))
        validated = has_validated(Path(resumed_from), step)
    for logger in loggers:
        is_own = logger.log_dir is not None and Path(logger.log_dir) == run_dir
        if resumed_from or is_own:  # other folders may hold what another run has logged
            rewind(logger, step, validated=validated)
