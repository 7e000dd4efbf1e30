"""What checkpoints and curves tell of a run's validation."""

from pathlib import Path

import pytest
import torch
from command_line import Run

from qwen_pl.training.monitoring.recorded import measured_metrics, tokens_seen


def read(file: Path) -> dict:
    return torch.load(file, weights_only=True)


def test_a_checkpoint_knows_the_validation_before_it(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    qwen_pl("fit", "--config", config)
    run = folder / "lightning_logs/small"
    at_10 = read(run / "checkpoints/step=00000010.ckpt")
    step, metrics = measured_metrics(at_10, None)
    assert step == 8
    assert metrics.keys() == {"val_loss", "val_perplexity", "val_bits_per_byte"}
    assert measured_metrics(at_10, run) == (step, metrics)  # nothing was measured at step 10

    best = read(run / "checkpoints/best.ckpt")
    assert measured_metrics(best, None)[0] == best["global_step"]

    at_12 = read(run / "checkpoints/step=00000012.ckpt")
    step, own = measured_metrics(at_12, None)
    assert step == 12
    assert own["val_loss"] != metrics["val_loss"]

    at_12["qwen_pl"]["measured"] = at_10["qwen_pl"]["measured"]  # as if saved before it
    assert measured_metrics(at_12, None)[0] == 8
    step, by_curves = measured_metrics(at_12, run)
    assert (step, by_curves.keys()) == (12, own.keys())
    assert by_curves["val_loss"] == pytest.approx(own["val_loss"])


def test_what_was_measured_is_not_forgotten_in_a_resume(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 5)
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 7, "--ckpt_path", "last")
    at_7 = read(folder / "lightning_logs/small/checkpoints/step=00000007.ckpt")
    assert measured_metrics(at_7, None)[0] == 4
    assert tokens_seen(at_7) == 7 * 3 * 24


def test_an_earlier_checkpoint_tells_less(folder: Path) -> None:
    bare = {"global_step": 3, "qwen_pl": {"version": "0.0.9"}, "PDFDataModule": {}}
    assert measured_metrics(bare, folder) == (None, {})
    assert tokens_seen(bare) is None
