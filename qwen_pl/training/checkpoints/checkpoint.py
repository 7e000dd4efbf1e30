"""Checkpoint files: written whole, verified when read, found by the run they belong to."""

import re
import sys
import textwrap
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection

from qwen_pl.errors import InputError, is_first_on_machine
from qwen_pl.files import free_space, full_disk_in, in_bytes, whole_file
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.runs import CHECKPOINTS
from qwen_pl.terminal import tell
from qwen_pl.training.checkpoints.checkpoint_file import file_is_whole, write_file
from qwen_pl.training.checkpoints.download import fetched, is_address
from qwen_pl.training.checkpoints.sharded_folder import UNSHARDED, is_whole_folder, load_sharded

NAME = "step={step:08d}"
BEST = "best.ckpt"
AVERAGED = "averaged_weights"
"""Where a checkpoint holds them, under the names that its ``state_dict`` has."""


def save_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Writes a checkpoint beside ``path``, flushes it, and only then lets it take its place.

    Raises:
        InputError: If the disk is full. What was there before is as it was.
    """
    try:
        with whole_file(path) as file:
            write_file(checkpoint, file)
    except Exception as error:
        if full_disk_in(error) is None:
            raise
        raise InputError(
            f"no space left to save {path}: it takes {in_bytes(_size_of(checkpoint))}, and "
            f"{free_space(path.parent)} are free; {how_to_go_on(path.parent)}"
        ) from error


def how_to_go_on(folder: Path) -> str:
    """What is left to a run that had to stop, by the checkpoints in its ``folder``."""
    newest = next((path for _, path in numbered(folder) if is_whole(path)), None)
    if newest is None:
        return "there is no earlier checkpoint: make room and start again"
    return f"the last good checkpoint is {newest}: make room and go on with --ckpt_path last"


def load_checkpoint(path: Path, map_location: Any = "cpu", *, mmap: bool = False) -> dict[str, Any]:
    """Reads a checkpoint without executing anything in it.

    Args:
        mmap: Whether tensors stay in the file until they are needed, which must not change then.

    Raises:
        InputError: If it is missing, damaged, or holds more than tensors and plain data.
    """
    if not path.exists():
        raise InputError(f"no checkpoint {path}")
    if not is_whole(path):
        raise InputError(f"{path} is damaged: give an earlier checkpoint, or --ckpt_path last")
    if path.is_dir():
        return load_sharded(path)
    try:
        return torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)
    except Exception as error:  # torch and pickle raise many kinds
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} holds more than tensors and plain data: {reason}") from None


def load_facts(path: Path) -> dict[str, Any]:
    """What a checkpoint says of itself; its tensors stay on the disk, or are left out.

    Raises:
        InputError: As ``load_checkpoint`` does.
    """
    if not path.is_dir():
        return load_checkpoint(path, mmap=True)
    if not is_whole(path):
        raise InputError(f"{path} is damaged: give an earlier checkpoint, or --ckpt_path last")
    return torch.load(path / UNSHARDED, map_location="cpu", weights_only=True)["checkpoint"]


def is_whole(path: Path) -> bool:
    """Whether every byte of a checkpoint is as it was written, by the checksums in the file."""
    try:
        status = path.stat()
    except OSError:
        return False
    if path.is_dir():
        return is_whole_folder(path)
    if time.time() - status.st_mtime < 2:  # another change may not show in its time yet
        return file_is_whole(path)
    return _known_to_be_whole(path, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=8)
def _known_to_be_whole(path: Path, size: int, mtime_ns: int, inode: int) -> bool:
    """Reads the whole file, gigabytes maybe, so once for as long as it does not change."""
    return file_is_whole(path)


def find_checkpoint(given: str, run_dir: Path) -> Path:
    """The file that ``--ckpt_path`` means: ``last`` or ``best`` of a run, a path or an address.

    What is at an address is fetched, and removed when the process ends.

    Raises:
        InputError: If there is none.
    """
    if given == "last":
        return newest_checkpoint(run_dir)
    if is_address(given):
        return fetched(given)
    path = run_dir / CHECKPOINTS / BEST if given == "best" else Path(given)
    if not path.exists():
        raise InputError(f"no checkpoint {path}: --ckpt_path takes last, best or a file")
    return path


def newest_checkpoint(run_dir: Path) -> Path:
    """The checkpoint of a run with the most steps that is not damaged; damaged ones are named.

    Raises:
        InputError: If there is none.
    """
    found = numbered(run_dir / CHECKPOINTS)
    for _, path in found:
        if is_whole(path):
            return path
        if is_first_on_machine():
            tell(f"{path} is damaged, going back to the one before", file=sys.stderr)
    if found:
        raise InputError(
            f"every checkpoint in {run_dir / CHECKPOINTS} is damaged: put back a copy, or remove "
            f"{run_dir} to start over"
        )
    raise InputError(
        f"no checkpoint in {run_dir / CHECKPOINTS}: train that run first, without --ckpt_path"
    )


def numbered(folder: Path) -> list[tuple[int, Path]]:
    """The checkpoints of steps in a folder, whole or not, those with the most steps first."""
    return sorted(((step_of(path), path) for path in folder.glob("step=*.ckpt")), reverse=True)


def step_of(path: Path) -> int:
    """The step in a checkpoint's name, -1 where there is none.

    >>> step_of(Path("step=00000500.ckpt")), step_of(Path("other.ckpt"))
    (500, -1)
    """
    match = re.search(r"step=(\d+)", path.name)
    return int(match[1]) if match else -1


def load_network(path: Path, *, mmap: bool = False) -> tuple[Qwen3ForCausalLM, dict[str, Any]]:
    """The network in a checkpoint, on the CPU and in evaluation mode, and all else that is in it.

    Where the weights were averaged over the steps, it is the averaged ones.

    Raises:
        InputError: If the checkpoint cannot be read or is not one of ours.
    """
    checkpoint = load_checkpoint(path, mmap=mmap)
    if not isinstance(checkpoint, dict) or "qwen_pl" not in checkpoint:
        raise InputError(f"{path} was not written by qwen_pl: it says nothing of its model")
    with torch.device("meta"):
        network = Qwen3ForCausalLM(Qwen3Config(**checkpoint["qwen_pl"]["config"]))
    tell_of_average(checkpoint)
    weights = checkpoint.pop("state_dict")
    averages = checkpoint.pop(AVERAGED, None)
    if averages is not None:
        weights = {name: average.to(weights[name].dtype) for name, average in averages.items()}
    weights = {
        name.removeprefix("model."): tensor
        for name, tensor in weights.items()
        if name.startswith("model.")
    }
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:  # which lists what is missing, left over or of another shape
        reason = textwrap.shorten(str(error), 300)
        raise InputError(f"{path} does not hold the model it describes: {reason}") from None
    return network.eval(), checkpoint


def tell_of_average(checkpoint: dict[str, Any]) -> None:
    """Says so where it is averaged weights that a checkpoint gives."""
    if AVERAGED in checkpoint or checkpoint["qwen_pl"].get("is_averaged"):
        tell("the weights are those averaged over the steps", file=sys.stderr)


def has_begun(run_dir: Path, every_n_train_steps: int) -> bool:
    """Whether a run has saved a checkpoint, whole or damaged, or one it had saved is gone.

    What a run leaves that was killed before its first checkpoint is no beginning: a log, or the
    best weights of an early validation.
    """
    folder = run_dir / CHECKPOINTS
    if any(path.name != BEST for path in folder.glob("*.ckpt")):
        return True
    if not (folder / BEST).exists():
        return False
    try:
        step = load_checkpoint(folder / BEST, mmap=True)["global_step"]
    except (InputError, KeyError):
        return True
    # The best of a step is saved before the step is. Later, a step was saved and then removed.
    return step > every_n_train_steps


def _size_of(checkpoint: dict[str, Any]) -> int:
    """Bytes of the tensors in a checkpoint; those that share memory are counted once."""
    sizes: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()

    apply_to_collection(checkpoint, torch.Tensor, count)
    return sum(sizes.values())
