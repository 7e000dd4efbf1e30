"""How a run is put together: LightningCLI with fixed run folders and errors of one line."""

import dataclasses
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from jsonargparse import Namespace, set_parsing_settings
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from qwen_pl.data.batches.prompts import read_prompts
from qwen_pl.data.datamodule import PDFDataModule
from qwen_pl.data.tokens.tokenizer import load_tokenizer
from qwen_pl.errors import InputError, Stopped
from qwen_pl.export.pretrained import Pretrained, find_pretrained, published_config
from qwen_pl.files import remove_unfinished
from qwen_pl.generation.generate import generate
from qwen_pl.generation.sampling import Sampling
from qwen_pl.model.architectures import named_config
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.run.completing import completer
from qwen_pl.run.config_changes import plain_config
from qwen_pl.run.end import tell_of_mendable
from qwen_pl.run.launcher import end_with_parent, fit_to_launcher
from qwen_pl.run.parser import RunParser, why_not_made
from qwen_pl.run.published_start import LINKED_SIZES, fit_to_published, padded, tell_of_start
from qwen_pl.run.quiet import quieten
from qwen_pl.run.results import SAMPLES, print_measures, print_results
from qwen_pl.run.run_loggers import rewind_loggers, run_loggers
from qwen_pl.run.saved_config import SaveRunConfig
from qwen_pl.run.start import compare_to_checkpoint, refuse_to_start_over, tell_of_new_run
from qwen_pl.run.trainer_settings import (
    check_trainer_settings,
    fitting_precision,
    refusals_in_one_line,
)
from qwen_pl.runs import LOGS, run_dir
from qwen_pl.training.checkpoints.checkpoint import (
    FOLDER,
    find_checkpoint,
    has_begun,
    load_checkpoint,
    step_of,
)
from qwen_pl.training.checkpoints.checkpoint_io import WholeCheckpointIO
from qwen_pl.training.lightning_fixes.named_callbacks import fitted
from qwen_pl.training.module import Qwen3Module
from qwen_pl.training.monitoring.curves import TrainingCurves
from qwen_pl.training.monitoring.forgetting import MeasuredStart
from qwen_pl.training.monitoring.histograms import Histograms
from qwen_pl.training.monitoring.loggers import begin, let_folder_open
from qwen_pl.training.monitoring.predictions import PredictionWriter
from qwen_pl.training.monitoring.progress import StepProgress
from qwen_pl.training.monitoring.run_texts import RunTexts
from qwen_pl.training.monitoring.summary import RunSummary
from qwen_pl.training.monitoring.text_samples import TextSamples
from qwen_pl.training.optim.averaging import WeightAveraging
from qwen_pl.training.resume.elastic import ElasticAccumulation
from qwen_pl.training.resume.random_state import RandomState
from qwen_pl.training.resume.requeue import requeue
from qwen_pl.training.resume.saving import BestCheckpoint, StepCheckpoint
from qwen_pl.training.resume.signals import REQUEUE, StopOnSignal, stop_on_signals
from qwen_pl.training.resume.validating import LastValidation, ValidateBetweenSteps
from qwen_pl.training.steps.bad_steps import BadSteps
from qwen_pl.training.steps.ledger import LEDGER
from qwen_pl.training.steps.ledger_callback import SampleLedger

NONE = "none"
"""What ``--ckpt_path`` takes to measure published weights although a run has gone on from them."""

TRAINER_DEFAULTS = {
    "max_epochs": -1,
    "check_val_every_n_epoch": None,  # training has no epochs: its loader never ends
    "val_check_interval": 1000,
    "log_every_n_steps": 10,
    "use_distributed_sampler": False,  # ours deals the windows to the processes
    "enable_model_summary": False,
    "gradient_clip_val": 1.0,
}


