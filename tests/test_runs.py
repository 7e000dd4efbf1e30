"""Whole runs through the command line: what they leave, how they end, how they go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from command_line import REPOSITORY, Run
from evil import Evil
from own_process import SECONDS, in_own_process
from run_folder import same, scalars

from qwen_pl.run.saved_config import config_in_force


def test_a_run_leaves_its_config_checkpoints_and_curves(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    outcome = qwen_pl("fit", "--config", config)
    assert outcome.code == 0, outcome.err
    run_dir = folder / "lightning_logs" / "small"
    names = {file.name for file in (run_dir / "checkpoints").iterdir()}
    assert names == {"step=00000010.ckpt", "step=00000012.ckpt", "best.ckpt"}
    assert yaml.safe_load((run_dir / "config.yaml").read_text())["data"]["seq_len"] == 24
    assert list(scalars(run_dir, "train_loss")) == [2, 4, 6, 8, 10, 12]
    assert list(scalars(run_dir, "val_bits_per_byte")) == [4, 8, 12]
    for name in ("learning_rate", "gradient_norm", "tokens_per_second"):
        assert all(value > 0 for value in scalars(run_dir, name).values())
    for said in ("checkpoints", "cache/text/small", "cache/tokenizer", "tensorboard", "generate"):
        assert said in outcome.out


def test_the_saved_config_repeats_the_run(qwen_pl: Run, config: Path, folder: Path) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 4)
    saved = folder / "lightning_logs/small/config.yaml"
    assert qwen_pl("fit", "--config", saved, "--run", "again").code == 0
    last = "checkpoints/step=00000004.ckpt"
    assert same(folder / "lightning_logs/small" / last, folder / "lightning_logs/again" / last)


def test_a_folder_that_holds_a_run_is_not_started_over(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    before = sorted(folder.rglob("*.ckpt"))
    outcome = qwen_pl("fit", "--config", config)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert all(way in outcome.err for way in ("--ckpt_path last", "--run NAME", "remove"))
    assert sorted(folder.rglob("*.ckpt")) == before


@pytest.mark.parametrize(
    "changes", [{}, {"data.num_workers": 2, "trainer.accumulate_grad_batches": 2}]
)
def test_an_interrupted_run_resumes_bit_for_bit(
    qwen_pl: Run, config: Path, folder: Path, changes: dict[str, int]
) -> None:
    options = [item for name, value in changes.items() for item in (f"--{name}", value)]
    qwen_pl("fit", "--config", config, "--run", "unbroken", *options)
    broken = ["fit", "--config", config, "--run", "broken", *options]
    ended = in_own_process(broken, folder, program=INTERRUPTING)
    assert ended.code == 130, ended.err
    assert "stopped and saved at step 7" in ended.err
    assert (folder / "lightning_logs/broken/checkpoints/step=00000007.ckpt").is_file()

    resumed = qwen_pl("fit", "--config", config, "--run", "broken", *options, "--ckpt_path", "last")
    assert resumed.code == 0, resumed.err
    last = "checkpoints/step=00000012.ckpt"
    unbroken, broken = (folder / "lightning_logs" / name for name in ("unbroken", "broken"))
    assert same(unbroken / last, broken / last)
    losses = scalars(unbroken, "train_loss")
    assert {s: v for s, v in scalars(broken, "train_loss").items() if s > 8} == {
        s: v for s, v in losses.items() if s > 8
    }
    assert scalars(unbroken, "val_loss") == scalars(broken, "val_loss")


def test_a_finished_run_says_that_it_is_finished(qwen_pl: Run, config: Path, folder: Path) -> None:
    qwen_pl("fit", "--config", config)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.ckpt")}
    outcome = qwen_pl("fit", "--config", config, "--ckpt_path", "last")
    assert outcome.code == 0
    assert "small had all its 12 steps" in outcome.out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.ckpt")} == before


def test_ctrl_c_before_the_first_step_ends_with_130_and_one_line(
    qwen_pl: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("qwen_pl.data.datamodule.prepare", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    try:
        outcome = qwen_pl("fit", "--config", config)
    finally:
        signal.signal(signal.SIGINT, handler)  # Lightning ignores Ctrl-C once it has seen one
    assert outcome.code == 130
    assert outcome.err.strip() == "interrupted"


# Raises SIGINT inside the forward pass of the seventh step, as Ctrl-C would.
INTERRUPTING = """
import signal
from qwen_pl.__main__ import main
from qwen_pl.training.module import Qwen3Module
plain = Qwen3Module.training_step
def training_step(self, batch, batch_idx):
    if self.trainer.global_step == 6 and not hasattr(self, "interrupted"):
        self.interrupted = True
        signal.raise_signal(signal.SIGINT)
    return plain(self, batch, batch_idx)
