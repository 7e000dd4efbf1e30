"""Where a run lives: lightning_logs/NAME, with its config, checkpoints and event files."""

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from qwen_pl.errors import InputError
from qwen_pl.terminal import shown, tell

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


def sealed_config(text: str) -> str:
    """A config as a run keeps it: behind a comment with the digest of it."""
    return f"{_SEAL}{hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def tell_of_changed_config(file: Path) -> None:
    """Says of a config that a run has kept if it is not as the run wrote it.

    A person may have changed it, to name another folder maybe, so it is taken as it stands.

    Raises:
        InputError: If it is no config at all any more.
    """
    import yaml

    if not file.is_file() or not os.access(file, os.R_OK):
        return  # whoever reads it has a word for that
    content = file.read_bytes()
    seal, _, text = content.partition(b"\n")
    is_kept_by_run = seal.startswith(_SEAL.encode()) or re.fullmatch(_KEPT, file.name)
    written = seal == f"{_SEAL}{hashlib.sha256(text).hexdigest()}".encode()
    # Zeros are what a power cut leaves of a file.
    is_older = not content.startswith(b"# sha256") and content.strip(b"\0 \r\n") != b""
    if is_kept_by_run and not written and not is_older:
        try:
            is_config = isinstance(yaml.safe_load(text), dict)
        except (ValueError, yaml.YAMLError):
            is_config = False
        if not is_config:
            raise InputError(f"{file} is damaged: put back a copy of it")
        tell(f"{file} is not as the run wrote it: it is taken as it stands", file=sys.stderr)


_SEAL = "# sha256 of what follows: "
_KEPT = r"config(\.from-step-\d+)?\.yaml"


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
