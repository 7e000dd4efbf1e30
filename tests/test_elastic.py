"""A run goes on with other processes, batches or workers, and sees what it had not seen."""

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import yaml
from own_process import in_ranks

from qwen_pl.__main__ import main
from qwen_pl.commands.parts.rehearsal import read_notes
from qwen_pl.data.batches.order import WindowOrder, with_gaps
from qwen_pl.data.tokens.token_file import TokenFile
from qwen_pl.training.monitoring.recorded import read_curves
from qwen_pl.training.steps.ledger import read_ledger, stretch_of

STEPS = 9


class Layout(NamedTuple):
    """How the samples of a step are dealt."""

    batch_size: int
    accumulated: int = 1
    workers: int = 0
    processes: int = 1

    def options(self) -> list[str]:
        options = {
            "data.batch_size": self.batch_size,
            "trainer.accumulate_grad_batches": self.accumulated,
            "data.num_workers": self.workers,
            "trainer.devices": self.processes,
            "trainer.val_check_interval": 3 * self.accumulated,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return [*words, "--trainer.strategy", "ddp"] if self.processes > 1 else words


class Runs:
    """Runs of one config in one folder, each of which keeps all its checkpoints."""

    def __init__(self, folder: Path, small_pdf: Path, cache_dir: Path) -> None:
        self.folder = folder
        data = {"source": str(small_pdf), "cache_dir": str(cache_dir), "vocab_size": 320}
        network = {"hidden_size": 16, "intermediate_size": 40, "num_hidden_layers": 2}
        network |= {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6}
        settings = {
            "data": data | {"seq_len": 24},
            "model": {"config": network, "lr": 1e-2, "warmup_steps": 2},
            "checkpoint": {"every_n_train_steps": 1, "save_top_k": -1},
            "trainer": {
                "default_root_dir": str(folder),
                "max_steps": STEPS,
                "log_every_n_steps": 1,
                "limit_val_batches": 2,
                "accelerator": "cpu",
                "precision": "32-true",
                "enable_progress_bar": False,
            },
        }
        self.config = folder / "small.yaml"
        self.config.write_text(yaml.safe_dump(settings))

    def fit(self, name: str, layout: Layout, start: Path | None = None) -> Path:
        """Trains to the end; the folder of the run."""
        run = self.folder / "lightning_logs" / name
        command = ["fit", "--config", str(self.config), "--run", name, *layout.options()]
        command += ["--trainer.callbacks+", "qwen_pl.commands.parts.rehearsal.Rehearsal"]
        command += ["--trainer.callbacks.notes", str(run / "notes")]
        command += [] if start is None else ["--ckpt_path", str(start)]
        if layout.processes > 1:
            outcomes = in_ranks(command, self.folder, devices=layout.processes)
            assert [outcome.code for outcome in outcomes] == [0] * layout.processes, outcomes
        else:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "argv", ["qwen_pl", *command])
                with pytest.raises(SystemExit) as ended:
                    main()
                assert not ended.value.code
        return run


