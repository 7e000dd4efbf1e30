"""Loggers that a config names: where they write, and how they go on when a run resumes."""

import contextlib
import inspect
import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
from lightning.pytorch.loggers.logger import rank_zero_experiment

from qwen_pl.errors import InputError
from qwen_pl.files import check_place, full_disk_in
from qwen_pl.private import public_address
from qwen_pl.seals import Damaged, read_bytes, unsealed_json, write_sealed
from qwen_pl.training.monitoring.rewind import ResumePoint, rewind
from qwen_pl.training.monitoring.table import TABLE, ContinuedRows

IDS = "loggers.json"
"""In a run's folder: under which ids services know the run, so that it goes on there."""

_ID_SETTINGS = {WandbLogger: "id", MLFlowLogger: "run_id"}


def run_loggers(given: Any, run_dir: Path, resume: ResumePoint | None) -> list[Logger]:
    """The loggers of a run, each of which writes into its folder where nothing else is said.

    Args:
        given: What ``trainer.logger`` says: false for none, what jsonargparse knows of one or of
            several, or nothing for TensorBoard.
        resume: Where the run goes on; None for a new one.

    Raises:
        InputError: If a logger refuses its settings.
        ModuleNotFoundError: If it needs a package that is not installed.
    """
    if given is False:
        return []
    if given in (None, True):
        return [make_logger(TensorBoardLogger, {}, run_dir, resume)]
    loggers = []
    for one in given if isinstance(given, list | tuple) else [given]:
        module, _, name = one.class_path.rpartition(".")
        settings = {**(one.get("init_args") or {}), **(one.get("dict_kwargs") or {})}
        kind = getattr(import_module(module), name)
        loggers.append(make_logger(kind, settings, run_dir, resume))
    return loggers


def make_logger(
    kind: type[Logger], settings: Mapping[str, Any], run_dir: Path, resume: ResumePoint | None
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
        for key, value in _of_run(kind, run_dir, resume).items()
        if key not in settings or settings[key] == defaults.get(key)  # left open
    }
    made: Any = kind
    if hasattr(kind, "experiment"):  # else Lightning opens nothing
        bases = (_OpensLate, _GoesOn, kind) if issubclass(kind, CSVLogger) else (_OpensLate, kind)
        # By another name, or a config that is read after this could mean either.
        made = type(f"{_LATE}{kind.__name__}", bases, {})
    try:
        logger: Logger = made(**{**settings, **own})
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"trainer.logger {kind.__name__}: {reason}") from None
    if isinstance(logger, _OpensLate):
        logger.before_opening = partial(rewind, logger, run_dir, resume)
    check_place(Path(logger.save_dir or "."))
    return logger


def place_of(logger: Logger) -> str:
    """Where a logger's curves can be looked at."""
    if isinstance(logger, TensorBoardLogger):
        return f"tensorboard --logdir {Path(logger.log_dir).parent}"
    if isinstance(logger, CSVLogger):
        return str(Path(logger.log_dir) / TABLE)
    if isinstance(logger, MLFlowLogger):
        return f"mlflow ui --backend-store-uri {public_address(logger.experiment.tracking_uri)}"
    return f"{_kind(logger)} {logger.name}/{logger.version}"


def begin(loggers: Sequence[Logger], run_dir: Path) -> None:
    """Opens the loggers of a run, the ids of services being kept; for the first process only.

    Raises:
        InputError: If a service cannot be reached or does not accept the run, before any file of
            the others has changed; or if a file cannot be written.
    """
    known = [logger for logger in loggers if isinstance(logger, tuple(_ID_SETTINGS))]
    for logger in [*known, *(logger for logger in loggers if logger not in known)]:
        try:
            if isinstance(logger, _OpensLate):
                logger.open()
                getattr(logger, "experiment")  # noqa: B009 (begins when it is asked for)
        except Exception as error:  # of many kinds, by the service
            if isinstance(error, InputError) or (logger not in known and not _is_denied(error)):
                raise
            reason = " ".join(str(error).split())
            raise InputError(f"trainer.logger {_kind(logger)}: {reason}") from None
    if known:
        ids = {_kind(logger): logger.version for logger in known}
        write_sealed(run_dir / IDS, {"ids": ids}, IDS)


def _known_ids(path: Path) -> dict[str, Any]:
    """The ids under which services know a run.

    Raises:
        Damaged: If they are not as they were written: the curves would go on in another place.
    """
    content = read_bytes(path) if path.exists() else b"{}"
    with contextlib.suppress(ValueError):
        earlier = json.loads(content)
        if isinstance(earlier, dict) and "sha256" not in earlier:
            return earlier
    try:
        return unsealed_json(content, IDS, path)["ids"]
    except Damaged as damage:
        way_out = "put back a copy, or remove it and the services begin another run"
        raise Damaged(damage.path, damage.why, way_out) from None


_LATE = "Late"


def _kind(logger: Logger) -> str:
    """The name of the class that the config names."""
    return type(logger).__name__.removeprefix(_LATE)


def _is_denied(error: Exception) -> bool:
    return isinstance(error, OSError) and full_disk_in(error) is None


class _OpensLate:
    """Mixed into a logger: it opens its files for the first value that it gets.

    Lightning opens all loggers before it knows whether a checkpoint suits the run. One that is
    refused is to leave everything as it was, so nothing is opened, or taken back, until then.
    """

    before_opening: Callable[[], None]
    _is_open = False

    def open(self) -> None:
        """Takes back what comes again, once."""
        if not self._is_open:
            self.before_opening()
            self._is_open = True

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        mixed: Any = super()
        return mixed.experiment if self._is_open else _Unopened(self)

    def save(self) -> None:
        mixed: Any = super()
        if self._is_open:
            mixed.save()


class _Unopened:
    """Stands for what a logger writes with, which it becomes with the first thing asked of it."""

    def __init__(self, logger: _OpensLate) -> None:
        self._logger = logger

    def __getattr__(self, name: str) -> Any:
        self._logger.open()
        return getattr(self._logger.experiment, name)


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


def _of_run(kind: type[Logger], run_dir: Path, resume: ResumePoint | None) -> dict[str, Any]:
    """What a run gives to a logger that leaves it open."""
    name, folder = run_dir.name, run_dir.parent
    if issubclass(kind, (CSVLogger, TensorBoardLogger)):
        own: dict[str, Any] = {"save_dir": str(folder.parent), "name": folder.name, "version": name}
        if issubclass(kind, CSVLogger):
            return own | {"flush_logs_every_n_steps": 1}  # it looks at steps that are never logged
        # Steps that were logged here before and are now taken again would show twice.
        purge_step = 0 if resume is None else resume.step + 1
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
        known = {} if resume is None else _known_ids(run_dir / IDS)
        return own | {_ID_SETTINGS[kind]: known.get(kind.__name__)}
    return {}
