"""A validation that a run owes is made up for, and leaves no trace that it was."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from command_line import Run

from qwen_pl.training.module import Qwen3Module
from qwen_pl.training.resume.signals import _switch_off

BY_THE_CLOCK = {"tokens_per_second", "mfu", "device_memory_gb", "data_wait"}


def state_of(path: Path) -> dict[str, Any]:
    """All that a checkpoint holds but for what depends on the clock."""
    checkpoint = torch.load(path, weights_only=True)
    curves = checkpoint["callbacks"]["TrainingCurves"]
    curves["latest"] = {k: v for k, v in curves["latest"].items() if k not in BY_THE_CLOCK}
    checkpoint["qwen_pl"].pop("run_config")
    checkpoint["callbacks"].pop("RunTexts")  # the config too
    return checkpoint


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        alike = one.keys() == other.keys()
        return alike and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.mark.parametrize("steps", [4, 12])
@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_checkpoint_of_a_validation_made_up_for_is_that_of_an_unbroken_run(
    qwen_pl: Run,
    config: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
    accumulated: int,
) -> None:
    options = ["fit", "--config", config, "--checkpoint.every_n_train_steps", 4]
    options += ["--checkpoint.save_top_k", -1, "--trainer.accumulate_grad_batches", accumulated]
    options += ["--trainer.val_check_interval", 4 * accumulated]
    assert qwen_pl(*options, "--run", "unbroken").code == 0

    class Stopped(BaseException):
        """As a kill after the step is on the disk, and before its validation."""

    def save_and_stop(self: Qwen3Module, *args: Any) -> None:
        if self.trainer.global_step == steps:
            self.trainer.checkpoint_callbacks[-2].save_now(self.trainer)
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(Qwen3Module, "on_train_batch_end", save_and_stop)
        with pytest.raises(Stopped):
            qwen_pl(*options, "--run", "stopped")
    resumed = qwen_pl(*options, "--run", "stopped", "--ckpt_path", "last")
    assert resumed.code == 0, resumed.err
    for step in (steps, 12):
        ours, theirs = (
            state_of(folder / f"lightning_logs/{run}/checkpoints/step={step:08d}.ckpt")
            for run in ("unbroken", "stopped")
        )
        assert [key for key in ours if not same(ours[key], theirs[key])] == []


def test_lightning_saves_no_checkpoints_beside_ours(
    qwen_pl: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def note(self: Qwen3Module) -> None:
        seen.extend(type(c).__name__ for c in self.trainer.checkpoint_callbacks)

    monkeypatch.setattr(Qwen3Module, "on_train_end", note)
    assert qwen_pl("fit", "--config", config, "--trainer.max_steps", 1).code == 0
    assert seen == ["BestCheckpoint", "StepCheckpoint", "StopOnSignal"]


def test_a_method_of_lightning_that_was_renamed_is_missed_at_once() -> None:
    loop = pl.Trainer(logger=False, accelerator="cpu").fit_loop.epoch_loop
    _switch_off(loop, "_broadcast_sigterm_tensor")
    assert loop._broadcast_sigterm_tensor() is None
    with pytest.raises(AttributeError, match="renamed"):
        _switch_off(SimpleNamespace(), "renamed")
