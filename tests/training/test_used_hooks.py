"""Hooks of a step are called as the Trainer itself calls them, where there are any."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.trainer import call
from quiet_trainer import quiet_trainer

from qwen_pl.training import used_hooks
from qwen_pl.training.used_hooks import OF_A_STEP, call_used_hooks_only

Events = list[tuple[str, str, str | None]]


def noting(name: str) -> Any:
    """A hook that notes its owner, its name, and what the module takes for the present hook."""

    def hook(owner: Any, *args: Any, **kwargs: Any) -> None:
        module = owner if isinstance(owner, pl.LightningModule) else args[1]
        owner.events.append((type(owner).__name__, name, module._current_fx_name))

    return hook


def with_hooks(base: type, name: str, *hooks: str) -> type:
    return type(name, (base,), {hook: noting(hook) for hook in hooks})


Every = with_hooks(pl.Callback, "Every", *OF_A_STEP, "on_train_epoch_end", "on_validation_start")
Some = with_hooks(pl.Callback, "Some", "on_before_backward", "on_train_batch_end")
Heir = type("Heir", (Some,), {})
Empty = with_hooks(pl.Callback, "Empty")
Module = with_hooks(BoringModel, "Module", "on_after_backward", "on_train_batch_start")


def events_of_a_run(folder: Path) -> Events:
    torch.manual_seed(0)
    events: Events = []
    module, callbacks = Module(), [Empty(), Some(), Every(), Heir(), Empty()]
    for owner in (module, *callbacks):
        owner.events = events
    settings = {"max_steps": 3, "accumulate_grad_batches": 2, "limit_val_batches": 1}
    quiet_trainer(callbacks=callbacks, default_root_dir=folder, **settings).fit(module)
    return events


@pytest.fixture(autouse=True)
def as_in_lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier test in this process may have changed them; later ones get back what there was."""
    monkeypatch.setattr(call, "_call_callback_hooks", used_hooks._call_all)
    monkeypatch.setattr(call, "_call_lightning_module_hook", used_hooks._call_module)


def test_every_hook_is_called_as_by_the_trainer(tmp_path: Path) -> None:
    before = events_of_a_run(tmp_path)
    call_used_hooks_only()
    assert call._call_callback_hooks is not used_hooks._call_all
    assert events_of_a_run(tmp_path) == before
    assert {owner for owner, *_ in before} == {"Some", "Every", "Heir", "Module"}
    assert {name for _, name, _ in before} > OF_A_STEP


@pytest.mark.parametrize("answer", [-1, None])
def test_the_module_can_still_end_an_epoch(tmp_path: Path, answer: int | None) -> None:
    call_used_hooks_only()
    ending = type("Ending", (BoringModel,), {"on_train_batch_start": lambda *args: answer})
    limits = {"limit_train_batches": 4, "limit_val_batches": 0}
    trainer = quiet_trainer(max_epochs=1, default_root_dir=tmp_path, **limits)
    trainer.fit(ending())
    assert trainer.global_step == (0 if answer == -1 else 4)
