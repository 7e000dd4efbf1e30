"""Checkpoint files: written whole, verified when read, found by the run they belong to."""

import io
import re
import reprlib
import sys
import textwrap
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch.serialization import get_unsafe_globals_in_checkpoint

from qwen_pl.errors import InputError, is_first_on_machine
from qwen_pl.files import (
    beside,
    free_space,
    full_disk_in,
    in_bytes,
    left_beside,
    place_before,
    refuse_endless,
    take_place,
    whole_file,
)
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.runs import CHECKPOINTS
from qwen_pl.terminal import tell
from qwen_pl.training.checkpoints.checkpoint_file import (
    file_is_whole,
    why_unreadable,
    write_file,
)
from qwen_pl.training.checkpoints.download import fetched, is_address
from qwen_pl.training.checkpoints.sharded_folder import (
    UNSHARDED,
    is_whole_folder,
    load_facts_of_folder,
    load_sharded,
)

NAME = "step={step:08d}"
BEST = "best.ckpt"
_KINDS = {
    **dict.fromkeys(("state_dict", "PDFDataModule", "callbacks", "loops"), dict),
    **dict.fromkeys(("optimizer_states", "lr_schedulers"), list),
    "global_step": int,
}
_OUR_KINDS = dict.fromkeys(("run_config", "versions", "measured"), dict)
STEP_ENDS = "StepEnds"
"""Under which name of the ``callbacks`` in a checkpoint it says whether a step had ended."""
AVERAGED = "averaged_weights"
"""Where a checkpoint holds them, under the names that its ``state_dict`` has."""


