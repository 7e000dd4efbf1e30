"""What a resumed run makes of a config that is not the one it began with."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import Outcome, Run

from qwen_pl.training.checkpoints.checkpoint import load_checkpoint


@pytest.fixture
def begun(qwen_pl: Run, config: Path, folder: Path) -> Path:
    """The checkpoint of a run after three steps."""
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 3)
    return folder / "lightning_logs/small/checkpoints/step=00000003.ckpt"


def lines(outcome: Outcome) -> list[str]:
    """What is said of differences."""
    return re.findall(r"^  (\S+ .* -> .*)$", outcome.err, re.MULTILINE)


def group_settings(path: Path) -> list[dict[str, Any]]:
    groups = load_checkpoint(path)["optimizer_states"][0]["param_groups"]
    return [{k: v for k, v in group.items() if k != "params"} for group in groups]


def test_a_run_resumed_as_it_was_tells_of_no_difference(
    qwen_pl: Run, config: Path, begun: Path
) -> None:
    outcome = qwen_pl("fit", "--config", config, "--trainer.max_steps", 3, "--ckpt_path", "last")
    assert "resuming" in outcome.err
    assert "step=00000003.ckpt" in outcome.err
    assert lines(outcome) == []


def test_differences_are_told_one_a_line_and_names_are_none(
    qwen_pl: Run, config: Path, begun: Path, folder: Path
) -> None:
    moved = folder / "other.yaml"
    moved.write_text(config.read_text())
    changed = ["--model.lr", "0.002", "--trainer.gradient_clip_val", "0.5"]
    options = ["--run", "another", "--trainer.max_steps", "4", "--ckpt_path", begun]
    outcome = qwen_pl("fit", "--config", moved, *options, *changed)
    assert outcome.code == 0, outcome.err
    assert sorted(lines(outcome)) == [
        "model.lr 0.01 -> 0.002",
        "trainer.gradient_clip_val 1.0 -> 0.5",
        "trainer.max_steps 3 -> 4",
    ]


def test_what_the_user_writes_about_the_optimizer_wins(
    qwen_pl: Run, config: Path, begun: Path
) -> None:
    written = {"lr": "0.003", "weight_decay": "0.7", "betas": "[0.8, 0.85]"}
    written |= {"warmup_steps": "0", "min_lr_ratio": "1.0"}
    options = [word for name, value in written.items() for word in (f"--model.{name}", value)]
    options += ["--trainer.max_steps", "4", "--ckpt_path", "last"]
    assert qwen_pl("fit", "--config", config, *options).code == 0
    matrices, vectors = group_settings(begun.with_name("step=00000004.ckpt"))
    for group in (matrices, vectors):
        assert group["lr"] == group["initial_lr"] == 0.003  # min_lr_ratio 1: it never falls
        assert tuple(group["betas"]) == (0.8, 0.85)
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.7, 0.0)


def test_another_seed_brings_another_order_and_other_noise_and_says_so(
    qwen_pl: Run, config: Path, begun: Path
) -> None:
    resume = ["fit", "--config", config, "--trainer.max_steps", "4", "--ckpt_path", begun]
    weights = []
    for run, seed in (("a", "42"), ("b", "7"), ("c", "7")):
        outcome = qwen_pl(*resume, "--run", run, "--seed_everything", seed)
        said = [line for line in lines(outcome) if line.startswith("seed_everything")]
        assert len(said) == (seed == "7")
        assert all("another order" in line for line in said)
        path = begun.parents[2] / run / "checkpoints/step=00000004.ckpt"
        weights.append(load_checkpoint(path)["state_dict"]["model.model.norm.weight"])
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("data.seq_len", "20", "data.seq_len is 20, the checkpoint was trained with 24"),
        ("data.stride", "8", "data.stride is 8, the checkpoint was trained with 24"),
        ("model.config.hidden_size", "20", "hidden_size 16 (config: 20)"),
        ("data.vocab_size", "300", "the checkpoint was trained with tokenizer"),
        ("data.val_fraction", "0.2", "the checkpoint was trained"),
        ("model.optimizer", "muon", "model.optimizer is muon"),
    ],
)
def test_what_cannot_work_is_refused_with_a_way_out(
    qwen_pl: Run, config: Path, begun: Path, setting: str, value: str, says: str
) -> None:
    before = begun.read_bytes()
    outcome = qwen_pl("fit", "--config", config, "--ckpt_path", "last", f"--{setting}", value)
    assert outcome.code == 2
    (error,) = re.findall("^error: .*", outcome.err, re.MULTILINE)
    assert says in error
    assert "--run NAME" in error
    assert begun.read_bytes() == before


def test_inspect_shows_what_made_a_checkpoint(qwen_pl: Run, config: Path, begun: Path) -> None:
    outcome = qwen_pl("inspect", "--run", "small")
    assert outcome.code == 0, outcome.err
    for said in ("undamaged", "qwen_pl 0", "torch 2", "216 tokens seen", "small.pdf", "tokenizer"):
        assert said in outcome.out, outcome.out
    shown = qwen_pl("inspect", "--run", "small", "--config").out
    assert yaml.safe_load(shown)["model"]["lr"] == 0.01
