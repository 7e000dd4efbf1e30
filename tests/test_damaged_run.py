"""What a run reads back of its folder is as it was written, or it says so: every file, every way.

`benchmarks.damage` does the same before every verb, in processes of their own.
"""

import os
import random
import re
import shutil
from pathlib import Path

import pytest
import yaml
from command_line import Outcome, Run

from benchmarks.damaging import DAMAGES, flipped
from qwen_pl.errors import InputError
from qwen_pl.run.saved_config import config_in_force
from qwen_pl.runs import sealed_config, tell_of_changed_config
from qwen_pl.training.checkpoints.checkpoint import saved_in
from qwen_pl.training.steps.ledger import read_ledger

RUN = Path("lightning_logs/small")
FILES = {
    "config.yaml": ("locate text", "again"),
    "config.from-step-4.yaml": ("resume", "export"),
    "metrics.csv": ("resume",),
    "events.*": ("resume", "export"),
    "samples.jsonl": ("resume", "locate step"),
    "samples.txt": ("resume",),
    "hparams.yaml": ("resume",),
    "checkpoints/step=00000006.ckpt": ("resume", "validate", "generate", "inspect"),
    "checkpoints/best.ckpt": ("resume", "best"),
}
"""Each with the verbs that read it, or that write where it stands."""
CHANGES = ["bit flipped", "halved", "emptied", "a folder", "zeros"]
CHANGES += ["a pipe"] if hasattr(os, "mkfifo") else []


@pytest.fixture
def kept(qwen_pl: Run, config: Path, folder: Path) -> Path:
    """A run of six steps that was resumed with another setting after four, set aside."""
    settings = yaml.safe_load(config.read_text())
    names = ["TensorBoardLogger", "CSVLogger"]
    settings["trainer"]["logger"] = [{"class_path": name} for name in names]
    settings["samples"] = {"every_n_steps": 2, "max_new_tokens": 2}
    config.write_text(yaml.safe_dump(settings))
    for steps, rate in ((4, 0.01), (6, 0.02)):
        options = ["--trainer.max_steps", steps, "--model.lr", rate, "--ckpt_path", "last"]
        assert qwen_pl("fit", "--config", config, *options).code == 0
    return RUN.rename(folder / "kept")


def test_no_damaged_file_of_a_run_is_believed_or_ends_in_a_traceback(
    qwen_pl: Run, config: Path, kept: Path
) -> None:
    fit = ["fit", "--config", config, "--model.lr", 0.02]
    verbs: dict[str, list[object]] = {
        "resume": [*fit, "--ckpt_path", "last", "--trainer.max_steps", 7],
        "again": ["fit", "--config", RUN / "config.yaml", "--run", "again"],
        "validate": ["validate", "--config", config, "--ckpt_path", "last"],
        "generate": ["generate", "--run", "small", "--prompt", "Ba", "--max_new_tokens", 2],
        "best": ["generate", "--run", "small", "--prompt", "Ba", "--ckpt_path", "best"],
        "inspect": ["inspect", "--run", "small"],
        "export": ["export", "--run", "small", "--out", "out", "--no-check"],
        "locate step": ["locate", "--run", "small", "--step", 5],
        "locate text": ["locate", "--run", "small", "--text", "bane"],
    }
    source, wrong = random.Random(0), []
    for number, (pattern, readers) in enumerate(FILES.items()):
        for turn, verb in enumerate(readers):
            name = CHANGES[(number + turn) % len(CHANGES)]
            shutil.rmtree(RUN, ignore_errors=True)
            shutil.copytree(kept, RUN)
            damaged = sorted(RUN.glob(pattern))[0]
            DAMAGES[name](damaged, source)
            try:
                outcome = qwen_pl(*verbs[verb])
            except Exception as error:  # which a user would see as a traceback
                outcome = Outcome(1, "", f"{type(error).__name__}: {error}")
            names_it = damaged.name in outcome.err
            told = (outcome.code == 2 and names_it) or outcome.code == 0
            if not told or "Traceback" in outcome.err:
                wrong.append(f"{name} {damaged.name}, {verb}: {outcome.code} {outcome.err[-300:]}")
    assert wrong == []


def test_a_ledger_that_is_damaged_is_kept_and_begun_anew(
    qwen_pl: Run, config: Path, kept: Path
) -> None:
    shutil.copytree(kept, RUN)
    ledger = RUN / "samples.jsonl"
    damaged = ledger.read_bytes().replace(b'"samples_seen": 12', b'"samples_seen": 19')
    assert damaged != ledger.read_bytes()
    ledger.write_bytes(damaged)
    refused = qwen_pl("locate", "--run", "small", "--step", 5)
    assert refused.code == 2 and "samples.jsonl is not what was written" in refused.err
    resume = ["fit", "--config", config, "--ckpt_path", "last", "--trainer.max_steps", 7]
    outcome = qwen_pl(*resume)
    assert outcome.code == 0 and "samples.jsonl.damaged" in outcome.err
    assert (RUN / "samples.jsonl.damaged").read_bytes() == damaged
    assert [(one.from_step, one.to_step) for one in read_ledger(ledger)] == [(6, 7)]
    assert qwen_pl("locate", "--run", "small", "--step", 7).code == 0
    assert qwen_pl("locate", "--run", "small", "--step", 6).code == 2


def test_damaged_curves_are_left_out_with_a_word_and_the_rest_stays(
    qwen_pl: Run, config: Path, kept: Path
) -> None:
    shutil.copytree(kept, RUN)
    rows = RUN / "metrics.csv"
    lines = rows.read_bytes().splitlines(keepends=True)
    rows.write_bytes(b"".join([*lines[:2], lines[2].replace(b".", b"\xff"), *lines[3:]]))
    events = sorted(RUN.glob("events.*"))[0]
    content = events.read_bytes()
    events.write_bytes(flipped(content, len(content) // 2, 0))
    resume = ["fit", "--config", config, "--ckpt_path", "last", "--trainer.max_steps", 7]
    outcome = qwen_pl(*resume)
    assert outcome.code == 0, outcome.err
    for file in (rows, events):
        assert f"{file.name} is damaged" in outcome.err
    assert rows.read_bytes().startswith(b"".join([*lines[:2], *lines[3:]]))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("change", ["zeros", "a pipe"])
def test_what_is_looked_into_is_no_pipe_and_no_zeros(tmp_path: Path, change: str) -> None:
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    files = [checkpoints / name for name in ("step=00000006.ckpt", "best.ckpt")]
    files += [tmp_path / name for name in ("config.yaml", "config.from-step-4.yaml")]
    for file in files:
        file.write_text(sealed_config("seed: 1\n"))
        DAMAGES[change](file, random.Random(0))
    assert {saved.path for saved in saved_in(checkpoints)} == set(files[:2])
    for step, file in ((4, files[2]), (5, files[3])):
        with pytest.raises(InputError, match=f"{re.escape(file.name)} is "):
            tell_of_changed_config(config_in_force(tmp_path, step))
