"""A run's folder: taken while one process trains into it, and tidied and told of at the end."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from qwen_pl.data.prepare.prepare import Preparation
from qwen_pl.errors import InputError
from qwen_pl.files import chain, free_space, full_disk_in, remove_unfinished
from qwen_pl.run.messages import missing_package
from qwen_pl.runs import CHECKPOINTS
from qwen_pl.seals import Damaged
from qwen_pl.terminal import tell
from qwen_pl.training.checkpoints.checkpoint import how_to_go_on
from qwen_pl.training.monitoring.loggers import begin, place_of
from qwen_pl.training.monitoring.recorded import MEASURED
from qwen_pl.training.monitoring.table import TABLE
from qwen_pl.training.resume.saving import refused_by_all
from qwen_pl.training.resume.validating import MeasuredStart
from qwen_pl.training.steps.ledger import LEDGER

SAMPLES = "samples.txt"
"""What the network writes while it learns."""


@contextmanager
def taken(run_dir: Path) -> Iterator[None]:
    """Keeps other processes from training into the run's folder while the block lasts.

    Raises:
        InputError: If one does already.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run_dir / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(
            f"{run_dir} is being trained by another process: wait for it, or start another run "
            "with --run NAME"
        ) from None
    except OSError as error:
        raise InputError(f"cannot lock {lock.lock_file} ({error.strerror}): remove it") from None
    try:
        yield
    finally:
        lock.release()


class RunStart(Callback):
    """Begins to change the folder of a run, now that all that may refuse it has agreed.

    Those that stand behind it in ``on_train_start`` may write, and have nothing to refuse any more.
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        with refused_by_all(trainer):
            if trainer.is_global_zero:
                _check_places(self.run_dir)
                begin(trainer.loggers, self.run_dir)
                remove_unfinished(self.run_dir)


def _check_places(run_dir: Path) -> None:
    """Refuses a run that could not write what it is to write, before anything is written.

    Raises:
        Damaged: If a file is no file, or a folder none, or it may not be read and written.
    """
    names = (SAMPLES, TABLE, "hparams.yaml", CHECKPOINTS)
    for path in (*run_dir.glob("config*.yaml"), *(run_dir / name for name in names)):
        is_as_meant = path.is_dir() if path.name == CHECKPOINTS else path.is_file()
        if path.exists() and not is_as_meant:
            kind = "folder" if path.name == CHECKPOINTS else "file"
            raise Damaged(path, f"is no {kind}", "remove it")
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            raise Damaged(path, "may not be read and written", "let this user do both")


@contextmanager
def tidy_end(run_dir: Path) -> Iterator[None]:
    """Leaves no folder of a run that came to nothing, and makes a line of what its user can mend.

    Raises:
        InputError: Where a missing package or a full disk is behind an error in the block.
        KeyboardInterrupt: Where Lightning has made an exit of it.
    """
    is_new = not run_dir.exists()
    try:
        yield
    except Exception as error:
        told = error if isinstance(error, InputError) else _mendable(error, run_dir)
        if told is None:
            raise
        if is_new and not (run_dir / LEDGER).exists():
            shutil.rmtree(run_dir, ignore_errors=True)  # nothing came of it
        raise told from None
    except SystemExit as ended:
        if isinstance(ended.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None  # which Lightning has turned into an exit code 1
        raise


def _mendable(error: Exception, run_dir: Path) -> InputError | None:
    """What to say where a missing package, a full disk or Lightning's no is behind an error."""
    if (reason := missing_package(error)) is not None:
        return InputError(reason)
    if (full := full_disk_in(error)) is not None:
        told = next((e for e in chain(error) if isinstance(e, InputError)), None)
        # Other errors on the way out may hide the one that says more.
        return told or InputError(
            f"no space left to write {full.filename or run_dir}: {free_space(run_dir)} are free; "
            f"{how_to_go_on(run_dir / CHECKPOINTS)}"
        )
    return InputError(str(error)) if isinstance(error, MisconfigurationException) else None


def print_results(
    trainer: Trainer, prepared: Preparation, run_dir: Path, *, was_finished: bool
) -> None:
    """Prints after ``fit`` what was measured, where everything is, and what to do next.

    Args:
        was_finished: Whether the run had all its steps already when it was resumed.
    """
    run, samples = run_dir.name, run_dir / SAMPLES
    tell("")
    if was_finished:
        tell(f"{run} had all its {trainer.max_steps:,} steps: --trainer.max_steps adds more")
    _print_rows(
        [
            *_measures(trainer),
            *(("text", document.text.file) for document in prepared.documents[:3]),
            ("tokenizer", prepared.tokenizer_dir),
            *(("checkpoint", path) for path in sorted((run_dir / CHECKPOINTS).glob("*.ckpt"))),
            *([("samples", samples)] if samples.is_file() else []),
            *(("curves", place_of(logger)) for logger in trainer.loggers),
            ("write", f'python -m qwen_pl generate --run {run} --prompt "..."'),
        ]
    )


def print_measures(trainer: Trainer) -> None:
    """Prints what was measured, after ``validate`` and ``test``."""
    _print_rows(_measures(trainer))


def _measures(trainer: Trainer) -> list[tuple[str, str]]:
    """What was measured last, and beside it what the weights of others knew before training."""
    callbacks: Sequence[Callback] = trainer.callbacks  # type: ignore[attr-defined] # a connector's
    start = next(c for c in callbacks if isinstance(c, MeasuredStart))
    before = {n: f" ({value:.4f} before training)" for n, value in start.values(trainer).items()}
    return [
        (name, f"{value:.4f}{before.get(name, '')}")
        for name, value in trainer.callback_metrics.items()
        if name.startswith((*MEASURED, "test_"))  # and not what else callbacks log
    ]


def _print_rows(rows: Sequence[tuple[str, object]]) -> None:
    width = max([17, *(len(name) for name, _ in rows)])
    for name, value in rows:
        tell(f"{name:<{width}} {value}")
