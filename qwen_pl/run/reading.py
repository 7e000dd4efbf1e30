"""What a run's command line and config may say, how they are read, and the parts they make."""

import dataclasses
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as pl
import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace, set_parsing_settings
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from qwen_pl.any_tokenizer import num_ids
from qwen_pl.data.datamodule import PDFDataModule
from qwen_pl.data.tokens.tokenizer import load_tokenizer
from qwen_pl.errors import InputError, is_first_on_machine
from qwen_pl.export.pretrained import published_config
from qwen_pl.files import refuse_endless
from qwen_pl.generation.sampling import Sampling
from qwen_pl.model.config import Qwen3Config, named_config
from qwen_pl.private import without_private
from qwen_pl.run.messages import complaint, quieten, refused_classes_in_one_line
from qwen_pl.runs import LOGS
from qwen_pl.terminal import tell
from qwen_pl.training.module import Qwen3Module
from qwen_pl.training.monitoring.curves import TrainingCurves
from qwen_pl.training.monitoring.texts import TextSamples
from qwen_pl.training.optim.averaging import WeightAveraging
from qwen_pl.training.resume.saving import StepCheckpoint
from qwen_pl.training.steps.bad_steps import BadSteps

LINKED_SIZES = ("vocab_size", "max_position_embeddings")
"""Sizes of the network that follow from the data."""
VOCABULARY_MULTIPLE = 64  # matrix kernels like sizes that divide

TRAINER_DEFAULTS = {
    "max_epochs": -1,
    "check_val_every_n_epoch": None,  # training has no epochs: its loader never ends
    "val_check_interval": 1000,
    "log_every_n_steps": 10,
    "use_distributed_sampler": False,  # ours deals the windows to the processes
    "enable_model_summary": False,
    "gradient_clip_val": 1.0,
}

NO_SETTINGS = {"self", "model", "datamodule", "dataloaders", "train_dataloaders", "val_dataloaders"}
"""What the Trainer's method of a verb takes, and no user can write in a config."""


class RunParser(LightningArgumentParser):
    """Complains in one line, with the nearest name where one is misspelt."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if is_first_on_machine():
            known = {"config", *self.get_defaults().keys()}
            tell(f"error: {complaint(message, known)}", file=sys.stderr)
        sys.exit(2)

    def dump(self, namespace: Namespace, *args: Any, **kwargs: Any) -> str:
        """The settings for the files of a run, or for the terminal: without what is private.

        They were checked when they were read; some defaults of Lightning's would not pass.
        """
        try:
            text = super().dump(namespace, *args, **kwargs | {"skip_validation": True})
        except (yaml.YAMLError, TypeError, ValueError) as error:  # of a class of the user's own
            reason = " ".join(map(str, error.args))
            raise InputError(f"the config cannot be written into the run: {reason}") from None
        settings = yaml.safe_load(text)
        public = without_private(settings)
        return text if public == settings else yaml.safe_dump(public, sort_keys=False)

    def add_class_arguments(self, theclass: type, *args: Any, **kwargs: Any) -> list[str]:
        """As ever, and for the classes that a config names inside of it, too."""
        added = super().add_class_arguments(theclass, *args, **kwargs)
        if theclass in (CSVLogger, TensorBoardLogger):
            self.set_defaults(save_dir="")  # left open, it is the run's
        if theclass is Timer:
            self.set_defaults(interval="step")  # as YAML writes it
        return added


class _ConfigFile(ActionConfigFile):
    """Refuses what can be read once only, as a config is read more often."""

    def __call__(self, parser: Any, cfg: Any, values: Any, *more: Any) -> None:
        refuse_endless(Path(values))
        super().__call__(parser, cfg, values, *more)


def run_parser(verb: str, args: Sequence[str]) -> RunParser:
    """The parser of all that ``fit``, ``validate``, ``test`` or ``predict`` can be told."""
    # The string under a setting is its help. To read them takes a second, and nothing else does.
    asks_for_help = any(arg == "-h" or "help" in arg or "comments" in arg for arg in args)
    set_parsing_settings(docstring_parse_attribute_docstrings=asks_for_help)
    parser = RunParser(
        prog=f"python -m qwen_pl {verb}",
        description=getattr(Trainer, verb).__doc__.splitlines()[0],
        dump_header=[f"lightning.pytorch=={pl.__version__}"],
        allow_abbrev=False,  # else --trainer.max_step would be taken for --trainer.max_steps
    )
    add = parser.add_argument
    add("-c", "--config", action=_ConfigFile, help="configs/NAME.yaml, or JSON")
    add(
        "--seed_everything",
        type=int,
        default=42,
        help="Seed of the weights, of the order of the samples and of all else that is drawn.",
    )
    parser.add_lightning_class_args(Trainer, "trainer")
    parser.set_defaults({f"trainer.{name}": value for name, value in TRAINER_DEFAULTS.items()})
    parser.add_lightning_class_args(Qwen3Module, "model")
    parser.add_lightning_class_args(PDFDataModule, "data")
    add(
        "--run",
        type=str | None,
        default=None,
        help=f"Name of the run and its folder in {LOGS}; by default that of the config file.",
    )
    add(
        "--predictions",
        type=str | None,
        default=None,
        help="JSONL file that predict writes; by default predictions.jsonl in the run's folder",
    )
    add("--num_samples", type=int, default=1, help="completions of each prompt, for predict")
    parser.add_class_arguments(Sampling, "sampling")
    parser.add_lightning_class_args(StepCheckpoint, "checkpoint")
    parser.add_lightning_class_args(WeightAveraging, "weight_averaging")
    parser.add_lightning_class_args(BadSteps, "bad_steps")
    parser.add_lightning_class_args(TrainingCurves, "curves")
    parser.add_lightning_class_args(TextSamples, "samples")
    _link_arguments(parser)
    parser.add_method_arguments(Trainer, verb, skip=NO_SETTINGS)
    return parser


def verb_settings(verb: str) -> list[str]:
    """The settings that the Trainer's method of a verb takes, such as ``ckpt_path``."""
    return [n for n in inspect.signature(getattr(Trainer, verb)).parameters if n not in NO_SETTINGS]