@pytest.fixture(scope="module")
def runs(small_pdf: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    cache_dir = tmp_path_factory.getbasetemp() / "cache"
    return Runs(tmp_path_factory.mktemp("elastic"), small_pdf, cache_dir)


@pytest.fixture(scope="module")
def whole(runs: Runs) -> Path:
    """A run in one process that takes its steps of four samples as they come."""
    return runs.fit("whole", Layout(4))


@pytest.fixture(scope="module")
def halves(runs: Runs, whole: Path) -> Path:
    """The same from step 4 on, in steps of two batches of two."""
    return runs.fit("halves", Layout(2, 2, workers=1), at(whole, 4))


@pytest.fixture(scope="module")
def shared(runs: Runs, whole: Path) -> Path:
    """The same from step 4 on, in two processes with steps of two batches of one."""
    return runs.fit("shared", Layout(1, 2, processes=2), at(whole, 4))


def at(run: Path, step: int) -> Path:
    return run / "checkpoints" / f"step={step:08d}.ckpt"


def load(run: Path, step: int = STEPS) -> dict:
    return torch.load(at(run, step), weights_only=True)


def assert_steps_saw(run: Path, first: int, layout: Layout) -> None:
    """That every process saw its share of the samples from ``first`` on, in their order."""
    for rank in range(layout.processes):
        notes = read_notes(run / "notes", f"rank-{rank}.jsonl")
        position = first
        for note in notes:
            assert note["inputs"] == zlib.crc32(b"".join(inputs(run, position, rank, layout)))
            assert len(note["losses"]) == layout.accumulated
            position += layout.batch_size * layout.accumulated * layout.processes
        assert notes[-1]["step"] == STEPS
        assert (
            position
            == load(run)["loops"]["fit_loop"]["state_dict"]["combined_loader"][0]["samples_seen"]
        )


def inputs(run: Path, position: int, rank: int, layout: Layout) -> Iterator[bytes]:
    """The inputs of the batches of a step, cut from the token file anew."""
    stretch = stretch_of(read_ledger(run / "samples.jsonl"), STEPS)
    tokens = TokenFile(Path(stretch.tokens))
    spans = with_gaps(tokens, stretch.seq_len)
    order = WindowOrder(spans, stretch.seq_len, stretch.stride, stretch.seed)
    per_batch = layout.batch_size * layout.processes
    for batch in range(layout.accumulated):
        first = position + batch * per_batch + rank
        for start in order.starts(range(first, first + per_batch, layout.processes)):
            cut = tokens.tokens[start : start + stretch.seq_len]
            yield cut.astype("int64").tobytes()


def assert_same_path(run: Path, whole: Path, first: int) -> None:
    """That a run of the same global batch took the same steps, up to the order of sums."""
    for step in range(first, STEPS + 1):
        ours, theirs = load(run, step)["state_dict"], load(whole, step)["state_dict"]
        torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-3)
    ours, theirs = read_curves(run), read_curves(whole)
    assert [step for step, _ in ours["val_loss"]] == [
        s for s, _ in theirs["val_loss"] if s >= first
    ]
    rates = dict(theirs["learning_rate"])
    assert dict(ours["learning_rate"]) == {step: rates[step] for step in range(first, STEPS + 1)}


def test_a_step_may_be_split_into_batches(whole: Path, halves: Path) -> None:
    assert_steps_saw(halves, 16, Layout(2, 2))
    assert_same_path(halves, whole, 5)


def test_a_split_step_may_be_split_further(runs: Runs, whole: Path, halves: Path) -> None:
    quarters = runs.fit("quarters", Layout(1, 4), at(halves, 7))
    assert_steps_saw(quarters, 28, Layout(1, 4))
    assert_same_path(quarters, whole, 8)


def test_a_split_step_may_be_made_whole(runs: Runs, whole: Path, halves: Path) -> None:
    again = runs.fit("again", Layout(4, workers=1), at(halves, 5))
    assert_steps_saw(again, 20, Layout(4))
    assert_same_path(again, whole, 6)


def test_one_process_may_become_two(whole: Path, shared: Path) -> None:
    assert_steps_saw(shared, 16, Layout(1, 2, processes=2))
    assert_same_path(shared, whole, 5)


def test_two_processes_may_become_one(runs: Runs, whole: Path, shared: Path) -> None:
    alone = runs.fit("alone", Layout(4), at(shared, 6))
    assert_steps_saw(alone, 24, Layout(4))
    assert_same_path(alone, whole, 7)


@pytest.mark.parametrize("layout", [Layout(5), Layout(3, 2), Layout(1, 3)])
def test_a_step_may_take_another_number_of_samples(runs: Runs, whole: Path, layout: Layout) -> None:
    name = f"other-{layout.batch_size}"
    other = runs.fit(name, layout, at(whole, 4))  # after 16 samples, no multiple of these
    assert_steps_saw(other, 16, layout)
    assert [step for step, _ in read_curves(other)["val_loss"]] == [6, 9]
