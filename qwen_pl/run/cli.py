"""A run from its command line to its end: read, decided, made, and done."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from qwen_pl.data.datamodule import PDFDataModule
from qwen_pl.errors import Stopped
from qwen_pl.run.callbacks import as_list, run_callbacks
from qwen_pl.run.choices import RunPlan, make_plan
from qwen_pl.run.folder import print_measures, print_results, taken, tidy_end
from qwen_pl.run.machine import end_with_parent
from qwen_pl.run.messages import (
    full_memory_in_one_line,
    quieten,
    refused_classes_in_one_line,
    refused_trainer_in_one_line,
)
from qwen_pl.run.predicting import completer
from qwen_pl.run.reading import make_parts, read_config, run_parser, verb_settings
from qwen_pl.runs import tell_of_changed_config
from qwen_pl.training.checkpoints.checkpoint_io import WholeCheckpointIO
from qwen_pl.training.module import Qwen3Module
from qwen_pl.training.monitoring.loggers import run_loggers
from qwen_pl.training.resume.signals import REQUEUE, requeue, stop_on_signals


def main() -> None:
    """Runs ``fit``, ``validate``, ``test`` or ``predict`` as the command line says."""
    quieten()
    end_with_parent()
    try:
        with stop_on_signals():
            # Lightning starts further processes with this same command line, so it stays as it is.
            QwenCLI(sys.argv[1], sys.argv[2:]).run()
    except Stopped as stopped:
        if stopped.number == REQUEUE and getattr(rank_zero_only, "rank", 0) == 0:
            requeue()
        raise


class QwenCLI(LightningCLI):
    """A run of Lightning's command line; each hook is a step that the next one builds on.

    Lightning itself is to run nothing (``run=False``): it would build the parsers of all four
    verbs, and let what a checkpoint says override what the user says.

    Args:
        verb: fit, validate, test or predict.
        args: The command line behind it.
        more_callbacks: They stand before those of the run.

    Attributes:
        plan: What the run is to be, decided before anything is made.

    Raises:
        InputError: If the user has asked for something that cannot be.
    """

    plan: RunPlan

    def __init__(
        self, verb: str, args: Sequence[str], more_callbacks: Sequence[Callback] = ()
    ) -> None:
        self.verb, self.words, self.more_callbacks = verb, list(args), list(more_callbacks)
        super().__init__(
            Qwen3Module,
            PDFDataModule,
            save_config_callback=None,  # a callback of the run writes it
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            run=False,
        )

    def setup_parser(self, *args: Any) -> None:
        self.parser = run_parser(self.verb, self.words)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        for word, value in pairwise([*self.words, ""]):
            if word in ("-c", "--config") or word.startswith("--config="):
                tell_of_changed_config(Path(word.partition("=")[2] or value))
        self.config, self.published = read_config(parser, self.words)

    def before_instantiate_classes(self) -> None:
        self.plan = make_plan(self.verb, self.config, self.published, self.parser.dump)
        self.config = self.plan.config

    def instantiate_classes(self) -> None:
        self.config_init = make_parts(self.parser, self.config)
        self.model, self.datamodule = self.config_init.model, self.config_init.data
        self.trainer = self.instantiate_trainer()

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        parts, plan = self.config_init, self.plan
        settings = dict(parts.trainer.items(nested=False))
        settings["callbacks"] = self.more_callbacks + run_callbacks(plan, parts)
        settings["plugins"] = [*as_list(parts.trainer.plugins), WholeCheckpointIO()]
        # What is measured later must not become a part of the run's curves.
        settings["logger"] = self._loggers() if self.verb == "fit" else False
        with refused_trainer_in_one_line():
            return Trainer(**settings)

    def _loggers(self) -> list[Logger]:
        given = self.config.trainer.logger
        with refused_classes_in_one_line():
            return run_loggers(given, self.plan.run_dir, self.plan.resume)

    def after_instantiate_classes(self) -> None:
        complete = None
        if self.verb == "predict":
            sampling, num_samples = self.config_init.sampling, self.config.num_samples
            complete = completer(self.datamodule, sampling, num_samples)
        self.model.join_run(self.plan.plain_config, self.plan.make_network, complete)

    def run(self) -> None:
        """Does the verb, and prints what has come of it."""
        told = {name: self.config[name] for name in verb_settings(self.verb)}
        folder = self.plan.run_dir
        memory = full_memory_in_one_line(self.verb, self.config, folder)
        with tidy_end(folder), self._taken_to_train(), memory:
            getattr(self.trainer, self.verb)(self.model, datamodule=self.datamodule, **told)
            if self.trainer.is_global_zero:
                if self.verb == "fit" and not self.plan.is_trial:
                    resume = self.plan.resume
                    was_finished = resume is not None and resume.step >= self.trainer.max_steps
                    prepared = self.datamodule.prepared
                    print_results(self.trainer, prepared, folder, was_finished=was_finished)
                elif self.verb == "fit" or self.plan.shows_measures:
                    print_measures(self.trainer)

    @contextmanager
    def _taken_to_train(self) -> Iterator[None]:
        """While a fit lasts, its first process has the folder of the run for itself."""
        if self.verb != "fit" or self.plan.is_trial or not self.trainer.is_global_zero:
            yield
            return
        with taken(self.plan.run_dir):
            yield
