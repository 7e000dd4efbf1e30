"""A run that was killed or stopped at any moment goes on as if it had not been."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from command_line import Run
from own_process import in_own_process

from qwen_pl.commands.parts.compare_runs import compare_runs
from qwen_pl.training.module import Qwen3Module
from qwen_pl.training.monitoring.recorded import read_curves


@pytest.fixture
def noted(folder: Path) -> Callable[[str], list[str]]:
    """The options that let a run note what its steps saw."""

    def options(run: str) -> list[str]:
        notes = folder / "lightning_logs" / run / "notes"
        rehearsal = ["--trainer.callbacks+", "qwen_pl.commands.parts.rehearsal.Rehearsal"]
        return ["--run", run, *rehearsal, "--trainer.callbacks.notes", str(notes)]

    return options


@pytest.fixture
def interrupt_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int], None]]:
    """Sends this process Ctrl-C in a hook of the module, once so many steps are taken."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def arrange(hook: str, steps: int) -> None:
        plain = getattr(Qwen3Module, hook)

        def interrupted(self: Qwen3Module, batch: object, batch_idx: int) -> object:
            if self.trainer.global_step == steps and not self.trainer.sanity_checking:
                monkeypatch.setattr(Qwen3Module, hook, plain)
                signal.raise_signal(signal.SIGINT)
            return plain(self, batch, batch_idx)

        monkeypatch.setattr(Qwen3Module, hook, interrupted)

    yield arrange
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_killed_run_goes_on_bit_for_bit_on_any_device(
    config: Path, folder: Path, noted: Callable[[str], list[str]], on_device: list[str]
) -> None:
    options = ["fit", "--config", config, *on_device, "--trainer.deterministic", "true"]
    options += ["--trainer.max_steps", 10]
    kill = ["--trainer.callbacks.moment", "saving", "--trainer.callbacks.step", 5]
    again = ["--ckpt_path", "last"]
    commands = ([*noted("unbroken")], [*noted("killed"), *kill], [*noted("killed"), *again])
    unbroken, killed, resumed = (
        in_own_process([*options, *words], folder, name=f"fit-{number}")
        for number, words in enumerate(commands)
    )
    assert [unbroken.code, killed.code, resumed.code] == [0, -signal.SIGKILL, 0], resumed.err
    assert differing(folder, "unbroken", "killed", 10) == []


def differing(folder: Path, one: str, other: str, step: int) -> list[str]:
    runs = (folder / "lightning_logs" / name for name in (one, other))
    return [f"{f.name}: {f.detail}" for f in compare_runs(*runs, step) if not f.is_same]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_run_that_is_killed_over_and_over_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    options = ["--settings", "accumulation", "--kills", 6, "--steps", 14, "--folder", tmp_path]
    ended = in_own_process(options, tmp_path, program="from benchmarks.kills import main; main()")
    assert ended.code == 0, ended.out + ended.err
    for kind in ("anywhere", "saving", "validating", "accumulating", "starting"):
        assert kind in ended.out
    assert "DIFFERS" not in ended.out
    assert "0 left an unfinished" not in ended.out


def test_the_comparison_names_what_differs_first(
    qwen_pl: Run, config: Path, folder: Path, noted: Callable[[str], list[str]]
) -> None:
    for name, rate in (("one", 0.01), ("same", 0.01), ("other", 0.02)):
        options = ["--model.lr", rate, "--trainer.max_steps", 4]
        assert qwen_pl("fit", "--config", config, *noted(name), *options).code == 0
    assert differing(folder, "one", "same", 4) == []
    found = differing(folder, "one", "other", 4)
    assert found[0] == "samples and losses: losses differ at step 2 (rank-0.jsonl)"
    assert any(line.startswith("training curves: learning_rate at step 2: ") for line in found)
    assert any(line.startswith("weights: state_dict.model.") for line in found)


