"""Which checkpoints a run keeps, what becomes of the others, and what a full disk does."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from command_line import Run, complains
from dead_writer import dead_process, path_of_writer

from qwen_pl.training.checkpoints import checkpoint as checkpoint_module
from qwen_pl.training.checkpoints.checkpoint import (
    is_whole,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
    saved_in,
)
from qwen_pl.training.module import Qwen3Module


@pytest.fixture
def checkpoints(folder: Path) -> Path:
    return folder / "lightning_logs/small/checkpoints"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def set_best_loss(path: Path, loss: float) -> bytes:
    checkpoint = load_checkpoint(path)
    checkpoint["qwen_pl"]["measured"]["val_loss"] = loss
    save_checkpoint(checkpoint, path)
    return path.read_bytes()


def test_a_resumed_run_replaces_only_a_worse_best(
    qwen_pl: Run, config: Path, checkpoints: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 5)
    best = checkpoints / "best.ckpt"
    better = set_best_loss(best, 0.5)
    resume = ["fit", "--config", config, "--ckpt_path", "last", "--trainer.max_steps"]
    assert qwen_pl(*resume, 9).code == 0
    assert best.read_bytes() == better
    set_best_loss(best, 50.0)
    qwen_pl(*resume, 13)
    assert load_checkpoint(best)["global_step"] == 12
    best.write_bytes(better[:5000])
    outcome = qwen_pl(*resume, 17)
    assert "best.ckpt is damaged" in outcome.err
    assert load_checkpoint(best)["global_step"] == 16


def test_no_step_is_saved_for_a_validation_alone(
    qwen_pl: Run, config: Path, checkpoints: Path
) -> None:
    qwen_pl("fit", "--config", config, "--checkpoint.save_top_k", "-1")  # validates at 4, 8 and 12
    steps = {f"step={step:08d}.ckpt" for step in (5, 10, 12)}
    assert names(checkpoints) == {*steps, "best.ckpt"}


def test_the_newest_two_are_kept_whatever_a_resumed_run_changes(
    qwen_pl: Run, config: Path, checkpoints: Path
) -> None:
    qwen_pl("fit", "--config", config)
    assert names(checkpoints) == {"step=00000010.ckpt", "step=00000012.ckpt", "best.ckpt"}
    resume = ["fit", "--config", config, "--ckpt_path", "last"]
    resume += ["--checkpoint.every_n_train_steps", 3]
    qwen_pl(*resume, "--trainer.max_steps", 16)
    assert names(checkpoints) == {"step=00000015.ckpt", "step=00000016.ckpt", "best.ckpt"}
    qwen_pl(*resume, "--trainer.max_steps", 18, "--checkpoint.save_top_k", 1)
    assert names(checkpoints) == {"step=00000018.ckpt", "best.ckpt"}


def test_going_back_sets_later_checkpoints_aside(
    qwen_pl: Run, config: Path, checkpoints: Path
) -> None:
    qwen_pl("fit", "--config", config)
    later = (checkpoints / "step=00000012.ckpt").read_bytes()
    resume = ["fit", "--config", config, "--trainer.max_steps", 11, "--ckpt_path"]
    outcome = qwen_pl(*resume, checkpoints / "step=00000010.ckpt")
    assert "step=00000012.ckpt is not where this run goes on from" in outcome.err
    assert (checkpoints / "set-aside/step=00000012.ckpt").read_bytes() == later
    assert names(checkpoints) == {
        *("step=00000010.ckpt", "step=00000011.ckpt", "best.ckpt", "set-aside")
    }
    assert "step=00000011.ckpt" in qwen_pl(*resume, "last").err


def test_a_run_that_goes_on_from_elsewhere_takes_no_checkpoint_away(
    qwen_pl: Run, config: Path, checkpoints: Path, folder: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 6)
    copy = folder / "step=00000005.ckpt"
    copy.write_bytes((checkpoints / copy.name).read_bytes())
    before = {path.name: path.read_bytes() for path in checkpoints.iterdir()}
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 7, "--ckpt_path", copy)
    aside = checkpoints / "set-aside"
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == before


def test_what_a_killed_save_has_left_is_removed(
    qwen_pl: Run, config: Path, checkpoints: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    left = path_of_writer(dead_process(), checkpoints / "step=00000005.ckpt", "tmp")
    left.write_bytes(bytes(1000))
    theirs = checkpoints / "mine.tmp-notes"
    theirs.write_bytes(b"")
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 3, "--ckpt_path", "last")
    assert list(checkpoints.glob("*.tmp-*")) == [theirs]


def test_the_step_is_that_of_the_checkpoint_whatever_its_name(
    qwen_pl: Run, config: Path, checkpoints: Path
) -> None:
    options = ["--config", config, "--trainer.logger", "CSVLogger"]
    qwen_pl("fit", *options)
    rows = checkpoints.with_name("metrics.csv")
    before = rows.read_text()
    (checkpoints / "step=00000012.ckpt").rename(checkpoints / "kept.ckpt")
    (checkpoints / "step=00000010.ckpt").rename(checkpoints / "step=00000099.ckpt")
    resume = ["fit", *options, "--ckpt_path", "last", "--trainer.max_steps"]
    outcome = qwen_pl(*resume, 12)
    assert re.search(r"resuming .*kept\.ckpt$", outcome.err, re.MULTILINE), outcome.err
    assert "had all its 12 steps" in outcome.out
    assert rows.read_text() == before
    assert qwen_pl(*resume, 14).code == 0
    assert rows.read_text().startswith(before)
    # The newest two of those that the run has saved, by their steps, and what the user has kept.
    assert names(checkpoints) == {
        *("step=00000014.ckpt", "step=00000099.ckpt", "kept.ckpt", "best.ckpt")
    }


def test_last_takes_weights_alone_only_where_nothing_else_is(
    qwen_pl: Run, config: Path, checkpoints: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 5)
    write = ["generate", "--run", "small", "--prompt", "Bane", "--max_new_tokens", 2]
    assert "step=00000005.ckpt:" in qwen_pl(*write).err
    (checkpoints / "step=00000005.ckpt").unlink()  # the best was measured at step 4
    assert "best.ckpt:" in qwen_pl(*write).err
    again = ["fit", "--config", config, "--ckpt_path", "last"]
    # As a run that was killed before its first checkpoint, whatever the interval is by now.
    outcome = qwen_pl(*again, "--checkpoint.every_n_train_steps", 2)
    assert "no checkpoint in" in outcome.err and "starting" in outcome.err
    assert outcome.code == 0


def test_a_kill_between_two_renames_leaves_a_checkpoint_that_last_finds(
    qwen_pl: Run, config: Path, checkpoints: Path
) -> None:
    qwen_pl("fit", "--config", config)
    newest = checkpoints / "step=00000012.ckpt"
    sharded = checkpoints / "sharded.ckpt"
    assert qwen_pl("consolidate", newest, sharded).code == 0
    newest.unlink()
    old = sharded.rename(path_of_writer(dead_process(), newest, "old"))
    path_of_writer(dead_process(), newest, "tmp").mkdir()
    assert f"{old.name}, " in qwen_pl("inspect", "--run", "small").out
    resume = ["fit", "--config", config, "--ckpt_path", "last", "--trainer.max_steps", 14]
    outcome = qwen_pl(*resume, "--checkpoint.save_top_k", -1)
    assert outcome.code == 0, outcome.err
    steps = {f"step={step:08d}.ckpt" for step in (10, 12, 14)}
    assert names(checkpoints) == {*steps, "best.ckpt"}


def test_last_refuses_where_every_checkpoint_is_damaged(
    qwen_pl: Run, config: Path, checkpoints: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    (checkpoints / "step=00000002.ckpt").write_bytes(b"")
    outcome = qwen_pl("fit", "--config", config, "--ckpt_path", "last")
    assert outcome.code == 2
    assert "every checkpoint in" in outcome.err


def test_last_starts_a_run_that_is_not_there_and_says_so(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    options = ["--ckpt_path", "last", "--trainer.max_steps", 1]
    outcome = qwen_pl("fit", "--config", config, "--run", "smal", *options)
    assert outcome.code == 0
    assert "no checkpoint in lightning_logs/smal yet" in outcome.err.replace(os.sep, "/")


def test_the_last_step_is_saved_although_its_validation_fails(
    qwen_pl: Run, config: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Qwen3Module.validation_step

    def failing(self: Qwen3Module, batch: Any, batch_idx: int) -> None:
        if self.trainer.global_step == 12:
            raise RuntimeError("no memory")
        plain(self, batch, batch_idx)

    monkeypatch.setattr(Qwen3Module, "validation_step", failing)
    with pytest.raises(RuntimeError, match="no memory"):
        qwen_pl("fit", "--config", config)
    assert is_whole(checkpoints / "step=00000012.ckpt")


def test_a_run_out_of_time_finishes_its_step_and_saves_it(
    qwen_pl: Run, config: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Qwen3Module.training_step

    def late(self: Qwen3Module, batch: Any, batch_idx: int) -> torch.Tensor:
        self.trainer.should_stop = batch_idx >= 3  # as trainer.max_time does, after each batch
        return plain(self, batch, batch_idx)

    monkeypatch.setattr(Qwen3Module, "training_step", late)
    assert qwen_pl("fit", "--config", config, "--trainer.accumulate_grad_batches", 3).code == 0
    saved = load_checkpoint(checkpoints / "step=00000002.ckpt")
    loaders = saved["loops"]["fit_loop"]["state_dict"]["combined_loader"]
    assert loaders[0]["samples_seen"] == 18  # two steps of three batches of three


def test_a_run_stopped_early_saves_its_last_step(
    qwen_pl: Run, config: Path, checkpoints: Path
) -> None:
    stopping = (
        "[{class_path: EarlyStopping, init_args: {monitor: val_loss, stopping_threshold: 99}}]"
    )
    assert qwen_pl("fit", "--config", config, "--trainer.callbacks", stopping).code == 0
    assert names(checkpoints) == {"step=00000004.ckpt", "best.ckpt"}


@pytest.mark.parametrize("failing", ["step=00000010", "best"])
def test_a_full_disk_stops_the_run_with_the_checkpoint_before_it(
    qwen_pl: Run, config: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    plain = checkpoint_module.write_file

    def full(checkpoint: dict[str, Any], file: IO[bytes]) -> None:
        if failing in file.name and checkpoint["global_step"] > 5:
            file.write(bytes(5000))
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(checkpoint, file)

    monkeypatch.setattr(checkpoint_module, "write_file", full)
    outcome = qwen_pl("fit", "--config", config)
    assert outcome.code == 2
    (line,) = re.findall("error: .*", outcome.err)
    assert re.search(
        rf"no space left to save .*{failing}.*: it takes \d.* kB, and .* are free", line
    )
    assert "the last good checkpoint is" in line
    assert "step=00000005.ckpt: make room" in line
    assert "Traceback" not in outcome.err
    assert is_whole(checkpoints / "step=00000005.ckpt")
    assert not list(checkpoints.rglob("*.tmp-*"))


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of two megabytes, where one may be mounted."""
    place = folder / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("filler", [None, "on_train_batch_start", "on_validation_start"])
