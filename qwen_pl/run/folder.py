"""A run's folder: one process at a time trains into it, and no run that failed at once stays."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from qwen_pl.errors import InputError
from qwen_pl.files import chain, free_space, full_disk_in, remove_unfinished
from qwen_pl.run.messages import missing_package
from qwen_pl.runs import CHECKPOINTS
from qwen_pl.training.checkpoints.checkpoint import how_to_go_on
from qwen_pl.training.steps.ledger import LEDGER


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
    except InputError:
        if is_new and not (run_dir / LEDGER).exists():
            shutil.rmtree(run_dir, ignore_errors=True)  # nothing came of it
        raise
    except Exception as error:
        _tell_of_mendable(error, run_dir)
        raise
    except SystemExit as ended:
        if isinstance(ended.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None  # which Lightning has turned into an exit code 1
        raise


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
    try:
        # This process alone writes here now, so what others left unfinished is nobody's.
        remove_unfinished(run_dir, seconds=0)
        yield
    finally:
        lock.release()


def _tell_of_mendable(error: Exception, run_dir: Path) -> None:
    """Makes a line of an error with a missing package or a full disk behind it; else does nothing.

    Raises:
        InputError: If there is one.
    """
    if (reason := missing_package(error)) is not None:
        raise InputError(reason) from None
    full = full_disk_in(error)
    if full is None:
        return
    told = next((e for e in chain(error) if isinstance(e, InputError)), None)
    if told is not None:  # other errors on the way out hide the one that says more
        raise told from None
    raise InputError(
        f"no space left to write {full.filename or run_dir}: {free_space(run_dir)} are free; "
        f"{how_to_go_on(run_dir / CHECKPOINTS)}"
    ) from None
