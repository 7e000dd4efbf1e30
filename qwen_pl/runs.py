"""Where a run lives: lightning_logs/NAME, with its config, checkpoints and event files."""

from collections.abc import Iterator
from pathlib import Path

from qwen_pl.errors import InputError
from qwen_pl.terminal import shown

LOGS = "lightning_logs"
CONFIG = "config.yaml"
CHECKPOINTS = "checkpoints"


def run_dir(name: str, root: str | Path | None = None) -> Path:
    """The folder of the run ``name`` under ``root``, by default the current folder.

    Raises:
        InputError: If ``name`` is not a plain folder name.
    """
    if not name or name != Path(name).name or name.startswith(".") or name != shown(name):
        raise InputError(f"--run {name!r} is not a folder name: give letters and digits")
    return Path(root or ".") / LOGS / name


def checkpoints_in(logs: Path) -> Iterator[Path]:
    """The checkpoints of all runs."""
    return logs.glob(f"*/{CHECKPOINTS}/*.ckpt")


def newest_run() -> Path:
    """The run that saved a checkpoint last.

    Raises:
        InputError: If there is none.
    """
    newest = max(checkpoints_in(Path(LOGS)), key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        raise InputError(f"no run with a checkpoint in {LOGS}: start one with fit")
    return newest.parent.parent


def run_of(checkpoint: Path) -> Path | None:
    """The folder of the run that a checkpoint lies in, or None if it was taken elsewhere."""
    folder = checkpoint.resolve().parent
    is_run = folder.name == CHECKPOINTS and (folder.parent / CONFIG).is_file()
    return folder.parent if is_run else None
