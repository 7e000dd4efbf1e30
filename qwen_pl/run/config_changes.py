"""Compares the config that a run resumes with to the one in its checkpoint."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from qwen_pl.errors import InputError

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
_NOTES = {
    "seed_everything": "the samples come in another order from here: until the next epoch some "
    "come twice and some are left out",
}
_LONGEST = 80  # characters of a value


def plain_config(dumped: str) -> dict[str, Any]:
    """A config as plain data for a checkpoint, without what is nobody's business.

    >>> plain_config("data: {seq_len: 24, password: secret}")
    {'data': {'seq_len': 24}}
    """
    config = yaml.safe_load(dumped)
    config.get("data", {}).pop("password", None)
    return config


def changes(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """One line for each setting that is not as it was.

    >>> changes({"model": {"lr": 0.002}, "run": "a"}, {"model": {"lr": 0.001}, "run": "b"})
    ['model.lr 0.002 -> 0.001']
    """
    return [
        f"{name} {_shown(before)} -> {_shown(after)}{_noted(name)}"
        for name, before, after in _differing(theirs, ours)
    ]


def check_windows(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Refuses other windows: the position in their order is all that a checkpoint knows of them.

    Args:
        theirs: What the checkpoint knows of ``data.seq_len`` and ``data.stride``.
        ours: The same of the config.

    Raises:
        InputError: If one has changed.
    """
    for name in ("seq_len", "stride"):
        before, after = (data.get(name) or data.get("seq_len") for data in (theirs, ours))
        if before is not None and before != after:
            raise InputError(
                f"data.{name} is {after}, the checkpoint was trained with {before} and counts the "
                "windows of that: restore it, or start another run from its weights: export them, "
                "then --run NAME --model.from_pretrained FOLDER"
            )


def _differing(
    theirs: Mapping[str, Any], ours: Mapping[str, Any], above: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """The settings that are not as they were, by their full names, in the order of the config."""
    for key in dict.fromkeys([*ours, *theirs]):
        name = f"{above}{key}"
        before, after = theirs.get(key), ours.get(key)
        if name in _NO_CHANGE or before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _differing(before, after, f"{name}.")
        else:
            yield name, before, after


def _noted(name: str) -> str:
    return f" ({_NOTES[name]})" if name in _NOTES else ""


def _shown(value: Any) -> str:
    """A value as a config has it, on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    text = text.removesuffix("...\n").strip()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
