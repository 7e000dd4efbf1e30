"""Steps that would spoil the weights: that they do not, and what is told of them."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Run
from lightning.pytorch.plugins import MixedPrecision
from run_folder import same, scalars

from qwen_pl.errors import InputError
from qwen_pl.training.module import Qwen3Module
from qwen_pl.training.steps.bad_steps import BadSteps


def read(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def checkpoint(folder: Path, step: int, run: str = "small") -> Path:
    return folder / f"lightning_logs/{run}/checkpoints/step={step:08d}.ckpt"


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the loss, or only its gradient, no number in some batches, counted from 0."""

    def install(*batches: int, value: float = math.nan, gradient_only: bool = False) -> None:
        plain = Qwen3Module.training_step

        def training_step(self: Qwen3Module, batch: dict, batch_idx: int) -> torch.Tensor:
            loss = plain(self, batch, batch_idx)
            if batch_idx not in batches:
                return loss
            if gradient_only:
                loss.register_hook(lambda gradient: gradient * value)
                return loss
            return loss + value  # its gradient alone would be finite

        monkeypatch.setattr(Qwen3Module, "training_step", training_step)

    return install


EVERY_STEP = ("--checkpoint.every_n_train_steps", 1, "--checkpoint.save_top_k", -1)


@pytest.mark.parametrize("gradient_only", [False, True])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_bad_step_moves_neither_weights_nor_moments_nor_average(
    qwen_pl: Run,
    config: Path,
    folder: Path,
    spoil: Callable,
    gradient_only: bool,
    optimizer: str,
) -> None:
    spoil(8, gradient_only=gradient_only)  # the first of the two batches of step 5
    options = ["--trainer.accumulate_grad_batches", 2, "--weight_averaging.decay", 0.5]
    options += ["--model.optimizer", optimizer, "--trainer.max_steps", 6]
    outcome = qwen_pl("fit", "--config", config, *EVERY_STEP, *options)
    assert outcome.code == 0, outcome.err
    before, after, next_one = (read(checkpoint(folder, step)) for step in (4, 5, 6))
    for name, weight in after["state_dict"].items():
        assert torch.equal(weight, before["state_dict"][name])
        assert weight.ndim == 1 or not torch.equal(weight, next_one["state_dict"][name])
    for name, average in after["averaged_weights"].items():
        assert torch.equal(average, before["averaged_weights"][name])
    moments = [saved["optimizer_states"][0]["state"] for saved in (before, after)]
    for ours, theirs in zip(*(state.values() for state in moments), strict=True):
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    [was, now] = [saved["optimizer_states"][0]["param_groups"][0] for saved in (before, after)]
    assert was["lr"] != now["lr"]  # the schedule has gone on

    [line] = [line for line in outcome.err.splitlines() if "skipped" in line]
    what = "gradient norm is nan" if gradient_only else "loss is nan"
    assert line.startswith(f"step 5 skipped, as its {what}: sample 0 of 6, ")
    # The loss of the first batch says that it is one of its three; a gradient says nothing.
    assert line.count("small.pdf, page") == (4 if gradient_only else 3)
    assert ("and 2 more" in line) == gradient_only
    counted = scalars(folder / "lightning_logs/small", "skipped_steps")
    assert counted == {2: 0, 4: 0, 5: 1, 6: 1}


def test_a_bad_step_leaves_no_gap_in_the_curve_of_the_loss(
    qwen_pl: Run, config: Path, folder: Path, spoil: Callable
) -> None:
    each = ("--trainer.log_every_n_steps", 1, "--trainer.max_steps", 4)
    qwen_pl("fit", "--config", config, *each, "--run", "good")
    spoil(3)
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 4)
    runs = folder / "lightning_logs"
    each_loss = scalars(runs / "good", "train_loss")
    losses = scalars(runs / "small", "train_loss")  # of two steps each
    assert losses[2] == pytest.approx((each_loss[1] + each_loss[2]) / 2)
    assert losses[4] == pytest.approx(each_loss[3])
    assert list(scalars(runs / "small", "train_loss_smoothed")) == [2, 4]


