"""Compares two runs to the last bit: what they end with, and what they saw and logged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qwen_pl.commands.parts.rehearsal import read_notes
from qwen_pl.runs import CHECKPOINTS
from qwen_pl.training.checkpoints.checkpoint import BEST, NAME, load_checkpoint
from qwen_pl.training.monitoring.recorded import MEASURED, read_curves
from qwen_pl.training.steps.ledger import LEDGER, read_ledger, stretch_of

TIMED = ("tokens_per_second", "mfu", "data_wait", "memory", "seconds", "time")
"""How names begin, or what stands in them, of values that no two runs have in common."""
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
    ours, theirs = read_ledger(one / LEDGER), read_ledger(other / LEDGER)
    for number in range(1, step + 1):
        mine, his = stretch_of(ours, number), stretch_of(theirs, number)
        if mine is None or his is None or mine.samples_of(number) != his.samples_of(number):
            return Comparison("sample numbers", False, f"the ledgers differ at step {number}")
    return Comparison("sample numbers", True, f"{step} steps")


def _compare_curves(one: Path, other: Path, step: int) -> Iterator[Comparison]:
    """The scalars that TensorBoard shows, but for those that measure time."""
    # Written out, what is not a number is equal to itself.
    ours, theirs = (
        {name: [(at, repr(value)) for at, value in points] for name, points in curves.items()}
        for curves in (read_curves(one), read_curves(other))
    )
    names = [name for name in ours | theirs if not _is_timed(name)]
    for kind, chosen in (
        ("training curves", [name for name in names if not name.startswith(MEASURED)]),
        ("validation curves", [name for name in names if name.startswith(MEASURED)]),
    ):
        differing = []
        for name in chosen:
            mine, his = (
                sorted(point for point in curves.get(name, []) if point[0] <= step)
                for curves in (ours, theirs)
            )
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
            words = (" and ".join(values) or "no value" for values in (mine, his))
            return step, "{} unbroken, {} resumed".format(*words)
    raise AssertionError("the curves are the same")


def _compare_checkpoints(one: Path, other: Path, step: int) -> Iterator[Comparison]:
    """The checkpoints of a step, and of the lowest validation loss."""
    name = f"{NAME.format(step=step)}.ckpt"
    missing = [run.name for run in (one, other) if not (run / CHECKPOINTS / name).exists()]
    if missing:
        yield Comparison("checkpoint", False, f"{missing[0]} has none of step {step}")
        return
    ours, theirs = (load_checkpoint(run / CHECKPOINTS / name) for run in (one, other))
    keys = {"weights": ("state_dict",), "optimizer": ("optimizer_states",)}
    rest = tuple(key for key in ours if key not in ("state_dict", "optimizer_states"))
    for kind, names in (keys | {"all else": rest}).items():
        mine = dict(_leaves({key: ours.get(key) for key in names}, one))
        his = dict(_leaves({key: theirs.get(key) for key in names}, other))
        difference = _difference(mine, his)
        yield Comparison(kind, not difference, difference or f"{_count(mine):,} values")
    have_best = [(run / CHECKPOINTS / BEST).exists() for run in (one, other)]
    if all(have_best):
        ours, theirs = (load_checkpoint(run / CHECKPOINTS / BEST) for run in (one, other))
        difference = _difference(ours["state_dict"], theirs["state_dict"])
        yield Comparison(BEST, not difference, difference or f"of step {ours['global_step']}")
    elif any(have_best):
        yield Comparison(BEST, False, "one of them has none")


def _leaves(nest: Any, run_dir: Path, name: str = "") -> Iterator[tuple[str, Any]]:
    """What is in a nest of dicts and lists, each under its way through it.

    What measures time is left out, and so is the name of the run and the folder in a path.

    >>> list(_leaves({"a": [1, {"b": "runs/one/x"}], "seconds": 2}, Path("runs/one")))
    [('a[0]', 1), ('a[1].b', '/x')]
    """
    if isinstance(nest, Mapping) and nest:
        for key, value in nest.items():
            if not _is_timed(str(key)) and key not in _NAMES_RUN:
                inside = str(key).replace(str(run_dir), "")
                yield from _leaves(value, run_dir, f"{name}.{inside}" if name else inside)
    elif isinstance(nest, list | tuple) and nest:
        for index, value in enumerate(nest):
            yield from _leaves(value, run_dir, f"{name}[{index}]")
    else:
        yield name, nest.replace(str(run_dir), "") if isinstance(nest, str) else nest


def _difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """Where two sets of tensors and plain values differ first, and how; empty if nowhere."""
    for name in {**ours, **theirs}:
        if name not in ours or name not in theirs:
            return f"{name} is in one of them"
        mine, his = ours[name], theirs[name]
        if isinstance(mine, torch.Tensor) and isinstance(his, torch.Tensor):
            if mine.shape != his.shape or mine.dtype != his.dtype:
                return f"{name} has another shape or dtype"
            if not torch.equal(_bits(mine), _bits(his)):
                most = (mine.double() - his.double()).abs().max().item()
                return f"{name} differs by up to {most:.3g}"
        elif mine != his and not (mine != mine and his != his):
            return f"{name} is {mine} unbroken, {his} resumed"
    return ""


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of a tensor: what is not a number is then equal to itself, and -0 is not 0."""
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def _count(leaves: Mapping[str, Any]) -> int:
    return sum(leaf.numel() if isinstance(leaf, torch.Tensor) else 1 for leaf in leaves.values())


def _is_timed(name: str) -> bool:
    return any(part in name for part in TIMED)