def _link_arguments(parser: RunParser) -> None:
    """Settings that follow from others: nobody has to write a number twice."""
    link, sizes = parser.link_arguments, "model.config"
    link(("data.vocab_size", "data.tokenizer"), f"{sizes}.vocab_size", _model_vocab_size)
    link("data.seq_len", f"{sizes}.max_position_embeddings", _longest_context)
    link("seed_everything", "data.seed", _seed)
    # What one of them finds out about a step, the others and the module are told.
    for name in ("bad_steps", "curves", "weight_averaging"):
        link("model.step_facts", f"{name}.step_facts", apply_on="instantiate")


def _seed(seed: int) -> int:
    if not 0 <= seed < 1 << 32:
        raise InputError(f"seed_everything is {seed}: give a whole number from 0 to {2**32 - 1}")
    return seed


def _model_vocab_size(vocab_size: int, tokenizer: str | None) -> int:
    """Rows of the embedding: the ids asked for, or those of the tokenizer given, and padding."""
    if tokenizer is not None:
        vocab_size = num_ids(load_tokenizer(tokenizer))
    return padded(vocab_size)


def _longest_context(seq_len: int) -> int:
    # What is not at least 1 is for the datamodule to complain of, under the user's name.
    return max(1, seq_len)


def padded(vocab_size: int) -> int:
    """Rows of an embedding for so many ids.

    >>> padded(4090), padded(4096)
    (4096, 4096)
    """
    return -(-vocab_size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE


def read_config(
    parser: ArgumentParser, args: Sequence[str]
) -> tuple[Namespace, Qwen3Config | None]:
    """All settings that are given, and the published sizes if ``model.from_pretrained`` is.

    ``--print_config`` prints them and ends the process.

    Args:
        args: The command line behind the verb.

    Raises:
        InputError: If a setting cannot be used; a misspelt one ends the process with a line.
    """
    model = parser.parse_args([arg for arg in args if not arg.startswith("--print_config")]).model
    sizes = published = None
    if model.from_pretrained is not None:
        sizes = published = published_config(model.from_pretrained)
    elif model.architecture is not None:
        sizes = named_config(model.architecture)
    if sizes is not None:
        # What the user gives beside them stays as given, to be compared.
        parser.set_defaults(
            {
                f"model.config.{field.name}": getattr(sizes, field.name)
                for field in dataclasses.fields(sizes)
                if field.name not in LINKED_SIZES
            }
        )
    return parser.parse_args(list(args)), published


def tokenizer_of(config: Namespace) -> str | None:
    """The tokenizer that a config gives, or that of the weights which a run of it starts from.

    The ids of another would mean nothing to weights that are there already.
    """
    return config.data.tokenizer or config.model.from_pretrained


def make_parts(parser: ArgumentParser, config: Namespace) -> Namespace:
    """The data, the model and the callbacks that a config describes, each under its key.

    The loggers are left out: what a run says to them is known only when it begins.

    Raises:
        InputError: If one of them refuses its settings, or needs a package that is not there.
    """
    config = config.clone()
    config.trainer.logger = None
    with refused_classes_in_one_line():
        return parser.instantiate(config)


def steps_to_train(config: Namespace) -> int:
    """The steps of a whole run.

    Raises:
        InputError: If the config leaves them open.
    """
    if config.trainer.max_steps < 1:
        raise InputError("trainer.max_steps is not set: give the steps to train for")
    return config.trainer.max_steps


def read_without_run(args: Sequence[str]) -> tuple[Namespace, Namespace]:
    """The settings that ``fit`` would have with these arguments, and the parts that they describe.

    The whole config is checked, and no folder of a run is touched. No published weights are looked
    up, and where their network is out of reach, its sizes are left aside.

    Raises:
        InputError: If a setting cannot be used; a misspelt one ends the process with a line.
    """
    quieten()
    parser = run_parser("fit", args)
    try:
        config, _ = read_config(parser, args)
    except InputError:
        config = parser.parse_args(list(args))
        if config.model.from_pretrained is None or Path(config.model.from_pretrained).exists():
            raise
        config.model.config = parser.get_defaults().model.config
        config.model.gradient_checkpointing = False  # whatever number it is of their layers
    config.data.tokenizer = tokenizer_of(config)
    return config, make_parts(parser, config)