def test_a_spoilt_document_is_named_by_its_sample(
    qwen_pl: Run, config: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qwen_pl.model.qwen3 import Qwen3ForCausalLM

    plain, spoilt = Qwen3ForCausalLM.forward, []

    def forward(self: Any, input_ids: torch.Tensor, labels: Any = None, **options: Any) -> Any:
        loss = plain(self, input_ids, labels, **options)
        if self.training and labels is not None:
            if not spoilt and len(labels) == 3:
                spoilt.append(labels[1])  # all that is known of the window, whatever the noise
            if any(torch.equal(row, spoilt[0]) for row in labels):
                return loss * math.inf
        return loss

    monkeypatch.setattr(Qwen3ForCausalLM, "forward", forward)
    outcome = qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    assert outcome.code == 0, outcome.err
    [line] = [line for line in outcome.err.splitlines() if "skipped" in line]
    assert line.startswith("step 1 skipped, as its loss is inf: sample 1 of 3, ")
    assert line.count("sample") == 1
    located = qwen_pl("locate", "--run", "small", "--step", 1, "--sample", 1).out.splitlines()[0]
    assert line.split("sample 1 of 3, ")[1] in located


def test_too_many_bad_steps_in_a_row_end_the_run_and_name_the_last_good_checkpoint(
    qwen_pl: Run, config: Path, folder: Path, spoil: Callable
) -> None:
    spoil(2, 3, 6, 7, 8, 9, 10, 11)
    outcome = qwen_pl("fit", "--config", config, "--bad_steps.max_in_a_row", 3)
    assert outcome.code == 1
    last = outcome.err.splitlines()[-1]
    assert last.startswith("error: stopped at step 9: 3 steps in a row had to be skipped")
    assert str(checkpoint(folder, 5)) in last
    assert "Traceback" not in outcome.err
    assert [path.name for path in checkpoint(folder, 0).parent.glob("step*")] == [
        "step=00000005.ckpt"
    ]


def test_spoilt_weights_are_not_saved_over_good_ones(
    qwen_pl: Run, config: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Qwen3Module.optimizer_step

    def optimizer_step(self: Qwen3Module, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        if self.trainer.global_step == 9:
            self.model.model.norm.weight.data[3] = math.inf

    monkeypatch.setattr(Qwen3Module, "optimizer_step", optimizer_step)
    outcome = qwen_pl("fit", "--config", config)
    assert outcome.code == 1
    last = outcome.err.splitlines()[-1]
    assert last.startswith("error: the weights of step 10 are not finite; the last good checkpoint")
    assert str(checkpoint(folder, 5)) in last
    assert not checkpoint(folder, 10).exists()


def test_a_leap_of_the_loss_is_told_with_its_pages_and_nothing_is_skipped(
    qwen_pl: Run, config: Path, folder: Path, spoil: Callable
) -> None:
    spoil(9, value=5.0)
    options = ["--config", config, "--bad_steps.spike_warmup_steps", 4]
    outcome = qwen_pl("fit", *options)
    [line] = [line for line in outcome.err.splitlines() if "deviations" in line]
    assert line.startswith("step 10 has loss ")
    assert line.count("small.pdf, page") == 1
    run_dir = folder / "lightning_logs/small"
    assert scalars(run_dir, "loss_spikes") == {2: 0, 4: 0, 6: 0, 8: 0, 10: 1, 12: 1}
    assert set(scalars(run_dir, "skipped_steps").values()) == {0}
    quiet = qwen_pl("fit", *options, "--run", "quiet", "--bad_steps.spike_deviations", "null")
    assert "deviations" not in quiet.err
    assert same(checkpoint(folder, 12), checkpoint(folder, 12, "quiet"))


def test_what_is_counted_goes_on_after_a_resume(
    qwen_pl: Run, config: Path, folder: Path, spoil: Callable
) -> None:
    spoil(3, 6)
    qwen_pl("fit", "--config", config, *EVERY_STEP)
    broken = checkpoint(folder, 5, "broken")
    broken.parent.mkdir(parents=True)
    broken.write_bytes(checkpoint(folder, 5).read_bytes())
    outcome = qwen_pl("fit", "--config", config, "--run", "broken", "--ckpt_path", "last")
    assert outcome.code == 0, outcome.err
    states = [read(checkpoint(folder, 12, run))["callbacks"] for run in ("small", "broken")]
    [ours, theirs] = [
        next(state for key, state in all.items() if "BadSteps" in key) for all in states
    ]
    assert ours == theirs
    assert ours["skipped_steps"] == 2
    assert ours["usual"]["count"] == 10


def test_a_scaler_that_finds_its_scale_is_no_bad_step(
    qwen_pl: Run, config: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable
) -> None:
    # Half precision's own way on a CPU: its scale is so high at first that gradients overflow.
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**100)
    plain = MixedPrecision.__init__

    def with_scaler(self: MixedPrecision, precision: str, device: str) -> None:
        plain(self, "16-mixed", device, scaler)

    spoil(11)
    monkeypatch.setattr(MixedPrecision, "__init__", with_scaler)
    outcome = qwen_pl("fit", "--config", config, "--trainer.precision", "bf16-mixed")
    assert outcome.code == 0, outcome.err
    assert 2.0**80 < scaler.get_scale() < 2.0**100
    [line] = [line for line in outcome.err.splitlines() if "skipped" in line]
    assert line.startswith("step 12 skipped, as its loss is nan")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"max_in_a_row": 0}, "bad_steps.max_in_a_row is 0"),
        ({"spike_deviations": -1.0}, "bad_steps.spike_deviations is -1.0"),
        ({"spike_deviations": math.nan}, "bad_steps.spike_deviations is nan"),
        ({"spike_warmup_steps": 1}, "bad_steps.spike_warmup_steps is 1"),
    ],
)
def test_an_impossible_setting_is_refused_with_its_value(settings: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        BadSteps(**settings)
