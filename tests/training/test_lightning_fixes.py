"""Lightning's own callbacks work from the config, and resume as the rest does."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import Run, complains
from run_folder import same, scalars


def with_callback(config: Path, name: str, **settings: Any) -> Path:
    """The config with a callback, in a file of its own."""
    values = yaml.safe_load(config.read_text())
    values["trainer"]["callbacks"] = [{"class_path": name, "init_args": settings}]
    path = config.with_name(f"{name}.yaml")
    path.write_text(yaml.safe_dump(values))
    return path


def checkpoint(run: str, step: int) -> Path:
    return Path(f"lightning_logs/{run}/checkpoints/step={step:08d}.ckpt")


def test_early_stopping_ends_a_run_says_why_and_gives_way_to_more_patience(
    qwen_pl: Run, config: Path
) -> None:
    # No validation improves by so much, so each but the first counts.
    watch = {"monitor": "val_loss", "min_delta": 5.0}
    stopped = with_callback(config, "EarlyStopping", patience=1, **watch)
    outcome = qwen_pl("fit", "--config", stopped, "--run", "stopped")
    assert outcome.code == 0, outcome.err
    assert "stopped at step 8: val_loss has not improved" in outcome.err
    assert checkpoint("stopped", 8).is_file() and not checkpoint("stopped", 10).exists()

    again = qwen_pl("fit", "--config", stopped, "--run", "stopped", "--ckpt_path", "last")
    assert again.code == 0 and "stopped at step 8: val_loss" in again.err
    assert not checkpoint("stopped", 10).exists()

    patient = with_callback(config, "EarlyStopping", patience=3, **watch)
    more = qwen_pl("fit", "--config", patient, "--run", "stopped", "--ckpt_path", "last")
    assert more.code == 0 and "stopped at" not in more.err
    qwen_pl("fit", "--config", patient, "--run", "unbroken")
    assert same(checkpoint("stopped", 12), checkpoint("unbroken", 12))


def test_a_run_uses_the_rate_that_a_sweep_finds_and_is_otherwise_untouched_by_it(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    finding = with_callback(config, "LearningRateFinder", num_training_steps=20, max_lr=0.3)
    outcome = qwen_pl("fit", "--config", finding, "--run", "found")
    assert outcome.code == 0, outcome.err
    states = torch.load(checkpoint("found", 10), weights_only=True)["callbacks"]
    lr = states["TidyLearningRateFinder"]["found"]
    assert f"model.lr is {lr:g} instead of 0.01" in outcome.err
    checkpoint("found", 12).unlink()
    outcome = qwen_pl("fit", "--config", finding, "--run", "found", "--ckpt_path", "last")
    assert outcome.code == 0, outcome.err
    assert "model.lr is" not in outcome.err  # it has been found already

    qwen_pl("fit", "--config", config, "--run", "told", "--model.lr", repr(lr))
    assert same(checkpoint("found", 12), checkpoint("told", 12))
    found, told = (folder / "lightning_logs" / run for run in ("found", "told"))
    for name in ("learning_rate", "val_loss"):
        assert scalars(found, name) == scalars(told, name)
    assert not list(folder.rglob(".lr_find*"))


@pytest.mark.parametrize(
    ("name", "settings", "options", "words"),
    [
        ("EarlyStopping", {"monitor": "loss"}, [], ["watches loss", "monitor one of val_loss"]),
        ("EarlyStopping", {"monitor": "val_loss", "mode": "up"}, [], ["up"]),
        (
            "EarlyStopping",
            {"monitor": "val_loss"},
            ["--data.val_fraction", 0],
            ["no validation to watch", "data.val_fraction"],
        ),
        ("StochasticWeightAveraging", {"swa_lrs": 0.1}, [], ["counts epochs"]),
    ],
)
def test_a_callback_that_cannot_work_is_refused_in_one_line(
    qwen_pl: Run, config: Path, name: str, settings: dict, options: list, words: list[str]
) -> None:
    path = with_callback(config, name, **settings)
    complains(qwen_pl("fit", "--config", path, *options), *words)
    assert not list(Path("lightning_logs").glob("*"))


def test_other_callbacks_do_no_harm(qwen_pl: Run, config: Path) -> None:
    qwen_pl("fit", "--config", config, "--run", "plain")
    for name in ("LearningRateMonitor", "RichProgressBar"):
        path = with_callback(config, name)
        outcome = qwen_pl("fit", "--config", path, "--run", name)
        assert outcome.code == 0, outcome.err
        assert same(checkpoint("plain", 12), checkpoint(name, 12))


def test_a_run_whose_time_is_over_says_so_and_keeps_its_last_step(
    qwen_pl: Run, config: Path
) -> None:
    options = ["--trainer.max_time", "00:00:00:01", "--trainer.max_steps", 10**6]
    outcome = qwen_pl("fit", "--config", config, *options, "--trainer.val_check_interval", 10**6)
    assert outcome.code == 0, outcome.err
    step = int(outcome.err.split("stopped at step ")[1].split(":")[0])
    assert "trainer.max_time" in outcome.err
    assert checkpoint("small", step).is_file()
