"""What the console shows of a run: one line, within 80 columns, that says when it validates."""

import io
import re
from types import SimpleNamespace

import pytest

from qwen_pl.training.monitoring import console
from qwen_pl.training.monitoring.console import StepProgress
from qwen_pl.training.monitoring.curves import TrainingCurves

LARGE = {
    "train_loss": 11.0347,
    "val_loss": 10.9128,
    "tokens_per_second": 999_499.0,
    "mfu": 0.4127,
}


class Terminal(io.StringIO):
    """Takes what is written for a terminal."""

    def isatty(self) -> bool:
        return True


def at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Sets the clock of the console's line."""
    monkeypatch.setattr(console, "time", SimpleNamespace(perf_counter=lambda: seconds))


def shown(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, trainer: SimpleNamespace
) -> StepProgress:
    monkeypatch.setattr("sys.stderr", stream)
    at(monkeypatch, 0.0)
    curves = TrainingCurves()
    bar = StepProgress(curves)
    bar.on_train_start(trainer, None)
    curves.latest = LARGE
    return bar


def trainer_at(step: int) -> SimpleNamespace:
    return SimpleNamespace(
        global_step=step, max_steps=1_000_000, sanity_checking=False, num_val_batches=[300, 100]
    )


def test_the_bar_of_a_large_run_fits_into_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, trainer = Terminal(), trainer_at(0)
    bar = shown(monkeypatch, stream, trainer)
    trainer.global_step = 10_000
    at(monkeypatch, 3600.0)
    bar.on_train_batch_end(trainer)
    line = re.split(r"[\r\n]", stream.getvalue().rstrip())[-1]
    assert line.startswith("10000/1000000 |")
    for said in ("loss 11.03", "val 10.91", "999k tokens/s", "MFU 41%", "4d 3h left"):
        assert said in line
    assert len(re.sub(r"\|.*\|", "|###|", line)) < 80  # the bar takes what is left


def test_a_long_validation_is_told_with_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, trainer = io.StringIO(), trainer_at(0)
    bar = shown(monkeypatch, stream, trainer)
    trainer.global_step = 7000
    at(monkeypatch, 60.0)
    bar.on_validation_batch_end(trainer, None, None, None, batch_idx=19, dataloader_idx=1)
    assert stream.getvalue().startswith("step 7000/1000000, loss 11.03, val 10.91")
    assert stream.getvalue().endswith(", validating 80%\n")


def test_lines_come_only_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, trainer = io.StringIO(), trainer_at(0)
    bar = shown(monkeypatch, stream, trainer)
    at(monkeypatch, 3.0)
    bar.on_train_batch_end(trainer)
    assert stream.getvalue() == ""
    at(monkeypatch, 21.0)
    bar.on_train_batch_end(trainer)
    bar.on_train_batch_end(trainer)
    assert stream.getvalue().count("\n") == 1
