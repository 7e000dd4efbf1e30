"""Loggers that a config names: where they write, and how they go on when a run resumes."""

import csv
import inspect
import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from qwen_pl.errors import InputError
from qwen_pl.files import whole_file, write_text

IDS = "loggers.json"
"""In a run's folder: under which ids services know the run, so that it goes on there."""

_ID_SETTINGS = {WandbLogger: "id", MLFlowLogger: "run_id"}


def let_folder_open() -> None:
    """Lets a config name a logger of files without its folder: ours is the run's then."""
    for kind in (CSVLogger, TensorBoardLogger):
        defaults = kind.__init__.__defaults__
        if inspect.signature(kind).parameters["save_dir"].default is inspect.Parameter.empty:
            kind.__init__.__defaults__ = ("", *defaults)


def make_logger(
    class_path: str, settings: dict[str, Any], run_dir: Path, resumed_at: int | None
) -> Logger:
    """A logger with what the user has set, and with what a run has to say to the rest.

    Args:
        class_path: Such as ``lightning.pytorch.loggers.CSVLogger``.
        settings: Arguments of the class, those that were left at their defaults too.
        run_dir: The folder of the run, which is also its name.
        resumed_at: The step of the checkpoint that the run resumes from; None for a new one.

    Raises:
        InputError: If the logger refuses its settings.
        ModuleNotFoundError: If it needs a package that is not installed.
    """
    module, _, name = class_path.rpartition(".")
    kind = getattr(import_module(module), name)
    defaults = {key: p.default for key, p in inspect.signature(kind).parameters.items()}
    for key, value in _of_run(kind, run_dir, resumed_at).items():
        if key not in settings or settings[key] == defaults.get(key):  # left open
            settings = settings | {key: value}
    try:
        logger = kind(**settings)
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"trainer.logger {name}: {reason}") from None
    return logger


def place_of(logger: Logger) -> str:
    """Where a logger's curves can be looked at."""
    if isinstance(logger, TensorBoardLogger):
        return f"tensorboard --logdir {Path(logger.log_dir).parent}"
    if isinstance(logger, CSVLogger):
        return str(Path(logger.log_dir) / ExperimentWriter.NAME_METRICS_FILE)
    if isinstance(logger, MLFlowLogger):
        return f"mlflow ui --backend-store-uri {logger._tracking_uri}"
    return f"{type(logger).__name__} {logger.name}/{logger.version}"


def begin(loggers: Sequence[Logger], run_dir: Path) -> None:
    """Lets tables go on, and services begin, whose ids are kept; for the first process only.

    Raises:
        InputError: If a service cannot be reached or does not accept the run.
    """
    for logger in loggers:
        if isinstance(logger, CSVLogger):
            logger._experiment = ContinuedRows(logger.log_dir)
    known = [logger for logger in loggers if type(logger) in _ID_SETTINGS]
    for logger in known:
        try:
            logger.experiment  # noqa: B018 (begins when it is asked for)
        except Exception as error:  # of many kinds, by the service
            reason = " ".join(str(error).split())
            raise InputError(f"trainer.logger {type(logger).__name__}: {reason}") from None
    if known:
        ids = {type(logger).__name__: logger.version for logger in known}
        write_text(run_dir / IDS, json.dumps(ids))


class ContinuedRows(ExperimentWriter):
    """Goes on with the rows of a CSV file, which Lightning would delete."""

    def _check_log_dir_exists(self) -> None:
        path = Path(self.metrics_file_path)
        if path.is_file():
            _, self.metrics_keys = read_rows(path)

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        path = Path(self.metrics_file_path)
        write_rows(path, read_rows(path)[0], fieldnames)


def _of_run(kind: type[Logger], run_dir: Path, resumed_at: int | None) -> dict[str, Any]:
    """What a run gives to a logger that leaves it open."""
    name, folder = run_dir.name, run_dir.parent
    if issubclass(kind, (CSVLogger, TensorBoardLogger)):
        own: dict[str, Any] = {"save_dir": str(folder.parent), "name": folder.name, "version": name}
        if issubclass(kind, CSVLogger):
            return own | {"flush_logs_every_n_steps": 1}  # it looks at steps that are never logged
        # Steps that were logged here before and are now taken again would show twice.
        purge_step = 0 if resumed_at is None else resumed_at + 1
        return own | {"default_hp_metric": False, "purge_step": purge_step}
    if kind in _ID_SETTINGS:
        own = {"save_dir": str(run_dir), "name": name}
        if issubclass(kind, MLFlowLogger):
            # A folder of files, Lightning's default, is refused by MLflow 3.
            database = f"sqlite:///{(run_dir / 'mlflow.db').as_posix()}"
            own = {"tracking_uri": os.environ.get("MLFLOW_TRACKING_URI", database)}
            own |= {
                "run_name": name,
                "artifact_location": (run_dir / "artifacts").resolve().as_uri(),
            }
        known = None if resumed_at is None else _known_ids(run_dir).get(kind.__name__)
        return own | {_ID_SETTINGS[kind]: known}
    return {}


def _known_ids(run_dir: Path) -> dict[str, str]:
    try:
        return json.loads((run_dir / IDS).read_bytes())
    except (OSError, ValueError):
        return {}


def read_rows(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of a logger's CSV file, and the names of its columns."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        return list(reader), [*(reader.fieldnames or ())]


def write_rows(path: Path, rows: Sequence[dict[str, str]], names: Sequence[str]) -> None:
    """Writes a logger's CSV file anew, whole or not at all."""
    lines: list[str] = []

    class Lines:
        write = staticmethod(lines.append)

    writer = csv.DictWriter(Lines, names, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    with whole_file(path) as file:
        file.write("".join(lines).encode())
