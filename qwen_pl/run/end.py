"""How a run ends that cannot go on: in one line, where its user can mend it."""

from pathlib import Path

from qwen_pl.errors import InputError
from qwen_pl.files import chain, free_space, full_disk_in
from qwen_pl.run.parser import missing_package
from qwen_pl.training.checkpoints.checkpoint import FOLDER, how_to_go_on


def tell_of_mendable(error: Exception, run_dir: Path) -> None:
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
        f"{how_to_go_on(run_dir / FOLDER)}"
    ) from None