def main() -> None:
    """Runs ``fit``, ``validate``, ``test`` or ``predict`` as the command line says."""
    quieten()
    end_with_parent()
    try:
        with stop_on_signals():
            QwenCLI()
    except Stopped as stopped:
        if stopped.number == REQUEUE and rank_zero_only.rank == 0:
            requeue()
        raise


def data_of_config(args: list[str]) -> PDFDataModule:
    """The datamodule that ``fit`` would have with these arguments; the whole config is checked.

    Raises:
        InputError: If a setting cannot be used; a misspelt one ends the process with a line.
    """
    quieten()
    return DataOnlyCLI(args=["fit", *args]).datamodule


def prepared_config(args: list[str]) -> Namespace:
    """All settings that ``fit`` would have with these arguments, once its data are prepared.

    Raises:
        InputError: If a setting cannot be used; a misspelt one ends the process with a line.
    """
    quieten()
    cli = DataOnlyCLI(args=["fit", *args])
    cli.datamodule.prepare_data()
    return cli.config["fit"]


def module_of_config(args: list[str]) -> tuple[Qwen3Module, int]:
    """The module that ``fit`` would train with these arguments, without its network, and the steps.

    Raises:
        InputError: If a setting cannot be used; a misspelt one ends the process with a line.
    """
    quieten()
    cli = DataOnlyCLI(args=["fit", *args])
    max_steps = cli.config["fit"].trainer.max_steps
    if max_steps < 1:
        raise InputError("trainer.max_steps is not set: give the steps to train for")
    return cli.model, max_steps


