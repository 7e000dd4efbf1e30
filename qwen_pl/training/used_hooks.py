"""Calls the hooks of a step only where somebody has written them."""

from functools import cache
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.trainer import call

OF_A_STEP = frozenset(
    [
        "on_train_batch_start",
        "on_before_zero_grad",
        "on_before_backward",
        "on_after_backward",
        "on_before_optimizer_step",
        "on_train_batch_end",
    ]
)

_call_all = call._call_callback_hooks
_call_module = call._call_lightning_module_hook


def call_used_hooks_only() -> None:
    """Makes the Trainer do so in this process: six hooks of some twenty callbacks are mostly empty.

    To name and to time each of them, as the Trainer does, costs more than half a millisecond a
    step.
    """
    call._call_callback_hooks = _call_used
    call._call_lightning_module_hook = _call_module_if_used


def _call_used(trainer: pl.Trainer, hook_name: str, *args: Any, **kwargs: Any) -> None:
    if hook_name not in OF_A_STEP or "monitoring_callbacks" in kwargs:
        _call_all(trainer, hook_name, *args, **kwargs)
        return
    callbacks = trainer.callbacks
    places = _users(hook_name, tuple([type(callback) for callback in callbacks]))
    if not places:
        return
    module = trainer.lightning_module
    before, module._current_fx_name = module._current_fx_name, hook_name
    for place in places:
        getattr(callbacks[place], hook_name)(trainer, module, *args, **kwargs)
    module._current_fx_name = before


def _call_module_if_used(trainer: pl.Trainer, hook_name: str, *args: Any, **kwargs: Any) -> Any:
    if hook_name in OF_A_STEP and not _is_used(hook_name, type(trainer.lightning_module)):
        return None
    return _call_module(trainer, hook_name, *args, **kwargs)


@cache
def _users(hook_name: str, kinds: tuple[type, ...]) -> list[int]:
    """Which of the callbacks, given by their classes, have a hook of their own."""
    empty = getattr(pl.Callback, hook_name)
    return [place for place, kind in enumerate(kinds) if getattr(kind, hook_name) is not empty]


@cache
def _is_used(hook_name: str, kind: type) -> bool:
    return getattr(kind, hook_name) is not getattr(pl.LightningModule, hook_name)