Qwen3Module.training_step = training_step
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
def test_sigterm_saves_and_ends_with_143(config: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "qwen_pl", "fit", "--config", config]
    command += ["--trainer.max_steps", "100000", "--trainer.val_check_interval", "100000"]
    process = subprocess.Popen(
        [*map(str, command)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        text=True,
    )
    checkpoints = folder / "lightning_logs/small/checkpoints"
    last = time.monotonic() + SECONDS
    while not any(checkpoints.glob("step=*.ckpt")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < last
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    step = int(err.split("saved at step ")[1].split()[0])
    assert (checkpoints / f"step={step:08d}.ckpt").is_file()


def test_last_is_the_newest_checkpoint_that_is_not_damaged(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    qwen_pl("fit", "--config", config)
    checkpoints = folder / "lightning_logs/small/checkpoints"
    newest = checkpoints / "step=00000012.ckpt"
    content = newest.read_bytes()
    for damaged in (
        content[: len(content) // 2],
        b"",
        content[:5000] + b"\0\0\0\0" + content[5004:],
    ):
        newest.write_bytes(damaged)
        outcome = qwen_pl("generate", "--run", "small", "--prompt", "Bane", "--seed", 1)
        assert outcome.code == 0
        assert "step=00000012.ckpt is damaged" in outcome.err
        assert "step=00000010.ckpt" in outcome.err
    outcome = qwen_pl("generate", "--ckpt_path", newest, "--prompt", "Bane")
    assert outcome.code == 2
    assert "is damaged" in outcome.err


def test_a_checkpoint_that_would_run_code_is_refused(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    torch.save({"state_dict": Evil(folder)}, folder / "evil.ckpt")
    for verb in (
        ["fit", "--config", config],
        ["validate", "--config", config],
        ["generate", "--prompt", "x"],
    ):
        outcome = qwen_pl(*verb, "--ckpt_path", folder / "evil.ckpt")
        assert outcome.code == 2
        assert "more than tensors and plain data" in outcome.err
    assert not (folder / "owned").exists()


def test_what_the_user_writes_wins_over_the_checkpoint(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 5)
    qwen_pl("fit", "--config", config, "--ckpt_path", "last", "--trainer.gradient_clip_val", 0.5)
    later = folder / "lightning_logs/small/config.from-step-5.yaml"
    assert yaml.safe_load(later.read_text())["trainer"]["gradient_clip_val"] == 0.5


def test_a_run_keeps_each_config_from_the_step_that_it_was_in_force(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    run = folder / "lightning_logs/small"

    def fit(max_steps: int, lr: float, *options: object) -> dict[str, float]:
        settings = ("--trainer.max_steps", max_steps, "--model.lr", lr)
        outcome = qwen_pl("fit", "--config", config, *settings, *options)
        assert outcome.code == 0, outcome.err
        kept = {file.name: yaml.safe_load(file.read_text()) for file in run.glob("config*.yaml")}
        assert not any(settings.get("ckpt_path") for settings in kept.values())
        return {name: settings["model"]["lr"] for name, settings in kept.items()}

    first, later, last = "config.yaml", "config.from-step-5.yaml", "config.from-step-10.yaml"
    fit(10, 0.01)
    at_5, at_10 = (("--ckpt_path", run / f"checkpoints/step={n:08d}.ckpt") for n in (5, 10))
    assert fit(10, 0.01, *at_5) == {first: 0.01}
    assert fit(10, 0.02, *at_5) == {first: 0.01, later: 0.02}
    assert fit(15, 0.01, *at_10) == {first: 0.01, later: 0.02, last: 0.01}
    assert [config_in_force(run, step).name for step in (5, 6, 10, 11)] == [
        first,
        later,
        later,
        last,
    ]
    assert fit(15, 0.03, *at_10) == {first: 0.01, later: 0.02, last: 0.03}


def test_validate_and_test_measure_the_last_checkpoint(qwen_pl: Run, config: Path) -> None:
    qwen_pl("fit", "--config", config)
    for verb, split in (("validate", "val"), ("test", "test")):
        outcome = qwen_pl(verb, "--config", config, "--ckpt_path", "last")
        assert outcome.code == 0, outcome.err
        assert "checkpoints/step=00000012.ckpt:" in outcome.err  # a newer one may be gone
        for name in ("loss", "perplexity", "bits_per_byte"):
            assert f"{split}_{name}" in outcome.out


def test_predict_completes_a_file_of_prompts(qwen_pl: Run, config: Path, folder: Path) -> None:
    qwen_pl("fit", "--config", config)
    prompts = folder / "prompts.txt"
    prompts.write_text("Bane tol\nRisum\n\nKa veth\n")
    outcome = qwen_pl("predict", "--config", config, "--data.prompts", prompts)
    assert outcome.code == 0, outcome.err
    written = (folder / "lightning_logs/small/predictions.jsonl").read_text().splitlines()
    lines = [yaml.safe_load(line) for line in written]
    assert [line["prompt"] for line in lines] == ["Bane tol", "Risum", "Ka veth"]
    assert all(line["completion"] for line in lines)


def test_generate_repeats_itself_with_the_same_seed(qwen_pl: Run, config: Path) -> None:
    qwen_pl("fit", "--config", config)
    texts = [
        qwen_pl("generate", "--prompt", "Bane", "--max_new_tokens", 60, "--seed", seed).out
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].startswith("Bane")


def test_a_second_process_cannot_train_into_the_same_folder(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    from filelock import FileLock

    run_dir = folder / "lightning_logs/small"
    run_dir.mkdir(parents=True)
    with FileLock(run_dir / ".lock"):
        outcome = qwen_pl("fit", "--config", config)
    assert outcome.code == 2
    assert "is being trained by another process" in outcome.err
