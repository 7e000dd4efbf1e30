"""Runs on two devices: what they compute, what they leave, how they go on, and how they end."""

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dying_rank
import pytest
import torch
import yaml
from command_line import REPOSITORY, Outcome, Run
from own_process import in_ranks
from pdf_writer import made_up_pages, write_pdf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from two_processes import in_two_processes

from qwen_pl.training.checkpoints.checkpoint import load_checkpoint
from qwen_pl.training.steps.ledger import read_ledger

Pair = tuple[Outcome, Outcome]

SETTINGS = {
    "data": {"source": "small.pdf", "cache_dir": "cache", "vocab_size": 320, "seq_len": 24},
    "model": {
        "config": {
            "hidden_size": 15,  # in two shards of 8 and 7 rows
            "intermediate_size": 40,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 6,
        },
        "lr": 1e-2,
        "warmup_steps": 2,
    },
    "checkpoint": {"every_n_train_steps": 5, "save_top_k": -1},
    "trainer": {
        "max_steps": 8,
        "val_check_interval": 4,
        "log_every_n_steps": 1,
        "accelerator": "cpu",
        "precision": "32-true",
        "limit_val_batches": 3,
    },
}
SUMMANDS = 6 * 24 + 320
"""The tokens of a step, and the vocabulary."""
DDP = ["--config", REPOSITORY / "configs/strategy/ddp.yaml"]
FSDP2 = ["--config", REPOSITORY / "configs/strategy/fsdp2.yaml"]
SHARDED = [*FSDP2, "--trainer.strategy.save_distributed_checkpoint", "true"]
SMALL = ["--config", "small.yaml"]
UNTIED = ["--model.config.tie_word_embeddings", "false", "--model.gradient_checkpointing", "true"]


def fit(run: str, strategy: list[Any], *options: Any) -> list[Any]:
    """The arguments of a fit in two processes, with the global batch of one."""
    return ["fit", *SMALL, *strategy, "--data.batch_size", 3, "--run", run, *options]


def checkpoint(run: str, step: int) -> Path:
    return Path(f"lightning_logs/{run}/checkpoints/step={step:08d}.ckpt")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pair]]:
    """Runs in two processes by the names of their folders, in a folder that is the current one."""
    folder = tmp_path_factory.mktemp("devices")
    write_pdf(folder / "small.pdf", made_up_pages(8))
    (folder / "small.yaml").write_text(yaml.safe_dump(SETTINGS))
    commands = {
        "ddp": fit("ddp", DDP),
        "fsdp2": fit("fsdp2", FSDP2),
        "sharded": fit("sharded", SHARDED),
        "untied": fit("untied", FSDP2, *UNTIED),
        "nothing to read": fit("refused", FSDP2, "--data.source", "nothing.pdf"),
        "misspelt": fit("refused", FSDP2, "--trainer.max_step", 3),
        "too many devices": fit("refused", DDP, "--trainer.devices", 3),
        "ddp again": fit("ddp-again", DDP, "--ckpt_path", checkpoint("ddp", 5)),
        "fsdp2 again": fit("fsdp2-again", FSDP2, "--ckpt_path", checkpoint("fsdp2", 5)),
        "sharded again": fit("sharded-again", SHARDED, "--ckpt_path", checkpoint("sharded", 5)),
        "ddp from sharded": fit("ddp-from-sharded", DDP, "--ckpt_path", checkpoint("sharded", 5)),
        "validate": ["validate", *SMALL, *SHARDED, "--data.batch_size", 3, "--run", "sharded"],
    }
    outcomes = in_two_processes(folder, commands)
    before = Path.cwd()
    os.chdir(folder)
    yield outcomes
    os.chdir(before)


@pytest.fixture
def alone(ended: dict[str, Pair], qwen_pl: Run) -> Callable[..., Path]:
    """Runs the same in one process, once for each set of options; gives the run's folder."""

    def run(name: str, *options: Any) -> Path:
        folder = Path("lightning_logs") / name
        if not folder.exists():
            outcome = qwen_pl("fit", *SMALL, "--data.batch_size", 6, "--run", name, *options)
            assert outcome.code == 0, outcome.err
        return folder

    return run