def test_a_disk_that_is_full_in_truth_stops_the_run(
    qwen_pl: Run,
    config: Path,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    filler: str | None,
) -> None:
    def fill(self: Qwen3Module, *args: object) -> None:
        if self.trainer.global_step == 8:
            with (small_disk / "filler").open("wb", buffering=0) as file:
                while True:
                    try:
                        file.write(bytes(4096))
                    except OSError:
                        return

    if filler is not None:
        monkeypatch.setattr(Qwen3Module, filler, fill)
    options = ["--trainer.default_root_dir", small_disk]
    options += ["--checkpoint.save_top_k", "-1", "--checkpoint.every_n_train_steps", "1"]
    before = signal.getsignal(signal.SIGINT)
    outcome = qwen_pl("fit", "--config", config, *options, "--trainer.max_steps", 40)
    assert outcome.code == 2, outcome.err
    assert signal.getsignal(signal.SIGINT) is before
    (line,) = re.findall("error: .*", outcome.err)
    assert "no space left" in line
    assert "the last good checkpoint is" in line
    assert "Traceback" not in outcome.err
    last = Path(re.search(r"checkpoint is (\S+\.ckpt)", line)[1])
    checkpoints = small_disk / "lightning_logs/small/checkpoints"
    assert last.resolve() == max(checkpoints.glob("step=*.ckpt")).resolve()
    assert all(is_whole(path) for path in checkpoints.glob("*.ckpt"))
    assert not list(small_disk.rglob("*.tmp-*"))


