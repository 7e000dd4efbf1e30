"""A resume that is refused changes nothing: not a byte of the run's folder is another."""

import random
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from command_line import Run, complains
from evil import Evil
from filelock import FileLock
from pdf_writer import made_up_pages, write_pdf

from benchmarks.damaging import DAMAGES
from qwen_pl.errors import InputError
from qwen_pl.runs import CHECKPOINTS
from qwen_pl.training.checkpoints.checkpoint import load_checkpoint, save_checkpoint

RUN = Path("lightning_logs/small")
NEWEST = RUN / CHECKPOINTS / "step=00000012.ckpt"
LOGGERS = ["TensorBoardLogger", "CSVLogger"]
WATCHING = "{class_path: EarlyStopping, init_args: {monitor: %s}}"

REFUSED: dict[str, list[object]] = {
    "no word of resuming": [],
    "other windows": ["--data.seq_len", 16],
    "another stride": ["--data.stride", 7],
    "other data": ["--data.source", "other.pdf"],
    "another split": ["--data.val_fraction", 0.2],
    "a smaller vocabulary": ["--data.vocab_size", 290],
    "another tokenizer": ["--data.tokenizer", "mine"],
    "no such data": ["--data.source", "none.pdf"],
    "another size": ["--model.config.hidden_size", 32],
    "another depth": ["--model.config.num_hidden_layers", 1],
    "another optimizer": ["--model.optimizer", "muon"],
    "a setting that cannot be": ["--model.lr", -1],
    "a setting that is none": ["--model.learning_rate", 1],
    "a schedule that cannot be": ["--model.min_lr_ratio", 2],
    "a Trainer that cannot be": ["--trainer.accelerator", "tpu"],
    "clipping that cannot be": ["--trainer.gradient_clip_val", -1],
    "precision that cannot be": ["--trainer.precision", "16-true"],
    "a callback that is missing": ["--trainer.callbacks", "EarlyStoping"],
    "a package that is missing": ["--trainer.logger", "MLFlowLogger"],
    "a callback that counts epochs": [
        *("--trainer.callbacks", "{class_path: StochasticWeightAveraging, init_args: {swa_lrs: 1}}")
    ],
    "nothing to watch": [
        *("--trainer.callbacks", WATCHING % "val_loss", "--trainer.limit_val_batches", 0)
    ],
    "too many layers to compute again": ["--model.gradient_checkpointing", 7],
    "half a character": ["--samples.prompts", "['\udcff']"],
    "float8 on a CPU": ["--model.fp8", "true"],
    "no such checkpoint": ["--ckpt_path", "none.ckpt"],
    "weights alone": ["--ckpt_path", "best"],
    "a damaged checkpoint": ["--ckpt_path", "damaged.ckpt"],
    "a checkpoint of others": ["--ckpt_path", "theirs.ckpt"],
    "a checkpoint that is no checkpoint": ["--ckpt_path", "list.ckpt"],
    "a checkpoint that lacks something": ["--ckpt_path", "lacking.ckpt"],
    "a checkpoint that would run code": ["--ckpt_path", "evil.ckpt"],
    "a sharded one that is none": ["--ckpt_path", "folder.ckpt"],
}


@pytest.fixture
def trained(qwen_pl: Run, config: Path, folder: Path, small_pdf: Path) -> Path:
    """The config of a run of 12 steps, whose newest checkpoint is not its end."""
    settings = yaml.safe_load(config.read_text())
    settings["trainer"]["logger"] = [{"class_path": name} for name in LOGGERS]
    settings["samples"] = {"every_n_steps": 4, "max_new_tokens": 4}
    config.write_text(yaml.safe_dump(settings))
    assert qwen_pl("fit", "--config", config).code == 0
    NEWEST.unlink()  # as a kill before it was saved: curves, ledger and texts know of its steps
    write_pdf(folder / "other.pdf", made_up_pages(8, seed=1))
    qwen_pl("train-tokenizer", small_pdf, "--vocab_size", 300, "--out", "mine")
    good = load_checkpoint(NEWEST.with_name("step=00000010.ckpt"))
    save_checkpoint(good, folder / "damaged.ckpt")
    DAMAGES["bit flipped"](folder / "damaged.ckpt", random.Random(0))
    torch.save({"state_dict": {}}, folder / "theirs.ckpt")
    torch.save([1, 2], folder / "list.ckpt")
    torch.save({"state_dict": Evil(folder)}, folder / "evil.ckpt")
    save_checkpoint({k: v for k, v in good.items() if k != "loops"}, folder / "lacking.ckpt")
    (folder / "folder.ckpt").mkdir()
    return config


def snapshot() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in RUN.rglob("*") if path.is_file()}


def test_a_refused_resume_changes_nothing(qwen_pl: Run, trained: Path) -> None:
    before = snapshot()
    assert {"metrics.csv", "samples.txt", "samples.jsonl", "config.yaml"} <= {
        Path(name).name for name in before
    }
    wrong = []
    for what, options in REFUSED.items():
        last = [] if "--ckpt_path" in options or not options else ["--ckpt_path", "last"]
        outcome = qwen_pl("fit", "--config", trained, *last, *options, "--trainer.max_steps", 14)
        after = snapshot()
        if outcome.code != 2 or "Traceback" in outcome.err or "error: " not in outcome.err:
            wrong.append(f"{what} ends with {outcome.code}: {outcome.err[-300:]}")
        if after != before:
            names = [n for n in before | after if before.get(n) != after.get(n)]
            wrong.append(f"{what} changes {', '.join(names)}")
            before = after
        assert "weights_only" not in outcome.err
    assert wrong == []
    assert not Path("owned").exists()


@pytest.mark.parametrize("kind", ["locked", "by a callback", "by another error"])
def test_what_refuses_last_changes_nothing_either(
    qwen_pl: Run, trained: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    before = snapshot()
    fit = partial(qwen_pl, "fit", "--config", trained, "--ckpt_path", "last")
    if kind == "locked":
        with FileLock(RUN / ".lock"):
            assert fit().code == 2
    else:
        error = ValueError if kind == "by another error" else InputError

        def refuse(*args: object) -> None:
            raise error("no")

        monkeypatch.setattr("qwen_pl.training.lightning_fixes.ToldStop.on_train_start", refuse)
        with pytest.raises(ValueError, match="no") if error is ValueError else nullcontext():
            assert fit().code == 2
    assert snapshot() == before


def test_a_trial_of_a_few_batches_leaves_nothing_and_changes_nothing(
    qwen_pl: Run, trained: Path
) -> None:
    trial = ("--trainer.fast_dev_run", 2)
    before = snapshot()
    outcome = qwen_pl("fit", "--config", trained, *trial)
    assert outcome.code == 0, outcome.err
    assert "val_loss" in outcome.out
    complains(qwen_pl("fit", "--config", trained, *trial, "--ckpt_path", "last"), "first batches")
    assert snapshot() == before
    outcome = qwen_pl("fit", "--config", trained, *trial, "--run", "new", "--trainer.max_steps", -1)
    assert outcome.code == 0, outcome.err
    Path("prompts.txt").write_text("Bane\n")
    given = ["--data.prompts", "prompts.txt"]
    assert qwen_pl("predict", "--config", trained, *trial, *given).code == 0
    assert snapshot() == before
    assert [path.name for path in RUN.parent.iterdir()] == ["small"]
