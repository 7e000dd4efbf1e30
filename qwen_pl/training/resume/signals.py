"""What a run does when it is asked to stop: Ctrl-C, SIGTERM, and Slurm's word that time is up."""

import copy
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from qwen_pl.errors import Stopped, is_first_on_machine
from qwen_pl.terminal import tell
from qwen_pl.training.optim.averaging import WeightAveraging
from qwen_pl.training.resume.saving import StepCheckpoint
from qwen_pl.training.resume.validating import validation_follows

REQUEUE = getattr(signal, "SIGUSR1", None)
"""Sent by Slurm some time before a job's end, if it was asked to; Windows has no such signal."""
SIGNALS = [number for number in (signal.SIGINT, signal.SIGTERM, REQUEUE) if number is not None]
_SECONDS_OF_ECHO = 2.0


class StopOnSignal(Checkpoint):
    """Finishes the optimizer step, saves, and leaves with 128 and the number of the signal.

    All processes of a run stop at the same step, whichever got the signal. A second Ctrl-C ends the
    process at once. In a validation the run stops after the batch: the step before it is saved as
    it was then, and the resumed run begins with the validation.

    A ``Checkpoint``, as the Trainer calls those behind all others: a step is left only when what
    saves it, a ``ModelCheckpoint`` of the user's maybe, has seen it.
    """

    def __init__(self, checkpoint: StepCheckpoint, averaging: WeightAveraging) -> None:
        self.checkpoint = checkpoint
        self.averaging = averaging
        self._received = 0
        self._received_at = 0.0
        self._last_step = 0
        self._at_step_end: dict[str, Any] = {}
        """What a validation changes in the run's state, as it was before; empty at most times."""
        self._saves_step_end = False
        self._launcher: Any = None
        self._earlier: dict[int, Any] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        # Lightning's own handlers save nothing and exit with 0, and talk to other processes from
        # within a signal, which hangs unless all of them got it. With them goes that it asks, at
        # each batch, whether one has got it, for which the host would wait for the device.
        _switch_off(trainer._signal_connector, "register_signal_handlers")
        _switch_off(trainer.fit_loop.epoch_loop, "_broadcast_sigterm_tensor")
        self._launcher = trainer.strategy.launcher

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._last_step = trainer.global_step
        self._received = 0
        if threading.current_thread() is threading.main_thread():
            self._earlier = {number: signal.signal(number, self._note) for number in SIGNALS}

    def on_train_batch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        # A signal may have come while this step was saved, and one more step would be saved again.
        if trainer.global_step > 0 and self.checkpoint.is_saved(trainer):
            self._stop_if_asked(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.global_step == self._last_step:
            return  # gradients are still being accumulated: a checkpoint here would lose them
        self._last_step = trainer.global_step
        self._stop_if_asked(trainer)
        self._at_step_end = _changing_state(trainer) if validation_follows(trainer) else {}

    def on_validation_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        is_exact = bool(self._at_step_end) or self.checkpoint.is_saved(trainer)
        if self._earlier and is_exact:
            self._stop_if_asked(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._at_step_end = {}

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop_if_asked(trainer)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self._saves_step_end:
            checkpoint.update(self._at_step_end)

    def on_exception(self, *args: Any) -> None:
        self._give_back()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._give_back()

    def _give_back(self) -> None:
        """Lets signals do again what they did before the training."""
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        self._earlier = {}

    def _stop_if_asked(self, trainer: pl.Trainer) -> None:
        """Saves and leaves, if any process has got a signal: one may reach only one of them."""
        decide = trainer.strategy.reduce_boolean_decision
        if not decide(self._received > 0, all=False):
            return
        number = next(n for n in SIGNALS if decide(self._received == n, all=False))
        self._saves_step_end = trainer.validating and not self.checkpoint.is_saved(trainer)
        self.averaging.hide(trainer.lightning_module)
        self.checkpoint.save_now(trainer)
        if trainer.is_global_zero:
            has_saved = self.checkpoint.is_saved(trainer)
            done = "stopped and saved" if has_saved else "stopped"
            tell("", f"{done} at step {trainer.global_step}", file=sys.stderr)
            if number == REQUEUE:
                requeue()
        raise SystemExit(128 + number)

    def _note(self, number: int, frame: Any) -> None:
        if not self._received:
            self._received, self._received_at = number, time.monotonic()
            if is_first_on_machine():
                # Not by print, which may be what the signal has interrupted.
                os.write(2, b"\nstopping after this step; Ctrl-C to stop at once\n")
        elif number == signal.SIGINT and not self._is_echo():
            if hasattr(self._launcher, "kill"):
                self._launcher.kill(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
            os._exit(128 + number)

    def _is_echo(self) -> bool:
        """Whether torchrun has passed on the same Ctrl-C, which had reached us already."""
        is_soon = time.monotonic() - self._received_at < _SECONDS_OF_ECHO
        return "TORCHELASTIC_RUN_ID" in os.environ and is_soon


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Lets SIGTERM and SIGUSR1 end what is in the block as Ctrl-C does, all that is open closed.

    While a run trains, ``StopOnSignal`` is in charge instead.
    """
    earlier = {}
    if threading.current_thread() is threading.main_thread():
        # Ctrl-C too is given back: of a run whose loggers fail no callback is told that it ended.
        earlier = {number: signal.getsignal(number) for number in SIGNALS}
        for number in earlier.keys() - {signal.SIGINT}:
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _stop(number: int, frame: Any) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough
    raise Stopped(number)


def _changing_state(trainer: pl.Trainer) -> dict[str, Any]:
    """What a checkpoint holds of loops and callbacks, in which a validation changes something."""
    loops = ("fit_loop", "validate_loop", "test_loop", "predict_loop")
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]  # a connector sets it
    states = {callback.state_key: callback.state_dict() for callback in callbacks}
    return copy.deepcopy(
        {
            "loops": {name: getattr(trainer, name).state_dict() for name in loops},
            "callbacks": {key: state for key, state in states.items() if state},
        }
    )


def _switch_off(owner: Any, method: str) -> None:
    """Lets a method of Lightning's do nothing.

    Raises:
        AttributeError: If there is no such method: what it did is done by another then.
    """
    getattr(owner, method)
    setattr(owner, method, lambda: None)


def requeue() -> None:
    """Puts the job that this process belongs to back into Slurm's queue, and says so in a line.

    Outside of Slurm there is nothing to ask.
    """
    job, array = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURM_ARRAY_JOB_ID")
    if array is not None:  # of which this is one task
        job = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID', '0')}"
    if job is None:
        return
    try:
        asked = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
        problem = asked.stderr.strip() or f"exit code {asked.returncode}"
        succeeded = asked.returncode == 0
    except OSError as error:
        problem, succeeded = str(error), False
    if succeeded:
        tell(f"asked Slurm to start job {job} again", file=sys.stderr)
    else:
        tell(f"scontrol requeue {job} failed: {problem}; submit the job again", file=sys.stderr)
