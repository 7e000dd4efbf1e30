"""Callbacks that a config names work as in a Trainer of one's own, and resume with the run."""

import signal
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import own_callbacks
import pytest
import torch
import yaml
from command_line import Run, complains
from lightning.pytorch.callbacks import LambdaCallback
from quiet_trainer import quiet_trainer
from run_folder import same

from qwen_pl.data.datamodule import PDFDataModule
from qwen_pl.model.config import Qwen3Config
from qwen_pl.run.reading import TRAINER_DEFAULTS
from qwen_pl.training.module import Qwen3Module

SHORT = {"max_steps": 6, "val_check_interval": 2, "accumulate_grad_batches": 2}
OURS = {"on_save_checkpoint", "on_load_checkpoint"}  # only a run saves and loads


def with_callbacks(config: Path, *callbacks: Any, **trainer: Any) -> Path:
    """A short run with these callbacks, each a name or a name with its settings."""
    settings = yaml.safe_load(config.read_text())
    whole = [(c, {}) if isinstance(c, str) else c for c in callbacks]
    named = [{"class_path": name, "init_args": given} for name, given in whole]
    settings["trainer"] |= SHORT | trainer | {"callbacks": named}
    settings["checkpoint"] = {"every_n_train_steps": 2, "save_top_k": -1}
    settings["samples"] = {"every_n_steps": 0}
    path = config.with_name("with_callbacks.yaml")
    path.write_text(yaml.safe_dump(settings))
    return path


def noted() -> list[str]:
    called = [hook for hook in own_callbacks.CALLED if hook not in OURS]
    own_callbacks.CALLED.clear()
    return called


def plain_trainer(config: Path, *callbacks: pl.Callback) -> pl.Trainer:
    """Lightning's Trainer with the settings of a config, and with nothing of a run."""
    settings = TRAINER_DEFAULTS | yaml.safe_load(config.read_text())["trainer"]
    ours = ("callbacks", "accelerator", "enable_model_summary")
    return quiet_trainer(
        **{name: value for name, value in settings.items() if name not in ours},
        callbacks=list(callbacks),
    )


def plain_parts(config: Path) -> tuple[Qwen3Module, PDFDataModule]:
    settings = yaml.safe_load(config.read_text())
    sizes = settings["model"].pop("config")
    network = Qwen3Config(**sizes, vocab_size=320, max_position_embeddings=24)
    return Qwen3Module(network, **settings["model"]), PDFDataModule(**settings["data"])


@pytest.mark.parametrize("kind", ["class", "LambdaCallback"])
def test_every_hook_is_called_as_in_a_trainer_of_ones_own(
    qwen_pl: Run, config: Path, kind: str
) -> None:
    named: Any = "own_callbacks.Notes"
    callback: pl.Callback = own_callbacks.Notes()
    if kind == "LambdaCallback":
        named = (kind, {hook: f"own_callbacks.note_{hook}" for hook in own_callbacks.HOOKS})
        callback = LambdaCallback(
            **{hook: own_callbacks.note(hook) for hook in own_callbacks.HOOKS}
        )
    path = with_callbacks(config, named)
    module, data = plain_parts(path)
    own_callbacks.CALLED.clear()
    ours, theirs = {}, {}
    for verb in ("fit", "validate", "test"):
        outcome = qwen_pl(verb, "--config", path)
        assert outcome.code == 0, outcome.err
        ours[verb] = noted()
        getattr(plain_trainer(path, callback), verb)(module, datamodule=data)
        theirs[verb] = noted()
    assert ours == theirs
    (config.parent / "prompts.txt").write_text("Bane\n")
    options = ["--data.prompts", "prompts.txt", "--sampling.max_new_tokens", 1]
    assert qwen_pl("predict", "--config", path, *options).code == 0
    called = {hook for verb in ours for hook in ours[verb]} | {*noted()} | OURS
    never = {hook for hook in own_callbacks.HOOKS if hook not in called}
    assert never == {"on_exception"}
    # A callback that fails is told to the others.
    failing = with_callbacks(config, named, "own_callbacks.KeepsADate")
    complains(qwen_pl("fit", "--config", failing, "--run", "failing"), "KeepsADate")
    assert "on_exception" in noted()


EVERY_STEP = {"every_n_train_steps": 1, "save_top_k": -1}