def scalars(folder: Path, name: str) -> dict[int, float]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return {event.step: event.value for event in events.Scalars(name)}


def tensors(value: Any, name: str = "") -> dict[str, torch.Tensor]:
    """All tensors of weights and optimizer in a checkpoint, by the way that leads to them."""
    if isinstance(value, torch.Tensor):
        return {name: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    nested = [(f"{name}.{key}", item) for key, item in items]
    return {
        key: tensor
        for inner, item in nested
        if isinstance(item, dict | list | torch.Tensor)
        for key, tensor in tensors(item, inner).items()
    }


def learned(path: Path) -> dict[str, torch.Tensor]:
    held = load_checkpoint(path)
    return tensors({part: held[part] for part in ("state_dict", "optimizer_states")})


def rounding(steps: int) -> float:
    """How far two ways to round may lead apart in so many steps, as a share of the largest number.

    A sum of ``n`` float32 numbers is off by at most ``n`` times 2⁻²⁴ of what their sizes add up to,
    in whatever order and on whatever CPU it is taken. The longest sums of a step go over the tokens
    of its batch and over the vocabulary, and a step hands its error on to the next.
    """
    return steps * SUMMANDS * 2**-24


def assert_same(one: Path, other: Path) -> None:
    assert_near(one, other, steps=0, most=0)


def assert_near(one: Path, other: Path, *, steps: int, most: float) -> None:
    """Each tensor is within what rounding explains: the moments are too small for one tolerance."""
    ours, theirs = learned(one), learned(other)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 60
    for name, tensor in ours.items():
        largest = theirs[name].abs().max().item()
        tolerance = min(most, rounding(steps) * largest)
        torch.testing.assert_close(tensor, theirs[name], rtol=0, atol=tolerance, msg=name)


@pytest.mark.parametrize(
    ("run", "options"), [("ddp", []), ("fsdp2", []), ("sharded", []), ("untied", UNTIED)]
)
def test_two_processes_have_the_losses_of_one(
    ended: dict[str, Pair], alone: Callable[..., Path], run: str, options: list[Any]
) -> None:
    assert [outcome.code for outcome in ended[run]] == [0, 0], ended[run][0].err
    theirs = Path("lightning_logs") / run
    ours = alone("one-untied" if options else "one", *options)
    # A loss is a mean of many: what they are off cancels, but for the root of their number. Not so
    # in a gradient, which Adam makes as large where it is small and all error.
    mean = math.sqrt(8 * SUMMANDS) * 2**-24
    expected = (("train_loss", 8, mean), ("val_loss", 2, mean), ("gradient_norm", 8, rounding(8)))
    for name, times, most in expected:
        values = scalars(ours, name)
        assert len(values) == times
        assert scalars(theirs, name) == pytest.approx(values, rel=most)


def test_two_processes_have_the_weights_and_moments_of_one(
    ended: dict[str, Pair], alone: Callable[..., Path]
) -> None:
    alone("one")
    for run in ("ddp", "fsdp2", "sharded"):
        assert_near(checkpoint(run, 8), checkpoint("one", 8), steps=8, most=1e-4)


@pytest.mark.parametrize("run", ["ddp", "fsdp2", "sharded"])
def test_a_run_on_two_devices_resumes_bit_for_bit(ended: dict[str, Pair], run: str) -> None:
    assert [outcome.code for outcome in ended[f"{run} again"]] == [0, 0]
    assert_same(checkpoint(f"{run}-again", 8), checkpoint(run, 8))


def test_any_form_of_checkpoint_resumes_on_any_number_of_devices(
    ended: dict[str, Pair], alone: Callable[..., Path]
) -> None:
    near = {"steps": 3, "most": 2e-6}
    assert_near(checkpoint("ddp-from-sharded", 8), checkpoint("sharded", 8), **near)
    for run in ("fsdp2", "sharded"):
        name = f"one-from-{run}"
        alone(name, "--ckpt_path", checkpoint(run, 5))
        assert_near(checkpoint(name, 8), checkpoint(run, 8), **near)


def test_a_checkpoint_goes_into_one_file_and_back_with_all_that_is_in_it(
    ended: dict[str, Pair], alone: Callable[..., Path], qwen_pl: Run
) -> None:
    for source, target in (("sharded", "file"), ("file", "folder")):
        outcome = qwen_pl("consolidate", checkpoint(source, 5), checkpoint(target, 5))
        assert outcome.code == 0, outcome.err
        assert_same(checkpoint(target, 5), checkpoint("sharded", 5))
    assert checkpoint("file", 5).is_file()
    assert checkpoint("folder", 5).is_dir()
    assert qwen_pl("consolidate", checkpoint("sharded", 5), checkpoint("file", 5)).code == 2
    alone("one-from-sharded", "--ckpt_path", checkpoint("sharded", 5))
    for form in ("file", "folder"):
        alone(f"one-from-{form}", "--ckpt_path", checkpoint(form, 5))
        assert_same(checkpoint(f"one-from-{form}", 8), checkpoint("one-from-sharded", 8))


def test_a_sharded_checkpoint_serves_like_a_file(ended: dict[str, Pair], qwen_pl: Run) -> None:
    for wanted in ("last", "best"):
        written = [
            qwen_pl("generate", "--run", run, "--ckpt_path", wanted, "--prompt", "Ba", "--seed", 1)
            for run in ("fsdp2", "sharded")
        ]
        assert written[0].code == 0, written[0].err
        assert written[0].out == written[1].out
    first, second = ended["validate"]
    assert (first.code, second.code) == (0, 0)
    value = f"{scalars(Path('lightning_logs/sharded'), 'val_loss')[8]:.5f}"
    assert value[:-1] in first.out


def test_one_process_prepares_writes_and_tells(ended: dict[str, Pair]) -> None:
    assert "report:" in ended["ddp"][0].out
    for run in ("ddp", "fsdp2", "sharded", "ddp again"):
        first, second = ended[run]
        assert "parameters on 2 x cpu" in first.err
        assert second.out + second.err == ""
        folder = Path("lightning_logs") / run.replace(" ", "-")
        assert len(list(folder.glob("events.out.tfevents.*"))) == 1
        assert len(list(folder.glob("config*.yaml"))) == 1
        (stretch,) = read_ledger(folder / "samples.jsonl")
        assert stretch.samples_per_step == 6
        assert not list(folder.glob("checkpoints/*.tmp-*"))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("nothing to read", "no such file or folder: nothing.pdf"),
        ("misspelt", "did you mean trainer.max_steps?"),
        ("too many devices", "torchrun started 2 processes"),
    ],
)
def test_a_bad_config_ends_both_processes_with_one_line(
    ended: dict[str, Pair], command: str, said: str
) -> None:
    first, second = ended[command]
    assert (first.code, second.code) == (2, 2)
    assert first.err.count("\n") == 1
    assert said in first.err
    assert second.out + second.err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_process_that_dies_takes_the_other_with_it(ended: dict[str, Pair]) -> None:
    command = [sys.executable, dying_rank.__file__, *fit("dying", FSDP2, "--trainer.devices", 2)]
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests/helpers")])
    finished = subprocess.run(
        [*map(str, command)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,  # which ends only when every process has ended
        text=True,
        timeout=300,
    )
    assert finished.returncode in (1, -9)  # it noticed, or Lightning's watch was first
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_a_strategy_of_several_devices_runs_on_one_as_without_it(
    strategy: str, config: Path, qwen_pl: Run, on_device: list[str]
) -> None:
    options = ["fit", "--config", config, *on_device, "--trainer.precision", "32-true"]
    options += ["--trainer.deterministic", "true", "--trainer.max_steps", 5]
    assert qwen_pl(*options, "--run", "plain").code == 0
    overlay = REPOSITORY / f"configs/strategy/{strategy}.yaml"
    words = [*options, "--config", overlay, "--run", strategy]
    [outcome] = in_ranks(words, config.parent, devices=1)
    assert outcome.code == 0, outcome.err
    assert_near(checkpoint(strategy, 5), checkpoint("plain", 5), steps=5, most=1e-4)
