"""Averaged weights: what they are, who uses them, and that a resume keeps them."""

from pathlib import Path

import pytest
import torch
from command_line import Outcome, Run
from run_folder import same

from qwen_pl.errors import InputError
from qwen_pl.training.checkpoints.checkpoint import load_network
from qwen_pl.training.optim.averaging import WeightAveraging


@pytest.fixture
def averaged(qwen_pl: Run, config: Path, folder: Path) -> Path:
    """The checkpoints of a run whose weights were averaged."""
    options = ["--weight_averaging.decay", 0.7, "--checkpoint.save_top_k", -1]
    outcome = qwen_pl("fit", "--config", config, *options, "--checkpoint.every_n_train_steps", 1)
    assert outcome.code == 0, outcome.err
    return folder / "lightning_logs/small/checkpoints"


def read(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def step(checkpoints: Path, number: int) -> Path:
    return checkpoints / f"step={number:08d}.ckpt"


def test_the_average_follows_its_formula_and_every_verb_takes_it(
    averaged: Path, qwen_pl: Run, config: Path
) -> None:
    for number in range(2, 13):
        before, after = read(step(averaged, number - 1)), read(step(averaged, number))
        decay = min(0.7, number / (9 + number))  # the first average is of the step before
        for name, average in after["averaged_weights"].items():
            expected = decay * before["averaged_weights"][name]
            expected += (1 - decay) * after["state_dict"][name]
            torch.testing.assert_close(average, expected, rtol=1e-5, atol=1e-6)
            if average.ndim == 2:
                assert not torch.allclose(average, after["state_dict"][name], atol=1e-4)

    last = read(step(averaged, 12))
    network, _ = load_network(step(averaged, 12))
    for name, average in last["averaged_weights"].items():
        assert torch.equal(network.get_parameter(name.removeprefix("model.")), average)
    assert torch.equal(network.lm_head.weight, network.model.embed_tokens.weight)
    # The best was measured at step 4, 8 or 12, and holds what was measured, once.
    best = read(averaged / "best.ckpt")
    measured = read(step(averaged, best["global_step"]))["averaged_weights"]
    assert all(torch.equal(best["state_dict"][name], measured[name]) for name in measured)
    assert "averaged_weights" not in best

    assert best["global_step"] == 12
    for ckpt_path in ("last", "best"):
        outcome = qwen_pl("generate", "--prompt", "Bane", "--ckpt_path", ckpt_path)
        assert outcome.err.count("the weights are those averaged over the steps") == 1
        outcome = qwen_pl("validate", "--config", config, "--ckpt_path", ckpt_path)
        assert outcome.err.count("the weights are those averaged over the steps") == 1
        assert val_loss(outcome) == pytest.approx(best["qwen_pl"]["measured"]["val_loss"], abs=1e-4)


def val_loss(outcome: Outcome) -> float:
    [line] = [line for line in outcome.out.splitlines() if "val_loss" in line]
    return float(line.split()[1])


def test_a_resumed_run_keeps_its_average_which_changes_no_step(
    averaged: Path, qwen_pl: Run, config: Path, folder: Path
) -> None:
    for run, options in (("broken", ["--weight_averaging.decay", 0.7]), ("plain", [])):
        checkpoints = folder / "lightning_logs" / run / "checkpoints"
        checkpoints.mkdir(parents=True)
        step(checkpoints, 7).write_bytes(step(averaged, 7).read_bytes())
        options = ["--config", config, "--run", run, "--ckpt_path", "last", *options]
        assert qwen_pl("fit", *options).code == 0
        assert same(step(averaged, 12), step(checkpoints, 12))
    ours = read(step(averaged, 12))["averaged_weights"]
    theirs = read(step(folder / "lightning_logs/broken/checkpoints", 12))["averaged_weights"]
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert "averaged_weights" not in read(step(checkpoints, 12))


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_an_impossible_decay_is_refused_with_its_value(decay: float) -> None:
    with pytest.raises(InputError, match=rf"weight_averaging\.decay is {decay}"):
        WeightAveraging(decay)
