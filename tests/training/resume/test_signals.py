"""What a run does when it is asked to stop, at every moment at which it may be."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import REPOSITORY, Run
from own_process import OwnProcess
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from qwen_pl.training.checkpoints import checkpoint as checkpoint_module
from qwen_pl.training.module import Qwen3Module
from qwen_pl.training.resume.signals import requeue

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def weights(run_dir: Path, step: int) -> dict[str, torch.Tensor]:
    path = run_dir / f"checkpoints/step={step:08d}.ckpt"
    return torch.load(path, weights_only=True)["state_dict"]


def val_losses(run_dir: Path) -> list[tuple[int, float]]:
    events = EventAccumulator(str(run_dir))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("val_loss")]


def raise_in(
    monkeypatch: pytest.MonkeyPatch, method: str, number: int, *, step: int, batch_idx: int
) -> None:
    """Raises a signal in a method of the module, once, where so many steps are done."""
    plain = getattr(Qwen3Module, method)
    raised: list[int] = []

    def raising(self: Qwen3Module, batch: Any, index: int) -> Any:
        is_then = (self.trainer.global_step, index) == (step, batch_idx)
        if is_then and not raised and not self.trainer.sanity_checking:
            raised.append(number)
            signal.raise_signal(number)
        return plain(self, batch, index)

    monkeypatch.setattr(Qwen3Module, method, raising)


def test_a_signal_in_a_validation_ends_it_and_the_resumed_run_is_as_if_unbroken(
    qwen_pl: Run, config: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["fit", "--config", config, "--data.num_workers", 1]
    qwen_pl(*options, "--run", "unbroken")
    raise_in(monkeypatch, "validation_step", signal.SIGTERM, step=8, batch_idx=1)
    outcome = qwen_pl(*options, "--run", "broken")
    assert outcome.code == 143
    assert "stopped and saved at step 8" in outcome.err
    unbroken, broken = (folder / "lightning_logs" / name for name in ("unbroken", "broken"))
    assert [step for step, _ in val_losses(broken)] == [4]

    assert qwen_pl(*options, "--run", "broken", "--ckpt_path", "last").code == 0
    assert val_losses(unbroken) == val_losses(broken)
    ours, theirs = weights(unbroken, 12), weights(broken, 12)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_signal_while_a_step_is_saved_does_not_start_another(
    qwen_pl: Run, config: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = checkpoint_module.write_file

    def interrupted(checkpoint: dict[str, Any], file: Any) -> None:
        if "step=00000005" in file.name:
            signal.raise_signal(signal.SIGINT)
        plain(checkpoint, file)

    monkeypatch.setattr(checkpoint_module, "write_file", interrupted)
    outcome = qwen_pl("fit", "--config", config)
    assert outcome.code == 130
    assert "stopped and saved at step 5" in outcome.err
    names = {path.name for path in (folder / "lightning_logs/small/checkpoints").iterdir()}
    assert names == {"step=00000005.ckpt", "best.ckpt"}


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "stopped by SIGTERM")],
)
@pytest.mark.parametrize("moment", ["prepare", "sanity", "validate", "test", "predict"])
def test_a_signal_outside_of_training_ends_with_its_code_and_one_line(
    qwen_pl: Run,
    config: Path,
    folder: Path,
    trained_once: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
    line: str,
    moment: str,
) -> None:
    def stopped(*args: object, **kwargs: object) -> None:
        signal.raise_signal(number)

    verb, target = {
        "prepare": ("fit", "qwen_pl.data.datamodule.prepare"),
        "sanity": ("fit", "qwen_pl.training.module.Qwen3Module.validation_step"),
        "validate": ("validate", "qwen_pl.training.module.Qwen3Module.validation_step"),
        "test": ("test", "qwen_pl.training.module.Qwen3Module.test_step"),
        "predict": ("predict", "qwen_pl.training.module.Qwen3Module.predict_step"),
    }[moment]
    monkeypatch.setattr(target, stopped)
    options = []
    if verb != "fit":
        options += ["--ckpt_path", trained_once]
    if verb == "predict":
        (folder / "prompts.txt").write_text("Bane\n")
        options += ["--data.prompts", folder / "prompts.txt"]
    before = signal.getsignal(signal.SIGINT)
    try:
        outcome = qwen_pl(verb, "--config", config, *options)
    finally:
        signal.signal(signal.SIGINT, before)  # Lightning ignores Ctrl-C once it has seen one
    assert outcome.code == code, outcome.err
    assert line in outcome.err.splitlines()
    assert "Traceback" not in outcome.err


@pytest.fixture
def scontrol(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for Slurm's command, which notes what it is asked."""
    asked = folder / "asked.txt"
    command = folder / "bin/scontrol"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    command.chmod(command.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    for name, value in {
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NAME": "books",
        "SLURM_NTASKS": "1",
        "SLURM_NNODES": "1",
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
        "SLURM_NODEID": "0",
        "SLURM_NODELIST": "localhost",
    }.items():
        monkeypatch.setenv(name, value)
    return asked


def test_slurms_signal_saves_asks_for_another_turn_and_the_same_command_goes_on(
    qwen_pl: Run, config: Path, folder: Path, scontrol: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ["fit", "--config", config, "--ckpt_path", "last"]
    with monkeypatch.context() as once:
        raise_in(once, "training_step", signal.SIGUSR1, step=6, batch_idx=6)
        outcome = qwen_pl(*job)
    assert outcome.code == 128 + signal.SIGUSR1
    assert "stopped and saved at step 7" in outcome.err
    assert "asked Slurm to start job 4711 again" in outcome.err
    assert scontrol.read_text() == "requeue 4711\n"
    assert not list(folder.rglob("hpc_ckpt*"))
    outcome = qwen_pl(*job)
    assert outcome.code == 0
    assert "step=00000007.ckpt" in outcome.err
    assert (folder / "lightning_logs/small/checkpoints/step=00000012.ckpt").is_file()


def test_slurms_signal_before_training_asks_for_another_turn_too(
    qwen_pl: Run, config: Path, scontrol: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "qwen_pl.data.datamodule.prepare",
        lambda *args, **kwargs: signal.raise_signal(signal.SIGUSR1),
    )
    outcome = qwen_pl("fit", "--config", config, "--ckpt_path", "last")
    assert outcome.code == 128 + signal.SIGUSR1
    assert scontrol.read_text() == "requeue 4711\n"


def test_one_task_of_an_array_is_named_and_a_refusal_is_told(
    scontrol: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "88")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    requeue()
    assert scontrol.read_text() == "requeue 88_3\n"
    monkeypatch.setenv("PATH", str(scontrol.parent))
    requeue()
    assert "scontrol requeue 88_3 failed" in capfd.readouterr().err


def test_a_second_ctrl_c_ends_at_once(
    qwen_pl: Run, config: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended(BaseException):
        pass

    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(os, "_exit", end)
    raise_in(monkeypatch, "training_step", signal.SIGTERM, step=6, batch_idx=6)
    plain = Qwen3Module.training_step

    def twice(self: Qwen3Module, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = plain(self, batch, batch_idx)
        if self.trainer.global_step == 6:
            signal.raise_signal(signal.SIGTERM)  # which machines may repeat: no reason to hurry
            signal.raise_signal(signal.SIGINT)
        return loss

    monkeypatch.setattr(Qwen3Module, "training_step", twice)
    with pytest.raises(Ended, match="130"):
        qwen_pl("fit", "--config", config)
    assert not (folder / "lightning_logs/small/checkpoints/step=00000007.ckpt").exists()


def test_a_ctrl_c_that_torchrun_passes_on_is_no_second_one(
    qwen_pl: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchrun = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
    for name, value in (torchrun | {"RANK": "0", "LOCAL_RANK": "0"}).items():
        monkeypatch.setenv(name, value)
    plain = Qwen3Module.training_step

    def twice(self: Qwen3Module, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.trainer.global_step == 6:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return plain(self, batch, batch_idx)

    monkeypatch.setattr(Qwen3Module, "training_step", twice)
    outcome = qwen_pl("fit", "--config", config)
    assert outcome.code == 130
    assert "stopped and saved at step 7" in outcome.err


# A run in which one of two processes gets a signal.
SIGNALLING = """
import os, signal
from qwen_pl.__main__ import main
from qwen_pl.training.module import Qwen3Module
plain = Qwen3Module.training_step
def training_step(self, batch, batch_idx):
    if self.trainer.global_step == 2 and self.trainer.global_rank == 1:
        signal.raise_signal(signal.SIGTERM)
    return plain(self, batch, batch_idx)
Qwen3Module.training_step = training_step
if __name__ == "__main__":
    main()
"""


def test_a_signal_to_one_of_two_processes_stops_both_at_the_same_step(
    config: Path, folder: Path
) -> None:
    program = folder / "signalling.py"
    program.write_text(SIGNALLING)
    command = [sys.executable, program, "fit", "--config", config]
    command += ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True)
    assert ended.returncode == 143, ended.stderr
    assert ended.stderr.count("stopped and saved at step 3") == 1
    assert "Traceback" not in ended.stderr
    assert (folder / "lightning_logs/small/checkpoints/step=00000003.ckpt").is_file()


def test_a_signal_to_the_whole_group_spares_the_workers(config: Path, folder: Path) -> None:
    command = ["fit", "--config", config]
    command += ["--data.num_workers", 2, "--trainer.max_steps", 100000]
    process = OwnProcess(command, folder)
    checkpoints = folder / "lightning_logs/small/checkpoints"
    process.wait_until(lambda: any(checkpoints.glob("step=*.ckpt")))
    process.signal_group(signal.SIGTERM)
    outcome = process.end()
    assert outcome.code == 143, outcome.err
    assert "stopped and saved at step" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests of the other verbs keep the one checkpoint that they share."""
    return tmp_path_factory.mktemp("trained") / "step=00000001.ckpt"


@pytest.fixture(autouse=True)
def _train_once(request: pytest.FixtureRequest, qwen_pl: Run, config: Path, folder: Path) -> None:
    if "trained_once" not in request.fixturenames:
        return
    path = request.getfixturevalue("trained_once")
    if not path.exists():
        qwen_pl("fit", "--config", config, "--run", "once", "--trainer.max_steps", 1)
        (folder / "lightning_logs/once/checkpoints" / path.name).rename(path)
