"""Compares two runs to the last bit: what they end with, and what they saw and logged."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMED = ("tokens_per_second", "mfu", "data_wait", "memory", "seconds", "time")
"""How names begin, or what stands in them, of values that no two runs have in common."""
VALIDATION = ("val_", "reference_")

_NAMES_RUN = ("run_config", "RunTexts")
"""What of a checkpoint has the name of its run in it."""


@dataclass(frozen=True)
class Comparison:
    """One thing that was compared: what it is, whether it is the same, and a word on it.

    >>> print(Comparison("sample numbers", True, "6 steps"))
    sample numbers       same  6 steps
    """

    name: str
    is_same: bool
    detail: str

    def __str__(self) -> str:
        return f"{self.name:<20} {'same' if self.is_same else 'DIFFERS'}  {self.detail}"


def compare_runs(one: Path, other: Path, step: int) -> list[Comparison]:
    """Everything of two run folders at a step, the earliest cause of a difference first.

    Notes of the steps are expected in ``notes/`` of each, as ``Rehearsal`` writes them.
    """
    return [
        _compare_samples(one, other, step),
        _compare_ledgers(one, other, step),
        *_compare_curves(one, other, step),
        *_compare_checkpoints(one, other, step),
    ]


def _compare_samples(one: Path, other: Path, step: int) -> Comparison:
    """What every process saw and lost in each step, also in those that were taken twice."""
    from qwen_pl.commands.parts.rehearsal import read_notes

    names = sorted(file.name for file in (one / "notes").glob("rank-*.jsonl"))
    steps = 0
    for name in names:
        lines = [line for line in read_notes(one / "notes", name) if line["step"] <= step]
        expected = {line["step"]: line for line in lines}
        seen = [line for line in read_notes(other / "notes", name) if line["step"] <= step]
        for line in sorted(seen, key=lambda line: line["step"]):
            for what in ("inputs", "losses"):
                if line[what] != expected[line["step"]][what]:
                    detail = f"{what} differ at step {line['step']} ({name})"
                    return Comparison("samples and losses", False, detail)
        if missing := expected.keys() - {line["step"] for line in seen}:
            return Comparison("samples and losses", False, f"step {min(missing)} was never taken")
        steps = len(expected)
    return Comparison("samples and losses", bool(names), f"{steps} steps")


def _compare_ledgers(one: Path, other: Path, step: int) -> Comparison:
    """Which samples the ledgers give each step."""
    from qwen_pl.training.steps.ledger import LEDGER, read_ledger, stretch_of

    ours, theirs = read_ledger(one / LEDGER), read_ledger(other / LEDGER)
    for number in range(1, step + 1):
        mine, his = stretch_of(ours, number), stretch_of(theirs, number)
        if mine is None or his is None or mine.samples_of(number) != his.samples_of(number):
            return Comparison("sample numbers", False, f"the ledgers differ at step {number}")
    return Comparison("sample numbers", True, f"{step} steps")


def _compare_curves(one: Path, other: Path, step: int) -> Iterator[Comparison]:
    """The scalars that TensorBoard shows, but for those that measure time."""
    ours, theirs = read_curves(one), read_curves(other)
    names = [name for name in ours | theirs if not _is_timed(name)]
    for kind, chosen in (
        ("training curves", [name for name in names if not name.startswith(VALIDATION)]),
        ("validation curves", [name for name in names if name.startswith(VALIDATION)]),
    ):
        differing = []
        for name in chosen:
            mine, his = (sorted(c.get(name, [])) for c in (ours, theirs))
            mine, his = ([p for p in points if p[0] <= step] for points in (mine, his))
            if mine != his:
                differing.append((_first_difference(mine, his), name))
        points = sum(len(ours.get(name, [])) for name in chosen)
        if differing:
            (at, what), name = min(differing)
            yield Comparison(kind, False, f"{name} at step {at}: {what}")
        elif chosen:
            yield Comparison(kind, True, f"{len(chosen)} curves, {points} points, no step twice")


def _first_difference(ours: Sequence[tuple], theirs: Sequence[tuple]) -> tuple[int, str]:
    """The first step at which two curves do not have the same points, and what they have."""
    for step in sorted({step for step, _ in [*ours, *theirs]}):
        mine, his = ([value for at, value in c if at == step] for c in (ours, theirs))
        if mine != his:
            return step, f"{_values(mine)} unbroken, {_values(his)} resumed"
    raise AssertionError("the curves are the same")


def _values(values: Sequence[str]) -> str:
    return " and ".join(values) or "no value"


def read_curves(run_dir: Path) -> dict[str, list[tuple[int, str]]]:
    """The scalars of a run as TensorBoard shows them: step and value, written out."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not any(run_dir.glob("events.out.tfevents.*")):
        return {}
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it tells of each purged event
    events = EventAccumulator(str(run_dir), size_guidance={"scalars": 0})  # 0 keeps every one
    events.Reload()
    return {
        name: [(event.step, repr(event.value)) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def _compare_checkpoints(one: Path, other: Path, step: int) -> Iterator[Comparison]:
    """The checkpoints of a step, and of the lowest validation loss."""
    from qwen_pl.training.checkpoints.checkpoint import BEST, FOLDER, NAME

    name = f"{NAME.format(step=step)}.ckpt"
    ours, theirs = (_plain(run / FOLDER / name, run) for run in (one, other))
    if ours is None or theirs is None:
        missing = other if theirs is None else one
        yield Comparison("checkpoint", False, f"{missing.name} has none of step {step}")
        return
    keys = {"weights": ("state_dict",), "optimizer": ("optimizer_states",)}
    rest = tuple(key for key in ours if key not in ("state_dict", "optimizer_states"))
    for kind, names in (keys | {"all else": rest}).items():
        mine, his = ({key: values.get(key) for key in names} for values in (ours, theirs))
        difference = next(_differences(mine, his), "")
        count = sum(_sizes(mine))
        yield Comparison(kind, not difference, difference or f"{count:,} values")
    if (one / FOLDER / BEST).exists() or (other / FOLDER / BEST).exists():
        best, best_too = (_plain(run / FOLDER / BEST, run) for run in (one, other))
        if best is None or best_too is None:
            yield Comparison(BEST, False, "one of them has none")
            return
        difference = next(_differences(best["state_dict"], best_too["state_dict"]), "")
        yield Comparison(BEST, not difference, difference or f"of step {best['global_step']}")


def _plain(path: Path, run_dir: Path) -> dict[str, Any] | None:
    """What is in a checkpoint, with the run's folder left out of the paths in it."""
    from qwen_pl.training.checkpoints.checkpoint import load_checkpoint

    if not path.exists():
        return None
    checkpoint = load_checkpoint(path)

    def without_folder(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {without_folder(k): without_folder(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [without_folder(item) for item in value]
        return value.replace(str(run_dir), "") if isinstance(value, str) else value

    return without_folder(checkpoint)


def _differences(ours: Any, theirs: Any, name: str = "") -> Iterator[str]:
    """The places where two nests of tensors and plain data differ, and how."""
    import torch

    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            if _is_timed(str(key)) or key in _NAMES_RUN:
                continue
            inside = f"{name}.{key}" if name else str(key)
            if key not in ours or key not in theirs:
                yield f"{inside} is in one of them"
            else:
                yield from _differences(ours[key], theirs[key], inside)
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield f"{name} has {len(ours)} items unbroken, {len(theirs)} resumed"
        for index, pair in enumerate(zip(ours, theirs, strict=False)):
            yield from _differences(*pair, f"{name}[{index}]")
    elif isinstance(ours, torch.Tensor) and isinstance(theirs, torch.Tensor):
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            yield f"{name} has another shape or dtype"
        elif not torch.equal(_bits(ours), _bits(theirs)):
            most = (ours.double() - theirs.double()).abs().max().item()
            yield f"{name} differs by up to {most:.3g}"
    elif ours != theirs and not (ours != ours and theirs != theirs):
        yield f"{name} is {ours} unbroken, {theirs} resumed"


def _bits(tensor: Any) -> Any:
    """The bytes of a tensor: what is not a number is then equal to itself, and -0 is not 0."""
    import torch

    return tensor.contiguous().reshape(-1).view(torch.uint8)


def _sizes(nest: Any) -> Iterator[int]:
    import torch

    if isinstance(nest, Mapping):
        for value in nest.values():
            yield from _sizes(value)
    elif isinstance(nest, list):
        for value in nest:
            yield from _sizes(value)
    else:
        yield nest.numel() if isinstance(nest, torch.Tensor) else 1


def _is_timed(name: str) -> bool:
    return any(part in name for part in TIMED)
