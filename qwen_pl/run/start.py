"""How a fit begins: anew, or where a checkpoint left it, with what is different now."""

import sys
from pathlib import Path
from typing import Any, NoReturn

from lightning.pytorch.utilities import rank_zero_only

from qwen_pl.errors import InputError
from qwen_pl.run.config_changes import changes, check_windows
from qwen_pl.runs import checkpoints_in
from qwen_pl.training.checkpoints.checkpoint import load_facts


def tell_of_new_run(run_dir: Path) -> None:
    """Says that ``--ckpt_path last`` has found nothing, in case the run's name is misspelt."""
    if rank_zero_only.rank == 0:
        others = sorted({path.parents[1].name for path in checkpoints_in(run_dir.parent)})
        known = f" (runs with checkpoints here: {', '.join(others[:5])})" if others else ""
        print(f"no checkpoint in {run_dir} yet: starting{known}", file=sys.stderr)


def refuse_to_start_over(run_dir: Path) -> NoReturn:
    """Keeps a run from being overwritten.

    Raises:
        InputError: Always.
    """
    raise InputError(
        f"{run_dir} already holds a run: continue it with --ckpt_path last, start another with "
        "--run NAME, or remove the folder"
    )


def compare_to_checkpoint(path: Path, config: dict[str, Any]) -> bool:
    """Says what a resumed run goes on from, and which settings are not those it had.

    Args:
        path: The checkpoint.
        config: The whole config as it goes into checkpoints.

    Returns:
        Whether it goes on with another seed.

    Raises:
        InputError: If it cannot go on with these.
    """
    checkpoint = load_facts(path)
    ours = checkpoint.get("qwen_pl", {})  # else the module complains
    theirs = ours.get("run_config") or {}
    data = theirs.get("data") or checkpoint.get("PDFDataModule", {})
    check_windows(data, config["data"])
    differing = changes(theirs, config) if theirs else []
    if rank_zero_only.rank == 0:
        print(f"resuming {path}", file=sys.stderr)
        for line in differing:
            print(f"  {line}", file=sys.stderr)
    return any(line.startswith("seed_everything ") for line in differing)