def save_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Writes a checkpoint beside ``path``, flushes it, and only then lets it take its place.

    Raises:
        InputError: If the disk is full, or a callback has given what could not be read again. What
            was there before is as it was.
    """
    # A folder gives way as well: the run was sharded before, or it is nothing of ours.
    target = beside(path, "tmp") if path.is_dir() else path
    try:
        with whole_file(target) as file:
            write_file(checkpoint, file)
            file.flush()
            if left := get_unsafe_globals_in_checkpoint(file.name):
                raise InputError(_unreadable(checkpoint, left))
        if target != path:
            take_place(target, path)
    except Exception as error:
        if full_disk_in(error) is None:
            raise
        raise InputError(
            f"no space left to save {path}: it takes {in_bytes(_size_of(checkpoint))}, and "
            f"{free_space(path.parent)} are free; {how_to_go_on(path.parent)}"
        ) from error


def _unreadable(checkpoint: dict[str, Any], kinds: list[str]) -> str:
    """Why a checkpoint was not kept that holds other things than tensors and plain data."""

    def holds_them(state: Any) -> bool:
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        return bool(get_unsafe_globals_in_checkpoint(file))

    states = checkpoint | checkpoint.get("callbacks", {})
    holders = [key for key, state in states.items() if key != "callbacks" and holds_them(state)]
    return (
        f"{', '.join(holders)} in the checkpoint would be {', '.join(sorted(kinds)[:3])}, which no "
        "run could read again: let a callback keep tensors, numbers, texts, lists and dicts"
    )


def how_to_go_on(folder: Path) -> str:
    """What is left to a run that had to stop, by the checkpoints in its ``folder``."""
    complete = (saved.path for saved in saved_in(folder) if saved.is_complete)
    newest = next((path for path in complete if is_whole(path)), None)
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
    _check_whole(path)
    return load_sharded(path) if path.is_dir() else _load_file(path, map_location, mmap=mmap)


def _load_file(path: Path, map_location: Any = "cpu", *, mmap: bool) -> dict[str, Any]:
    try:
        return torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)
    except Exception as error:  # torch and pickle raise many kinds
        raise InputError(f"{path} {why_unreadable(error)}") from None


def load_facts(path: Path) -> dict[str, Any]:
    """What a checkpoint says of itself; its tensors stay on the disk, or are left out.

    Raises:
        InputError: As ``load_checkpoint`` does, and if it is none of ours.
    """
    _check_whole(path)
    facts = _facts(path)
    check_ours(facts, path)
    return facts


def _facts(path: Path) -> dict[str, Any]:
    """The same of one that need not be whole, nor ours."""
    return load_facts_of_folder(path) if path.is_dir() else _load_file(path, mmap=True)


def check_ours(checkpoint: object, path: Path) -> None:
    """Refuses what is whole and yet no checkpoint of ours, before anything of it is believed.

    Raises:
        InputError: If something is not of the kind that we write under its name.
    """
    ours = checkpoint.get("qwen_pl") if isinstance(checkpoint, dict) else None
    if not isinstance(checkpoint, dict) or not isinstance(ours, dict):
        raise InputError(f"{path} was not written by qwen_pl: it says nothing of its model")
    Qwen3Config.of(ours.get("config"), path)
    for names, kinds in ((checkpoint, _KINDS), (ours, _OUR_KINDS)):
        for name, kind in kinds.items():
            if not isinstance(value := names.get(name), kind | None):
                raise InputError(
                    f"{path} is none that a run of ours has saved: its {name} is "
                    f"{reprlib.repr(value)}"
                )


def _check_whole(path: Path) -> None:
    refuse_endless(path)
    if not path.exists():
        raise InputError(f"no checkpoint {path}")
    if (damage := damage_of(path)) is not None:
        raise InputError(f"{path} {damage}: give an earlier checkpoint, or --ckpt_path last")


def is_whole(path: Path) -> bool:
    """Whether every byte of a checkpoint is as it was written, by the checksums in the file."""
    return damage_of(path) is None


def damage_of(path: Path) -> str | None:
    """What is wrong with the bytes of a checkpoint, after its name; None if nothing is."""
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        if not all(file.is_file() for file in files):  # the reading of a pipe would not end
            return "is damaged"
        states = [(file.name, file.stat()) for file in files]
        for file in files:
            with file.open("rb"):
                pass  # else it would be taken for damaged where it may only not be read
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    seen = tuple((name, s.st_size, s.st_mtime_ns, s.st_ino) for name, s in states)
    # Another change may not show in the time of a file that has only just been written.
    is_new = any(time.time() - s.st_mtime < 2 for _, s in states)
    whole = _is_whole_now(path) if is_new else _known_to_be_whole(path, seen)
    return None if whole else "is damaged"


@lru_cache(maxsize=8)
def _known_to_be_whole(path: Path, seen: tuple[tuple[str, int, int, int], ...]) -> bool:
    """Reads the whole checkpoint, gigabytes maybe, so once for as long as it does not change."""
    return _is_whole_now(path)


def _is_whole_now(path: Path) -> bool:
    return is_whole_folder(path) if path.is_dir() else file_is_whole(path)


def find_checkpoint(given: str, run_dir: Path, *, to_train: bool = False) -> Path:
    """The file that ``--ckpt_path`` means: ``last`` or ``best`` of a run, a path or an address.

    What is at an address is fetched, and removed when the process ends.

    Args:
        to_train: Whether ``last`` has to be one that a run can go on from.

    Raises:
        InputError: If there is none.
    """
    if given == "last":
        return newest_checkpoint(run_dir, to_train=to_train)
    if is_address(given):
        return fetched(given)
    path = run_dir / CHECKPOINTS / BEST if given == "best" else Path(given)
    path = left_beside(path) or path
    refuse_endless(path)
    if not path.exists():
        raise InputError(f"no checkpoint {path}: --ckpt_path takes last, best or a file")
    return path


def newest_checkpoint(run_dir: Path, *, to_train: bool = False) -> Path:
    """The checkpoint of a run with the most steps that is not damaged; damaged ones are named.

    One of weights alone, or saved within a step, is taken only where no other is.

    Args:
        to_train: Whether it has to hold all that it takes to go on.

    Raises:
        InputError: If there is none.
    """
    folder = run_dir / CHECKPOINTS
    found = saved_in(folder)
    suited = [saved.path for saved in found if saved.is_complete or not to_train]
    for path in suited:
        damage = damage_of(path)
        if damage is None:
            return path
        if is_first_on_machine():
            tell(f"{path} {damage}, going back to the one before", file=sys.stderr)
    if suited:
        raise InputError(
            f"every checkpoint in {folder} is damaged or cannot be read: put back a copy, or "
            f"remove {run_dir} to start over"
        )
    if found:
        raise InputError(
            f"no checkpoint in {folder} to go on from, {found[0].path.name} holds weights alone or "
            f"half a step: put one of a step back, or remove {run_dir} to start over"
        )
    raise InputError(f"no checkpoint in {folder}: train that run first, without --ckpt_path")


class Saved(NamedTuple):
    """A checkpoint in a run's folder, by what it says of itself."""

    is_complete: bool
    """Whether it holds all that it takes to go on: not weights alone, nor what is within a step."""
    step: int
    is_ours: bool
    """Whether ``StepCheckpoint`` has written it, and no other callback or person."""
    path: Path