class QwenCLI(LightningCLI):
    """Gives every run one fixed folder, finds its checkpoints, and chooses what was left open.

    Attributes:
        published: Sizes of the network that ``model.from_pretrained`` names, if it does.
        pretrained: The same with its weights, if they are needed.
        plain_config: The whole config as it goes into checkpoints.
        has_other_seed: Whether a run resumes with another seed than it had.
    """

    published: Qwen3Config | None = None
    pretrained: Pretrained | None = None
    plain_config: dict[str, Any]
    has_other_seed = False

    def __init__(self, **kwargs: Any) -> None:
        # The string under a setting is its help.
        set_parsing_settings(docstring_parse_attribute_docstrings=True)
        let_folder_open()
        # Without it, --trainer.max_step would be taken for --trainer.max_steps.
        strict = {"allow_abbrev": False}
        super().__init__(
            Qwen3Module,
            PDFDataModule,
            parser_class=RunParser,
            parser_kwargs=strict | {verb: dict(strict) for verb in self.subcommands()},
            trainer_defaults=TRAINER_DEFAULTS,
            save_config_callback=SaveRunConfig,
            seed_everything_default=42,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            **kwargs,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--run",
            type=str | None,
            default=None,
            help=f"Name of the run and its folder in {LOGS}; by default that of the config file.",
        )
        parser.add_argument(
            "--predictions",
            type=str | None,
            default=None,
            help="JSONL file that predict writes; by default predictions.jsonl in the run's folder",
        )
        parser.add_argument(
            "--num_samples", type=int, default=1, help="completions of each prompt, for predict"
        )
        parser.add_class_arguments(Sampling, "sampling")
        parser.add_lightning_class_args(StepCheckpoint, "checkpoint")
        parser.add_lightning_class_args(WeightAveraging, "weight_averaging")
        parser.add_lightning_class_args(BadSteps, "bad_steps")
        parser.add_lightning_class_args(TrainingCurves, "curves")
        parser.add_lightning_class_args(TextSamples, "samples")
        parser.link_arguments(
            ("data.vocab_size", "data.tokenizer"), "model.config.vocab_size", _model_vocab_size
        )
        parser.link_arguments(
            # What is not at least 1 is for the datamodule to complain of, under the user's name.
            "data.seq_len",
            "model.config.max_position_embeddings",
            lambda seq_len: max(1, seq_len),
        )
        parser.link_arguments("seed_everything", "data.seed", int)

    def parse_arguments(self, parser: LightningArgumentParser, args: list[str] | None) -> None:
        words = sys.argv[1:] if args is None else args
        first = parser.parse_args([word for word in words if not word.startswith("--print_config")])
        verb = first.subcommand
        if (sizes := self._published_sizes(first[verb].model)) is not None:
            # What the user gives beside them stays as given, to be compared.
            self._subcommand_parsers[verb].set_defaults(
                {
                    f"model.config.{field.name}": getattr(sizes, field.name)
                    for field in dataclasses.fields(sizes)
                    if field.name not in LINKED_SIZES
                }
            )
        self.config = parser.parse_args(words)
        # The ids of another tokenizer would mean nothing to weights that are there already.
        config = self.config[verb]
        config.data.tokenizer = config.data.tokenizer or config.model.from_pretrained

    def _parse_ckpt_path(self) -> None:
        """Does nothing: Lightning would let what a checkpoint says override what the user says."""

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        fit_to_launcher(config.trainer)
        config.run = config.run or _config_name(config)
        self.run_dir = run_dir(config.run, config.trainer.default_root_dir)
        config.checkpoint.dirpath = str(self.run_dir / FOLDER)
        if self.subcommand == "fit":
            config.ckpt_path = None if config.ckpt_path == NONE else config.ckpt_path
            if not has_begun(self.run_dir, config.checkpoint.every_n_train_steps):
                if config.ckpt_path == "last":  # one command, repeated, brings a run to its end
                    config.ckpt_path = None
                    tell_of_new_run(self.run_dir)
            elif config.ckpt_path is None:
                refuse_to_start_over(self.run_dir)
            if config.trainer.max_steps < 1:  # told now, and not when all is prepared
                raise InputError("trainer.max_steps is not set: give the steps to train for")
        else:
            self._find_what_to_measure(config)
            if self.subcommand != "predict":
                # Lightning's table would show each value once for every loader.
                self._shows_measures, config.verbose = config.verbose, False
        if config.ckpt_path is not None:
            config.ckpt_path = str(find_checkpoint(config.ckpt_path, self.run_dir))
        if self.subcommand == "predict":
            self._prepare_to_predict(config)
        check_trainer_settings(config.trainer)
        if config.trainer.precision is None:
            config.trainer.precision = fitting_precision(config.trainer.accelerator)
        if self.published is not None:
            self._start_from_published(config)
        self.plain_config = plain_config(self._parser(self.subcommand).dump(config))
        if self.subcommand == "fit" and config.ckpt_path is not None:
            checkpoint = Path(config.ckpt_path)
            self.has_other_seed = compare_to_checkpoint(checkpoint, self.plain_config)

    def instantiate_classes(self) -> None:
        # Loggers are made together with the trainer, when it is known what the run says to them.
        trainer = self.config[self.subcommand].trainer
        self._given_logger, trainer.logger = trainer.logger, None
        try:
            super().instantiate_classes()
        except (ValueError, ImportError, MisconfigurationException) as error:
            if isinstance(error, InputError) or (reason := why_not_made(error)) is None:
                raise
            raise InputError(reason) from None

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self._get(self.config, "trainer")
        kwargs["plugins"] = [*_as_list(self._get(self.config_init, "trainer").plugins)]
        kwargs["plugins"].append(WholeCheckpointIO())
        config.logger = self._given_logger
        # What is measured later must not become a part of the run's curves.
        if self.subcommand == "fit":
            resumed_from = self._get(self.config, "ckpt_path")
            kwargs["logger"] = run_loggers(config.logger, self.run_dir, resumed_from)
        else:
            kwargs["logger"] = False
        return super().instantiate_trainer(**kwargs)

    def _instantiate_trainer(self, config: dict[str, Any], callbacks: list[Callback]) -> Trainer:
        config["callbacks"] = fitted(_as_list(config["callbacks"]), self.run_dir)
        has_bar = any(isinstance(c, ProgressBar) for c in config["callbacks"])
        checkpoint = next(c for c in callbacks if isinstance(c, StepCheckpoint))
        curves = next(c for c in callbacks if isinstance(c, TrainingCurves))
        samples = next(c for c in callbacks if isinstance(c, TextSamples))
        samples.path, samples.generate = self.run_dir / SAMPLES, generate
        callbacks += [
            RandomState(restores=not self.has_other_seed),
            ElasticAccumulation(),
            ValidateBetweenSteps(),
            LastValidation(),
        ]
        callbacks.append(RunSummary(self.run_dir.name))
        if self.subcommand == "fit":
            callbacks.append(RunTexts({**self.plain_config, "ckpt_path": None}))
        if curves.histograms_every_n_steps:
            callbacks.append(Histograms(curves.histograms_every_n_steps))
        callbacks.append(SampleLedger(self.run_dir / LEDGER))
        callbacks.append(StopOnSignal(checkpoint))
        # Before the steps' checkpoints, which are to know of the best one.
        callbacks.insert(0, BestCheckpoint(self.run_dir / FOLDER))
        if self.subcommand == "predict":
            callbacks.append(PredictionWriter(self.predictions))
        wants_bar = config.get("enable_progress_bar") is not False and not has_bar
        if self.subcommand == "fit" and wants_bar:
            callbacks.append(StepProgress(curves))
        callbacks.append(MeasuredStart())  # when the others are ready for a validation
        with refusals_in_one_line():
            return super()._instantiate_trainer(config, callbacks)

    def after_instantiate_classes(self) -> None:
        self.model.run_config = self.plain_config
        if self.published is not None:  # a run that resumes has its weights in the checkpoint
            read = self.pretrained.network if self.pretrained is not None else Qwen3ForCausalLM
            self.model.make_network = read

    def before_fit(self) -> None:
        if rank_zero_only.rank == 0:
            self._take_folder()
            loggers = self.trainer.loggers
            rewind_loggers(loggers, self.run_dir, self._get(self.config, "ckpt_path"))
            begin(loggers, self.run_dir)

    def after_fit(self) -> None:
        if self.trainer.is_global_zero:
            resumed_from = self._get(self.config, "ckpt_path")
            had = step_of(Path(resumed_from)) if resumed_from else -1
            finished = had >= self.trainer.max_steps
            print_results(self.trainer, self.run_dir, was_finished=finished)

    def after_validate(self) -> None:
        if self._shows_measures and self.trainer.is_global_zero:
            print_measures(self.trainer)

    after_test = after_validate

    def before_predict(self) -> None:
        sampling = self._get(self.config_init, "sampling")
        if sampling.seed is None:
            sampling = replace(sampling, seed=self.datamodule.settings.seed)
        num_samples = self._get(self.config, "num_samples")
        self.model.write = completer(self.datamodule, sampling, num_samples)

    def _run_subcommand(self, subcommand: str) -> None:
        is_new = not self.run_dir.exists()
        self._lock = FileLock(self.run_dir / ".lock")
        try:
            super()._run_subcommand(subcommand)
        except InputError:
            if is_new and not (self.run_dir / LEDGER).exists():
                shutil.rmtree(self.run_dir, ignore_errors=True)  # nothing came of it
            raise
        except Exception as error:
            tell_of_mendable(error, self.run_dir)
            raise
        except SystemExit as ended:
            if isinstance(ended.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None  # which Lightning has turned into an exit code 1
            raise
        finally:
            self._lock.release()

    def _published_sizes(self, model: Namespace) -> Qwen3Config | None:
        """The sizes that ``model.from_pretrained`` or ``model.architecture`` mean."""
        if model.from_pretrained is not None:
            self.published = published_config(model.from_pretrained)
            return self.published
        return None if model.architecture is None else named_config(model.architecture)

    def _start_from_published(self, config: Namespace) -> None:
        """Fits the config to the published sizes, and finds the weights where they are needed."""
        name = config.model.from_pretrained
        given = fit_to_published(config, self.published)
        if config.ckpt_path is None:
            self.pretrained = find_pretrained(name)
            if rank_zero_only.rank == 0:
                verb = "starting from" if self.subcommand == "fit" else "measuring"
                rows = config.model.config.vocab_size
                tell_of_start(name, self.published, given, rows, config.data.tokenizer, verb)

    def _find_what_to_measure(self, config: Namespace) -> None:
        """Without a checkpoint, published weights are measured where there are any.

        Raises:
            InputError: If no checkpoint is wanted, but nothing else is there.
        """
        if config.ckpt_path not in (None, NONE):
            return
        has_published = config.model.from_pretrained is not None and self.subcommand != "predict"
        if config.ckpt_path == NONE and not has_published:
            raise InputError(
                f"--ckpt_path {NONE} measures the weights of model.from_pretrained, and "
                f"{self.subcommand} has none: give last, best or a file"
            )
        has_checkpoint = any((self.run_dir / FOLDER).glob("step=*.ckpt"))
        is_published = has_published and (config.ckpt_path == NONE or not has_checkpoint)
        config.ckpt_path = None if is_published else "last"

    def _prepare_to_predict(self, config: Namespace) -> None:
        """Takes from the checkpoint what it takes to write: a config need not repeat it."""
        read_prompts(config.data.prompts)  # told now, and not when all is loaded
        self.predictions = Path(config.predictions or self.run_dir / "predictions.jsonl")
        if self.predictions.is_dir():
            raise InputError(f"--predictions {self.predictions} is a folder: give a file")
        if self.predictions.resolve() == Path(config.data.prompts).resolve():
            raise InputError(f"--predictions {self.predictions} would write over the prompts")
        checkpoint = load_checkpoint(Path(config.ckpt_path), mmap=True)
        if "qwen_pl" in checkpoint:  # else the module complains
            config.model.config = Namespace(checkpoint["qwen_pl"]["config"])
        if config.data.tokenizer == config.model.from_pretrained:
            config.data.tokenizer = None  # not the user's own word
        config.model.from_pretrained = self.published = None  # the checkpoint holds all of it
        if config.trainer.precision is None:
            # As generate computes: in less, a text would depend on what is written beside it.
            config.trainer.precision = "32-true"

    def _take_folder(self) -> None:
        """Keeps other processes from training into the run's folder while this one lives."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise InputError(
                f"{self.run_dir} is being trained by another process: wait for it, or start "
                "another run with --run NAME"
            ) from None
        # This process alone writes here now, so what others left unfinished is nobody's.
        remove_unfinished(self.run_dir, seconds=0)


class DataOnlyCLI(QwenCLI):
    """Reads a whole run's config, with all its checks, and makes only the datamodule."""

    def _published_sizes(self, model: Namespace) -> Qwen3Config | None:
        # Data needs only the tokenizer of a published network.
        return None if model.from_pretrained is not None else super()._published_sizes(model)

    def before_instantiate_classes(self) -> None:
        """Does nothing: no folder of a run is touched."""

    def instantiate_trainer(self, **kwargs: Any) -> None:
        """Makes no trainer."""

    def after_instantiate_classes(self) -> None:
        """Gives the model nothing: it is not trained."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Runs nothing."""


def _model_vocab_size(vocab_size: int, tokenizer: str | None) -> int:
    """Rows of the embedding: the ids asked for, or those of the tokenizer given, and padding."""
    if tokenizer is not None:
        vocab_size = load_tokenizer(Path(tokenizer)).get_vocab_size()
    return padded(vocab_size)


def _config_name(config: Namespace) -> str:
    files = config.get("config") or []
    return Path(str(files[0])).stem if files else "default"


def _as_list(value: Any) -> list:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
