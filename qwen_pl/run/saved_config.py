"""The config of a run, kept in its folder and its checkpoints: written, found again, compared."""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import yaml

from qwen_pl.errors import InputError, is_first_on_machine
from qwen_pl.files import write_text
from qwen_pl.runs import CONFIG, sealed_config
from qwen_pl.seals import Damaged
from qwen_pl.terminal import tell

_LATER = "config.from-step-{step}.yaml"
_NO_CHANGE = {
    "config",
    "run",
    "ckpt_path",
    "weights_only",
    "predictions",
    "num_samples",
    "sampling",
    "checkpoint.dirpath",
    "data.cache_dir",
    "data.num_proc",
    "data.password",
    "data.prompts",
    "trainer.default_root_dir",
    "trainer.enable_progress_bar",
}
"""What names things or places, or is none of training's business."""
_NOTE_ON_SEED = (
    " (the samples come in another order from here: until the next epoch some come twice and some "
    "are left out)"
)
_LONGEST = 80  # characters of a value


class SaveRunConfig(pl.Callback):
    """Writes the whole config into the run's folder: ``config.yaml`` at the start.

    A run that resumes with another config leaves that one beside it, under the step it began at.

    Args:
        config: As YAML, without how this fit was begun, which is not how the next one is to be.
    """

    def __init__(self, config: str, folder: Path, *, resumes: bool) -> None:
        self.config, self.folder, self.resumes = sealed_config(config), folder, resumes

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self._save(trainer.global_step if self.resumes else 0)

    def _save(self, step: int) -> None:
        for file in _configs(self.folder):
            if _begins_at(file) > step:  # of steps that are taken again
                file.unlink()
        in_force = config_in_force(self.folder, step + 1)
        if step == 0 or in_force is None:
            write_text(self.folder / CONFIG, self.config)
        elif in_force.read_text(encoding="utf-8", errors="replace") != self.config:
            write_text(self.folder / _LATER.format(step=step), self.config)


def config_in_force(folder: Path, step: int) -> Path | None:
    """The config that a step of a run, counted from 1, was taken with; None if it is not there.

    Raises:
        Damaged: If a folder, or a pipe that is never read to its end, is in its place.
    """
    before = (file for file in _configs(folder) if _begins_at(file) < step)
    in_force = max(before, key=_begins_at, default=None)
    if in_force is not None and not in_force.is_file():
        raise Damaged(in_force, "is no file", "remove it")
    return in_force


_NEEDED = ("state_dict", "loops", "lr_schedulers", "callbacks", "epoch", "global_step")


def compare_to_checkpoint(path: Path, checkpoint: dict[str, Any], config: dict[str, Any]) -> bool:
    """Says what a resumed run goes on from, and which settings are not those it had.

    Args:
        checkpoint: What it says of itself.
        config: The whole config as it goes into checkpoints.

    Returns:
        Whether it goes on with another seed.

    Raises:
        InputError: If it cannot go on with these.
    """
    if "optimizer_states" in checkpoint:  # else the module complains
        missing = [name for name in _NEEDED if name not in checkpoint]
        if missing:
            raise InputError(
                f"{path} lacks {', '.join(missing)}: no run saves it so, give another checkpoint"
            )
    ours = checkpoint["qwen_pl"]
    theirs = ours.get("run_config") or {}
    data = theirs.get("data") or checkpoint.get("PDFDataModule", {})
    _check_windows(data, config["data"])
    differing = [*_changes(theirs, config)] if theirs else []
    if is_first_on_machine():
        tell(f"resuming {path}", file=sys.stderr)
        for line in differing:
            tell(f"  {line}", file=sys.stderr)
    return any(line.startswith("seed_everything ") for line in differing)


def _check_windows(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Refuses other windows: the position in their order is all that a checkpoint knows of them."""
    for name in ("seq_len", "stride"):
        before, after = (data.get(name) or data.get("seq_len") for data in (theirs, ours))
        if before is not None and before != after:
            raise InputError(
                f"data.{name} is {after}, the checkpoint was trained with {before} and counts the "
                "windows of that: restore it, or start another run from its weights: export them, "
                "then --run NAME --model.from_pretrained FOLDER"
            )


def _changes(theirs: Mapping[str, Any], ours: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """One line for each setting that is not as it was, in the order of the config.

    >>> [*_changes({"model": {"lr": 0.002}, "run": "a"}, {"model": {"lr": 0.001}, "run": "b"})]
    ['model.lr 0.002 -> 0.001']
    """
    for key in dict.fromkeys([*ours, *theirs]):
        name = f"{above}{key}"
        before, after = theirs.get(key), ours.get(key)
        if name in _NO_CHANGE or before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _changes(before, after, f"{name}.")
        else:
            note = _NOTE_ON_SEED if name == "seed_everything" else ""
            yield f"{name} {_shown(before)} -> {_shown(after)}{note}"


def _shown(value: Any) -> str:
    """A value as a config has it, on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    text = text.removesuffix("...\n").strip()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _configs(folder: Path) -> list[Path]:
    return [*folder.glob(CONFIG), *folder.glob(_LATER.format(step="*"))]


def _begins_at(file: Path) -> int:
    match = re.fullmatch(_LATER.format(step=r"(\d+)"), file.name)
    return int(match[1]) if match else 0