def test_a_checkpoint_says_what_made_it(qwen_pl: Run, config: Path, checkpoints: Path) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2, "--data.password", "hush")
    path = checkpoints / "step=00000002.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    ours = checkpoint["qwen_pl"]
    assert ours["versions"].keys() == {"torch", "lightning"}
    assert ours["run_config"]["model"]["lr"] == 0.01
    assert ours["run_config"]["trainer"]["max_steps"] == 2
    assert checkpoint["PDFDataModule"].keys() >= {"tokens", "source", "tokenizer_fingerprint"}
    assert b"hush" not in path.read_bytes()


AT_STEP_ENDS = {
    "Saves": {"on_validation_start", "on_train_epoch_end", "on_train_end"},
    "SavesLast": {"on_train_batch_end", "on_validation_end", "on_train_epoch_end", "on_train_end"},
}
"""Where callbacks save what a run can go on from: those that are called first, those at last."""


def test_no_run_goes_on_from_what_a_callback_has_saved_within_a_step(
    qwen_pl: Run, config: Path, checkpoints: Path
) -> None:
    options = ["--trainer.max_steps", 3, "--trainer.accumulate_grad_batches", 2]
    options += ["--trainer.val_check_interval", 4, "--weight_averaging.decay", 0.5]
    asked = ["--checkpoint.every_n_train_steps", 2, "--checkpoint.save_top_k", -1]
    for kind in AT_STEP_ENDS:
        asked += ["--trainer.callbacks+", f"own_callbacks.{kind}"]
        asked += ["--trainer.callbacks.folder", checkpoints, "--trainer.callbacks.first", 4]
    assert qwen_pl("fit", "--config", config, *options, *asked).code == 0
    kinds = Counter[bool]()
    for saved in saved_in(checkpoints):
        kind, _, rest = saved.path.stem.partition(" ")
        if kind not in AT_STEP_ENDS:
            continue
        hook, _, batches = rest.partition(" ")
        is_end = hook in AT_STEP_ENDS[kind] and (hook, batches) != ("on_train_batch_end", "5")
        assert saved.is_complete == is_end, saved.path.name
        kinds[is_end] += 1
        if is_end and int(batches) > 4:
            saved.path.unlink()
    assert min(kinds[True], kinds[False]) >= 8
    whole = load_checkpoint(checkpoints / "step=00000003.ckpt")["state_dict"]
    for step in ("step=00000003.ckpt", "step=00000002.ckpt"):
        assert newest_checkpoint(checkpoints.parent, to_train=True).name == step
        (checkpoints / step).unlink()
    shutil.copytree(checkpoints, "saved")
    for name in ("Saves on_validation_start 4", "SavesLast on_validation_end 4"):
        resume = ["fit", "--config", config, *options, "--run", name.split()[0]]
        outcome = qwen_pl(*resume, "--ckpt_path", f"saved/{name}.ckpt")
        assert outcome.code == 0, outcome.err
        folder = checkpoints.parents[1] / name.split()[0] / "checkpoints"
        ours = load_checkpoint(folder / "step=00000003.ckpt")["state_dict"]
        assert all(torch.equal(ours[key], whole[key]) for key in whole)
    within = "saved/Saves on_train_batch_end 5.ckpt"
    command = ["fit", "--config", config, *options, "--run", "other", "--ckpt_path", within]
    complains(qwen_pl(*command), "while a step", "--ckpt_path last")
    assert "half a step" in qwen_pl("inspect", "--ckpt_path", within).out