@pytest.mark.parametrize(
    ("hook", "steps"),
    [("training_step", 3), ("training_step", 11), ("validation_step", 12)],
)
def test_a_validation_that_a_signal_left_out_is_done_on_the_resume(
    qwen_pl: Run,
    config: Path,
    folder: Path,
    noted: Callable[[str], list[str]],
    interrupt_at: Callable[[str, int], None],
    hook: str,
    steps: int,
) -> None:
    assert qwen_pl("fit", "--config", config, *noted("unbroken")).code == 0
    interrupt_at(hook, steps)
    assert qwen_pl("fit", "--config", config, *noted("stopped")).code == 130
    stopped = folder / "lightning_logs/stopped"
    assert (stopped / f"checkpoints/step={-(-steps // 4) * 4:08d}.ckpt").is_file()
    before = len(read_curves(stopped).get("val_loss", []))
    assert before == (steps - 1) // 4
    resumed = qwen_pl("fit", "--config", config, *noted("stopped"), "--ckpt_path", "last")
    assert resumed.code == 0, resumed.err
    assert differing(folder, "unbroken", "stopped", 12) == []


def test_last_starts_a_run_that_has_no_checkpoint_yet(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    options = ["--trainer.max_steps", 4, "--ckpt_path", "last"]
    first = qwen_pl("fit", "--config", config, *options)
    assert first.code == 0
    assert "no checkpoint in lightning_logs/small yet: starting" in first.err
    run = folder / "lightning_logs/small"
    for left in run.glob("checkpoints/step=*"):  # as if killed after the first validation
        left.unlink()
    again = qwen_pl("fit", "--config", config, *options)
    assert again.code == 0, again.err
    assert "yet: starting" in again.err
    assert (run / "checkpoints/step=00000004.ckpt").is_file()


def test_last_does_not_start_over_where_checkpoints_were_removed_or_damaged(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 8)
    checkpoints = folder / "lightning_logs/small/checkpoints"
    for path in checkpoints.glob("step=*"):
        path.write_bytes(b"")
    damaged = qwen_pl("fit", "--config", config, "--ckpt_path", "last")
    assert (damaged.code, "damaged" in damaged.err) == (2, True)
    for path in checkpoints.glob("step=*"):
        path.unlink()
    removed = qwen_pl("fit", "--config", config, "--ckpt_path", "last")
    assert (removed.code, "no checkpoint in" in removed.err) == (2, True)
    assert [path.name for path in checkpoints.iterdir()] == ["best.ckpt"]


def test_validation_falls_between_steps(qwen_pl: Run, config: Path, folder: Path) -> None:
    options = {"accumulate_grad_batches": 3, "val_check_interval": 4, "max_steps": 5}
    words = [word for name, value in options.items() for word in (f"--trainer.{name}", value)]
    outcome = qwen_pl("fit", "--config", config, *words)
    assert outcome.code == 0
    assert "val_check_interval is 4 batches, a step takes 3: validating every 6" in outcome.err
    curves = read_curves(folder / "lightning_logs/small")
    assert [step for step, _ in curves["val_loss"]] == [2, 4]


def test_validating_leaves_the_random_numbers_of_training_alone(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    for run, interval in (("often", 1), ("seldom", 12)):
        options = ["--trainer.val_check_interval", interval, "--run", run]
        assert qwen_pl("fit", "--config", config, *options).code == 0
    ours, theirs = (
        torch.load(
            folder / f"lightning_logs/{run}/checkpoints/step=00000012.ckpt", weights_only=True
        )["state_dict"]
        for run in ("often", "seldom")
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_preparation_that_is_killed_over_and_over_leaves_the_cache_of_one_that_was_not(
    tmp_path: Path,
) -> None:
    options = ["--settings", "prepare", "--kills", 3, "--folder", tmp_path]
    ended = in_own_process(options, tmp_path, program="from benchmarks.kills import main; main()")
    assert ended.code == 0, ended.out + ended.err
    assert "cache                same" in ended.out
