"""What is decided about a run before anything of it is made."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import Namespace

from qwen_pl.errors import InputError, is_first_on_machine
from qwen_pl.export.pretrained import find_pretrained
from qwen_pl.files import check_place
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.run.machine import fitting_launcher, fitting_precision
from qwen_pl.run.predicting import predictions_file, settings_of_checkpoint
from qwen_pl.run.published_start import given_sizes, linked_sizes, tell_of_start
from qwen_pl.run.reading import steps_to_train, tokenizer_of
from qwen_pl.run.saved_config import compare_to_checkpoint
from qwen_pl.runs import CHECKPOINTS, checkpoints_in, run_dir
from qwen_pl.terminal import tell
from qwen_pl.training.checkpoints.checkpoint import (
    find_checkpoint,
    has_begun,
    load_facts,
    saved_in,
)
from qwen_pl.training.devices.sharding import MakeNetwork
from qwen_pl.training.monitoring.rewind import ResumePoint, resume_point

NONE = "none"
"""What ``--ckpt_path`` takes to measure published weights although a run has gone on from them."""


@dataclass(frozen=True)
class RunPlan:
    """All that a run is to be.

    Attributes:
        verb: fit, validate, test or predict.
        run_dir: The folder of the run, whose name is also that of the run.
        config: All settings, with what the user left open.
        config_text: The same as YAML for the run's folder: without how this fit was begun, which is
            not how the next one is to be.
        plain_config: The same as it goes into checkpoints.
        checkpoint: What ``fit`` resumes from, or what the other verbs measure or write with.
        resume: Where ``fit`` goes on; None for a new run.
        has_other_seed: Whether it resumes with another seed than it had.
        make_network: Makes the network if ``model.from_pretrained`` is given: with the published
            weights, or without where a checkpoint has them.
        shows_measures: Whether what validate and test have measured is printed.
        predictions: The file that predict writes.
    """

    verb: str
    run_dir: Path
    config: Namespace
    config_text: str
    plain_config: dict[str, Any]
    checkpoint: Path | None
    resume: ResumePoint | None
    has_other_seed: bool
    make_network: MakeNetwork | None
    shows_measures: bool
    predictions: Path | None

    @property
    def is_trial(self) -> bool:
        """Whether ``trainer.fast_dev_run`` asks for a few batches that leave nothing behind."""
        return bool(self.config.trainer.fast_dev_run)


def make_plan(
    verb: str,
    given: Namespace,
    published: Qwen3Config | None,
    dump: Callable[[Namespace], str],
) -> RunPlan:
    """Fills in what the user left open, and refuses what no run can be.

    This is the one place where settings change after they were read, and as long as it is so that
    they are seen to change in their order: each choice needs the ones before it.

    Args:
        given: The settings as they were read.
        published: The sizes of the network that ``model.from_pretrained`` names, if it does.
        dump: Writes settings as YAML, less what is private.

    Raises:
        InputError: If it cannot be done with these settings, or in this folder.
    """
    config = given.clone()
    config.data.tokenizer = tokenizer_of(config)
    _fill_in(config.trainer, fitting_launcher(config.trainer))
    first_file, *_ = config.config or ["default"]
    config.run = config.run or Path(str(first_file)).stem
    folder = run_dir(config.run, config.trainer.default_root_dir)
    if verb == "fit":
        check_place(folder)
    config.checkpoint.dirpath = str(folder / CHECKPOINTS)

    shows_measures = verb in ("validate", "test") and config.verbose
    if shows_measures:
        config.verbose = False  # Lightning's table would show each value once for every loader
    asked = _resumed_from(config, folder) if verb == "fit" else _measured(verb, config, folder)
    checkpoint = None
    if asked is not None:
        checkpoint = find_checkpoint(asked, folder, to_train=verb == "fit")
        if verb != "fit" and is_first_on_machine():
            tell(f"{checkpoint}:", file=sys.stderr)
    config.ckpt_path = None if checkpoint is None else str(checkpoint)

    predictions = None
    if verb == "predict":
        predictions = predictions_file(config, folder)
        _fill_in(config, settings_of_checkpoint(config))
        published = None  # the checkpoint holds all of it
    _check_trainer(config.trainer)
    if config.trainer.precision is None:
        config.trainer.precision = fitting_precision(config.trainer.accelerator)

    make_network: MakeNetwork | None = None
    if published is not None:
        sizes = given_sizes(config, published)
        _fill_in(config.model.config, linked_sizes(config, sizes, published))
        make_network = Qwen3ForCausalLM  # a run that resumes has its weights in the checkpoint
        if checkpoint is None:
            make_network = find_pretrained(config.model.from_pretrained).network
            if is_first_on_machine():
                tell_of_start(verb, config, published, sizes)

    plain = yaml.safe_load(dump(config))
    resume, has_other_seed = None, False
    if checkpoint is not None:
        facts = load_facts(checkpoint)  # refused now, and not when all is prepared
        if verb == "fit":
            has_other_seed = compare_to_checkpoint(checkpoint, facts, plain)
            resume = resume_point(facts)
    return RunPlan(
        verb=verb,
        run_dir=folder,
        config=config,
        config_text=dump(config.clone().update(None, "ckpt_path")),
        plain_config=plain,
        checkpoint=checkpoint,
        resume=resume,
        has_other_seed=has_other_seed,
        make_network=make_network,
        shows_measures=shows_measures,
        predictions=predictions,
    )


def _fill_in(config: Namespace, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        config[name] = value


_AT_LEAST_1 = (
    "accumulate_grad_batches",
    "check_val_every_n_epoch",
    "log_every_n_steps",
    "val_check_interval",
)
"""Settings of the Trainer that it takes as numbers below 1, to divide by them later."""


def _check_trainer(trainer: Namespace) -> None:
    """Refuses what the Trainer takes and then fails at, in the middle of a run.

    Raises:
        InputError: If a setting cannot be used.
    """
    for name in _AT_LEAST_1:
        value = getattr(trainer, name)
        is_share = isinstance(value, float) and value > 0
        if isinstance(value, int | float) and value < 1 and not is_share:
            raise InputError(f"trainer.{name} is {value}: it has to be at least 1")
    for name in ("max_epochs", "limit_train_batches"):
        if getattr(trainer, name) == 0:
            raise InputError(f"trainer.{name} is 0: nothing would be trained")
    if str(trainer.strategy).rpartition("_")[2] in ("spawn", "fork", "notebook"):
        raise InputError(
            f"trainer.strategy is {trainer.strategy}, whose processes are copies of one that has "
            "begun a run: give ddp, whose begin it each"
        )
    most = max(8, os.cpu_count() or 1)
    devices = str(trainer.devices)
    on_cpu = trainer.accelerator == "cpu" or not torch.accelerator.is_available()
    if on_cpu and devices.isdecimal() and int(devices) > most:
        raise InputError(f"trainer.devices is {devices}: on this CPU it can be {most} at most")
    if trainer.gradient_clip_val is not None and trainer.gradient_clip_val < 0:
        raise InputError(
            f"trainer.gradient_clip_val is {trainer.gradient_clip_val}: it has to be positive, or "
            "0 for no clipping"
        )
    if trainer.precision == "16-true":
        raise InputError(
            "trainer.precision is 16-true, and AdamW's moments are too small for float16: give "
            "16-mixed, or bf16-true"
        )


def _resumed_from(config: Namespace, folder: Path) -> str | None:
    """What ``fit`` goes on from, as ``--ckpt_path`` names it; None for a new run.

    Raises:
        InputError: If a run would be overwritten, or its end is not known.
    """
    asked = None if config.ckpt_path == NONE else config.ckpt_path
    if not has_begun(folder, config.checkpoint.every_n_train_steps):
        if asked == "last":  # one command, repeated, brings a run to its end
            asked = None
            _tell_of_new_run(folder)
    elif asked is None and not config.trainer.fast_dev_run:
        raise InputError(
            f"{folder} already holds a run: continue it with --ckpt_path last, start another with "
            "--run NAME, or remove the folder"
        )
    if not config.trainer.fast_dev_run:
        steps_to_train(config)  # told now, and not when all is prepared
    elif asked is not None:
        raise InputError(
            "trainer.fast_dev_run tries the first batches of a new run and leaves nothing: leave "
            "out --ckpt_path"
        )
    return asked


def _tell_of_new_run(folder: Path) -> None:
    """Says that ``--ckpt_path last`` has found nothing, in case the run's name is misspelt."""
    if is_first_on_machine():
        others = sorted({path.parents[1].name for path in checkpoints_in(folder.parent)})
        known = f" (runs with checkpoints here: {', '.join(others[:5])})" if others else ""
        tell(f"no checkpoint in {folder} yet: starting{known}", file=sys.stderr)


def _measured(verb: str, config: Namespace, folder: Path) -> str | None:
    """What is measured or written with; None for published weights, where there are any.

    Raises:
        InputError: If no checkpoint is wanted, but nothing else is there.
    """
    if config.ckpt_path not in (None, NONE):
        return config.ckpt_path
    has_published = config.model.from_pretrained is not None and verb != "predict"
    if config.ckpt_path == NONE and not has_published:
        raise InputError(
            f"--ckpt_path {NONE} measures the weights of model.from_pretrained, and {verb} has "
            "none: give last, best or a file"
        )
    has_checkpoint = bool(saved_in(folder / CHECKPOINTS))
    is_published = has_published and (config.ckpt_path == NONE or not has_checkpoint)
    return None if is_published else "last"