def saved_in(folder: Path) -> list[Saved]:
    """All checkpoints in a folder under whatever name, whole or not, in the order of their steps.

    The newest comes first, and those that no run can go on from come last.
    """
    paths = [*folder.glob("*.ckpt")]
    for old in folder.glob("*.ckpt.old-*"):
        place = place_before(old)
        if place is not None and not place.exists():  # a kill came before the new one
            paths.append(old)
    return sorted(map(_saved, paths), reverse=True)


def _saved(path: Path) -> Saved:
    """What the facts of a checkpoint say, or where they cannot be read its name."""
    try:
        file = path / UNSHARDED if path.is_dir() else path
        refuse_endless(file)
        status = file.stat()
        return _said(path, status.st_size, status.st_mtime_ns, status.st_ino)
    except Exception:  # damaged bytes make torch raise many kinds
        match = re.match(r"step=(\d{1,18})\b", path.name)
        step = int(match[1]) if match else -1
        return Saved(not path.name.startswith(BEST), step, _is_ours(path), path)


@lru_cache(maxsize=64)
def _said(path: Path, size: int, mtime_ns: int, inode: int) -> Saved:
    facts = _facts(path)
    step = int(facts["global_step"])
    is_complete = "optimizer_states" in facts and not is_within_step(facts)
    return Saved(is_complete, step, _is_ours(path), path)


def is_within_step(checkpoint: dict[str, Any]) -> bool:
    """Whether it was saved while a step was under way, of which a resumed run would lose a part.

    ``StepEnds`` says so; the counts of batches, that one has been begun since.
    """
    batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]
    if batches["ready"] != batches["processed"]:
        return True
    ends = checkpoint.get("callbacks", {}).get(STEP_ENDS)  # which earlier versions did not have
    return ends is not None and not ends["is_at_end"]


def _is_ours(path: Path) -> bool:
    return re.fullmatch(r"step=\d{8,}\.ckpt", path.name) is not None


def written_by_steps(folder: Path) -> list[Path]:
    """The checkpoints that ``StepCheckpoint`` has written into a folder, the newest first."""
    return [saved.path for saved in saved_in(folder) if saved.is_ours]


def load_network(path: Path, *, mmap: bool = False) -> tuple[Qwen3ForCausalLM, dict[str, Any]]:
    """The network in a checkpoint, on the CPU and in evaluation mode, and all else that is in it.

    Where the weights were averaged over the steps, it is the averaged ones.

    Raises:
        InputError: If the checkpoint cannot be read or is not one of ours.
    """
    checkpoint = load_checkpoint(path, mmap=mmap)
    check_ours(checkpoint, path)
    with torch.device("meta"):
        network = Qwen3ForCausalLM(Qwen3Config.of(checkpoint["qwen_pl"]["config"], path))
    tell_of_average(checkpoint)
    weights = checkpoint.pop("state_dict", None) or {}
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

    Args:
        every_n_train_steps: The steps between checkpoints, where those weights do not say it.
    """
    found = saved_in(run_dir / CHECKPOINTS)
    if not found or found[0].is_complete:
        return bool(found)
    steps = max(saved.step for saved in found)
    if steps < 0:
        return True
    try:
        config = load_facts(found[0].path)["qwen_pl"]["run_config"]
        every_n_train_steps = int(config["checkpoint"]["every_n_train_steps"])
    except (InputError, KeyError, TypeError, ValueError):  # not one of ours
        pass
    # The best of a step is saved before the step is. Later, a step was saved and then removed.
    return steps > every_n_train_steps


def _size_of(checkpoint: dict[str, Any]) -> int:
    """Bytes of the tensors in a checkpoint; those that share memory are counted once."""
    sizes: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()

    apply_to_collection(checkpoint, torch.Tensor, count)
    return sum(sizes.values())
