"""Loggers that a config names: where they write, and how they go on when a run resumes."""

import contextlib
import csv
import inspect
import io
import json
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from lightning.pytorch.core.saving import save_hparams_to_yaml
from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from lightning.pytorch.loggers.logger import rank_zero_experiment
from torch import Tensor

from qwen_pl.errors import InputError
from qwen_pl.files import write_text
from qwen_pl.private import public_address

IDS = "loggers.json"
"""In a run's folder: under which ids services know the run, so that it goes on there."""

TABLE = "metrics.csv"
"""In the folder of a ``CSVLogger``."""

_ID_SETTINGS = {WandbLogger: "id", MLFlowLogger: "run_id"}


def run_loggers(given: Any, run_dir: Path, resumed_at: int | None) -> list[Logger]:
    """The loggers of a run, each of which writes into its folder where nothing else is said.

    Args:
        given: What ``trainer.logger`` says: false for none, what jsonargparse knows of one or of
            several, or nothing for TensorBoard.
        resumed_at: The step of the checkpoint that the run resumes from; None for a new one.

    Raises:
        InputError: If a logger refuses its settings.
        ModuleNotFoundError: If it needs a package that is not installed.
    """
    if given is False:
        return []
    if given in (None, True):
        return [make_logger(TensorBoardLogger, {}, run_dir, resumed_at)]
    loggers = []
    for one in given if isinstance(given, list | tuple) else [given]:
        module, _, name = one.class_path.rpartition(".")
        settings = {**(one.get("init_args") or {}), **(one.get("dict_kwargs") or {})}
        kind = getattr(import_module(module), name)
        loggers.append(make_logger(kind, settings, run_dir, resumed_at))
    return loggers


def make_logger(
    kind: type[Logger], settings: Mapping[str, Any], run_dir: Path, resumed_at: int | None
) -> Logger:
    """A logger with what the user has set, and with what a run has to say to the rest.

    Args:
        settings: Arguments of the class, those that were left at their defaults too.
    """
    parameters = inspect.signature(kind).parameters.items()
    # The parser gives "" for a folder that a class has no default for.
    defaults = {key: "" if p.default is p.empty else p.default for key, p in parameters}
    own = {
        key: value
        for key, value in _of_run(kind, run_dir, resumed_at).items()
        if key not in settings or settings[key] == defaults.get(key)  # left open
    }
    made: type[Logger] = kind
    if issubclass(kind, CSVLogger):
        made = type(f"Continued{kind.__name__}", (_GoesOn, kind), {})
    try:
        return made(**{**settings, **own})
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"trainer.logger {kind.__name__}: {reason}") from None


def place_of(logger: Logger) -> str:
    """Where a logger's curves can be looked at."""
    if isinstance(logger, TensorBoardLogger):
        return f"tensorboard --logdir {Path(logger.log_dir).parent}"
    if isinstance(logger, CSVLogger):
        return str(Path(logger.log_dir) / TABLE)
    if isinstance(logger, MLFlowLogger):
        return f"mlflow ui --backend-store-uri {public_address(logger.experiment.tracking_uri)}"
    return f"{type(logger).__name__} {logger.name}/{logger.version}"


def begin(loggers: Sequence[Logger], run_dir: Path) -> None:
    """Lets services begin, whose ids are kept; for the first process only.

    Raises:
        InputError: If a service cannot be reached or does not accept the run.
    """
    known = [logger for logger in loggers if type(logger) in _ID_SETTINGS]
    for logger in known:
        try:
            getattr(logger, "experiment")  # noqa: B009 (begins when it is asked for)
        except Exception as error:  # of many kinds, by the service
            reason = " ".join(str(error).split())
            raise InputError(f"trainer.logger {type(logger).__name__}: {reason}") from None
    if known:
        ids = {type(logger).__name__: logger.version for logger in known}
        write_text(run_dir / IDS, json.dumps(ids))


class ContinuedRows:
    """The rows of a CSV file, with those that were there: Lightning's writer would delete them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metrics: list[dict[str, Any]] = []
        """The rows that are not on the disk yet."""
        self._names = read_rows(folder / TABLE)[1] if (folder / TABLE).is_file() else []

    def log_metrics(self, metrics: Mapping[str, Any], step: int) -> None:
        values = {k: v.item() if isinstance(v, Tensor) else v for k, v in metrics.items()}
        self.metrics.append(values | {"step": step})

    def log_hparams(self, params: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        save_hparams_to_yaml(str(self.folder / "hparams.yaml"), params)

    def save(self) -> None:
        """Writes the rows behind the others; anew and whole where there are new columns."""
        names = sorted({*self._names}.union(*self.metrics))
        path = self.folder / TABLE
        if names != self._names:
            earlier = read_rows(path)[0] if path.is_file() else []
            write_rows(path, [*earlier, *self.metrics], names)
        elif self.metrics:
            with path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, names).writerows(self.metrics)
        self._names, self.metrics = names, []


class _GoesOn:
    """Mixed into a ``CSVLogger``: its file goes on where the run does."""

    log_dir: str
    _rows: ContinuedRows | None = None

    @property
    @rank_zero_experiment
    def experiment(self) -> ContinuedRows:
        if self._rows is None:
            self._rows = ContinuedRows(Path(self.log_dir))
        return self._rows

    def finalize(self, status: str) -> None:
        if self._rows is not None:
            self._rows.save()


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
            own = {
                "tracking_uri": os.environ.get("MLFLOW_TRACKING_URI", database),
                "run_name": name,
                "artifact_location": (run_dir / "artifacts").resolve().as_uri(),
            }
        known: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError):
            known = {} if resumed_at is None else json.loads((run_dir / IDS).read_bytes())
        return own | {_ID_SETTINGS[kind]: known.get(kind.__name__)}
    return {}


def read_rows(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of a logger's CSV file, and the names of its columns."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        return list(reader), [*(reader.fieldnames or ())]


def write_rows(path: Path, rows: Sequence[dict[str, str]], names: Sequence[str]) -> None:
    """Writes a logger's CSV file anew, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