@pytest.mark.parametrize(
    "callbacks",
    [
        ["ModelCheckpoint"],
        [("ModelCheckpoint", EVERY_STEP | {"save_last": True})],
        [("ModelCheckpoint", {"monitor": "val_loss", "filename": "loss-{val_loss:.3f}-{step}"})],
        [
            ("ModelCheckpoint", {"monitor": "val_loss", "save_top_k": 2}),
            ("ModelCheckpoint", EVERY_STEP | {"filename": "{epoch}/{step}"}),
            ("EarlyStopping", {"monitor": "val_loss", "patience": 9}),
            "LearningRateMonitor",
            "own_callbacks.Counts",
            "Timer",
            "SpikeDetection",
        ],
    ],
)
def test_callbacks_of_a_config_resume_exactly(
    qwen_pl: Run, config: Path, callbacks: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["fit", "--config", with_callbacks(config, *callbacks)]
    command += ["--ckpt_path", "last", "--run"]
    assert qwen_pl(*command, "unbroken").code == 0
    monkeypatch.setattr(Qwen3Module, "training_step", stopping_at(3, 4))
    for code in (143, 143, 0):
        outcome = qwen_pl(*command, "broken")
        assert outcome.code == code, outcome.err
    one, other = (Path("lightning_logs") / run / "checkpoints" for run in ("unbroken", "broken"))
    assert same(one / "step=00000006.ckpt", other / "step=00000006.ckpt")
    states = [
        torch.load(folder / "step=00000006.ckpt", weights_only=True)["callbacks"]
        for folder in (one, other)
    ]
    assert states[0].keys() == states[1].keys()
    for key in states[0]:
        if "ModelCheckpoint" in key:
            best = [Path(state[key]["best_model_path"]).name for state in states]
            assert best[0] == best[1] != ""
    if "Counts" in states[0]:
        assert states[0]["Counts"] == states[1]["Counts"] == {"batches": 12}
    extra = {"step=00000003.ckpt", "step=00000005.ckpt"}  # which the signals made it save
    assert files(other) - extra == files(one) - extra


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.ckpt")}


def stopping_at(*steps: int) -> Any:
    """A training step that asks this process to end in each of these steps, once."""
    plain, left = Qwen3Module.training_step, list(steps)

    def training_step(self: Qwen3Module, *args: Any) -> Any:
        if left and self.trainer.global_step == left[0]:
            left.pop(0)
            signal.raise_signal(signal.SIGTERM)
        return plain(self, *args)

    return training_step


@pytest.mark.parametrize(
    "words",
    [
        ["--trainer.callbacks+", "ModelCheckpoint"],
        ["--trainer.callbacks=ModelCheckpoint"],
        [
            "--trainer.callbacks+=EarlyStopping",
            "--trainer.callbacks.monitor=val_loss",
            "--trainer.callbacks+=ModelCheckpoint",
            "--trainer.callbacks.save_last=true",
        ],
    ],
)
def test_callbacks_are_added_on_the_command_line(
    qwen_pl: Run, config: Path, words: list[str]
) -> None:
    for steps in (2, 3):
        options = ["--trainer.max_steps", steps, "--ckpt_path", "last"]
        options += ["--trainer.val_check_interval", 1]
        outcome = qwen_pl("fit", "--config", config, *words, *options)
        assert outcome.code == 0, outcome.err
    names = {path.name for path in Path("lightning_logs/small/checkpoints").iterdir()}
    assert {"step=00000003.ckpt", "epoch=0-step=3.ckpt"} <= names


def test_a_model_checkpoint_lies_in_the_run_without_a_logger_too(
    qwen_pl: Run, config: Path
) -> None:
    path = with_callbacks(config, ("ModelCheckpoint", EVERY_STEP), logger=False)
    assert qwen_pl("fit", "--config", path, "--run", "small").code == 0
    names = {path.name for path in Path("lightning_logs/small/checkpoints").iterdir()}
    assert {f"epoch=0-step={step}.ckpt" for step in range(1, 7)} <= names


@pytest.mark.parametrize(
    ("callbacks", "words"),
    [
        (["ModelCheckpoint", "ModelCheckpoint"], ["ModelCheckpoint twice", "monitor"]),
        ([("ModelCheckpoint", {"filename": "best"})], ["would write best.ckpt", "dirpath"]),
        (
            [
                (
                    "ModelCheckpoint",
                    {"filename": "step={step:08d}", "auto_insert_metric_name": False},
                )
            ],
            ["would write step=00000000.ckpt"],
        ),
        ([("ModelCheckpoint", {"filename": "{val_loss:zz}"})], ["filename is {val_loss:zz}"]),
        ([("ModelCheckpoint", {"save_top_k": 2})], ["save_top_k=2"]),
        ([("ModelCheckpoint", {"monitor": "vall_loss"})], ["vall_loss", "val_loss"]),
        (["own_callbacks.KeepsADate"], ["KeepsADate in the checkpoint", "datetime.datetime"]),
        (["own_callbacks.AddsItself"], ["mine in the checkpoint", "own_callbacks.AddsItself"]),
        ([("GradientAccumulationScheduler", {"scheduling": {0: 2}})], ["counts epochs"]),
        (["BackboneFinetuning"], ["BackboneFinetuning", "leave it out"]),
        (["BatchSizeFinder"], ["data.batch_size", "leave it out"]),
        ([("ModelPruning", {"pruning_fn": "l1_unstructured"})], ["ModelPruning", "leave it out"]),
        (["own_callbacks.Nothing"], ["no class own_callbacks.Nothing"]),
    ],
)
def test_a_callback_that_cannot_work_is_refused_in_one_line(
    qwen_pl: Run, config: Path, callbacks: list[Any], words: list[str]
) -> None:
    complains(qwen_pl("fit", "--config", with_callbacks(config, *callbacks)), *words)


def test_a_callback_that_asks_between_two_batches_of_a_step_stops_the_run_at_its_end(
    qwen_pl: Run, config: Path
) -> None:
    path = with_callbacks(config, ("own_callbacks.Asks", {"after": 3}), val_check_interval=100)
    assert qwen_pl("fit", "--config", path, "--run", "small").code == 0
    names = {path.name for path in Path("lightning_logs/small/checkpoints").glob("step=*")}
    assert names == {"step=00000002.ckpt"}


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_a_step_that_a_signal_ends_has_been_seen_by_what_saves_it(
    qwen_pl: Run, config: Path
) -> None:
    asks = ("own_callbacks.Asks", {"after": 6, "by_signal": True})
    path = with_callbacks(config, asks, ("ModelCheckpoint", EVERY_STEP))
    assert qwen_pl("fit", "--config", path, "--run", "small").code == 143
    names = {path.name for path in Path("lightning_logs/small/checkpoints").iterdir()}
    assert {"step=00000003.ckpt", "epoch=0-step=3.ckpt"} <= names
