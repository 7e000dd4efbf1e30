"""Which checkpoints a run has, and what a network needs of one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_networks import random_checkpoint

from qwen_pl.errors import InputError
from qwen_pl.runs import CHECKPOINTS
from qwen_pl.training.checkpoints.checkpoint import (
    BEST,
    has_begun,
    load_checkpoint,
    load_facts,
    load_network,
    save_checkpoint,
)


def checkpoint_of(step: int, *, complete: bool = True, interval: int = 5) -> dict[str, Any]:
    """As small as one of a run can be."""
    config = {"checkpoint": {"every_n_train_steps": interval}}
    facts = {"global_step": step, "qwen_pl": {"run_config": config, "config": {}}}
    return facts | {"optimizer_states": []} if complete else facts


@pytest.mark.parametrize(
    ("left", "begun"),
    [
        ({}, False),
        ({BEST: 4}, False),  # killed between an early validation and the first save
        ({BEST: 5}, False),  # measured at the step that was to be saved
        ({BEST: 6}, True),  # step 5 was saved, and removed since
        ({BEST: None}, True),
        ({"step=00000005.ckpt": None}, True),
        ({"step=00000005.ckpt": 5, BEST: 4}, True),
        ({"kept.ckpt": 5}, True),
    ],
)
def test_a_run_has_begun_once_it_has_saved_a_step(
    tmp_path: Path, left: dict[str, int | None], begun: bool
) -> None:
    for name, step in left.items():
        path = tmp_path / CHECKPOINTS / name
        path.parent.mkdir(exist_ok=True)
        if step is None:
            path.write_bytes(b"damaged")
        else:
            save_checkpoint(checkpoint_of(step, complete=name != BEST), path)
    assert has_begun(tmp_path, every_n_train_steps=3) is begun  # whatever it is by now


def lacking(weights: dict[str, torch.Tensor]) -> None:
    del weights["model.lm_head.weight"]


def left_over(weights: dict[str, torch.Tensor]) -> None:
    weights["model.bias"] = torch.zeros(3)


def reshaped(weights: dict[str, torch.Tensor]) -> None:
    weights["model.lm_head.weight"] = weights["model.lm_head.weight"].T


@pytest.mark.parametrize("change", [lacking, left_over, reshaped])
def test_weights_of_another_network_than_is_described_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    path = random_checkpoint(tmp_path)
    checkpoint = load_checkpoint(path)
    change(checkpoint["state_dict"])
    save_checkpoint(checkpoint, path)
    with pytest.raises(InputError, match=r"step=00000003\.ckpt does not hold the model it descr"):
        load_network(path)


@pytest.mark.parametrize("name", ["state_dict", "PDFDataModule", "callbacks", "global_step"])
def test_a_whole_file_that_no_run_has_saved_is_refused(tmp_path: Path, name: str) -> None:
    path = random_checkpoint(tmp_path)
    checkpoint = load_checkpoint(path)
    for changed in (
        checkpoint | {name: "\x1b[31m"},
        checkpoint | {"qwen_pl": {}},
        checkpoint | {"qwen_pl": 7},
        [checkpoint],
    ):
        torch.save(changed, path)
        for read in (load_facts, load_network):
            with pytest.raises(InputError, match="step="):
                read(path)
