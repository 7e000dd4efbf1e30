"""What a run's command line and config may say: its settings, their defaults, and their links."""

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as pl
from jsonargparse import ActionConfigFile, set_parsing_settings
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from qwen_pl.data.datamodule import PDFDataModule
from qwen_pl.data.tokens.tokenizer import load_tokenizer
from qwen_pl.errors import is_first_on_machine
from qwen_pl.generation.sampling import Sampling
from qwen_pl.run.messages import complaint
from qwen_pl.run.published_start import padded
from qwen_pl.runs import LOGS
from qwen_pl.training.module import Qwen3Module
from qwen_pl.training.monitoring.curves import TrainingCurves
from qwen_pl.training.monitoring.texts import TextSamples
from qwen_pl.training.optim.averaging import WeightAveraging
from qwen_pl.training.resume.saving import StepCheckpoint
from qwen_pl.training.steps.bad_steps import BadSteps

TRAINER_DEFAULTS = {
    "max_epochs": -1,
    "check_val_every_n_epoch": None,  # training has no epochs: its loader never ends
    "val_check_interval": 1000,
    "log_every_n_steps": 10,
    "use_distributed_sampler": False,  # ours deals the windows to the processes
    "enable_model_summary": False,
    "gradient_clip_val": 1.0,
}

NO_SETTINGS = {"self", "model", "datamodule", "dataloaders"} | {
    f"{part}_dataloaders" for part in ("train", "val")
}
"""What the Trainer's method of a verb takes, and no user can write in a config."""


class RunParser(LightningArgumentParser):
    """Complains in one line, with the nearest name where one is misspelt."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if is_first_on_machine():
            known = {"config", *self.get_defaults().keys()}
            print(f"error: {complaint(message, known)}", file=sys.stderr)
        sys.exit(2)

    def add_class_arguments(self, theclass: type, *args: Any, **kwargs: Any) -> list[str]:
        """As ever, and for the classes that a config names inside of it, too."""
        added = super().add_class_arguments(theclass, *args, **kwargs)
        if theclass in (CSVLogger, TensorBoardLogger):
            self.set_defaults(save_dir="")  # left open, it is the run's
        return added


def run_parser(verb: str, args: Sequence[str]) -> RunParser:
    """The parser of all that ``fit``, ``validate``, ``test`` or ``predict`` can be told.

    Args:
        verb: One of them.
        args: The command line behind it.
    """
    # The string under a setting is its help. To read them takes a second, and nothing else does.
    asks_for_help = any(arg == "-h" or "help" in arg or "comments" in arg for arg in args)
    set_parsing_settings(docstring_parse_attribute_docstrings=asks_for_help)
    parser = RunParser(
        prog=f"python -m qwen_pl {verb}",
        description=getattr(Trainer, verb).__doc__.splitlines()[0],
        dump_header=[f"lightning.pytorch=={pl.__version__}"],
        allow_abbrev=False,  # else --trainer.max_step would be taken for --trainer.max_steps
    )
    parser.add_argument(
        "-c", "--config", action=ActionConfigFile, help="configs/NAME.yaml, or JSON"
    )
    parser.add_argument(
        "--seed_everything",
        type=bool | int,
        default=42,
        help="Seed of the weights, of the order of the samples and of all else that is drawn.",
    )
    parser.add_lightning_class_args(Trainer, "trainer")
    parser.set_defaults({f"trainer.{name}": value for name, value in TRAINER_DEFAULTS.items()})
    parser.add_lightning_class_args(Qwen3Module, "model")
    parser.add_lightning_class_args(PDFDataModule, "data")
    _add_arguments_of_run(parser)
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


def _add_arguments_of_run(parser: RunParser) -> None:
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


def _link_arguments(parser: RunParser) -> None:
    """Settings that follow from others: nobody has to write a number twice."""
    sizes = "model.config"
    parser.link_arguments(
        ("data.vocab_size", "data.tokenizer"), f"{sizes}.vocab_size", _model_vocab_size
    )
    parser.link_arguments("data.seq_len", f"{sizes}.max_position_embeddings", _longest_context)
    parser.link_arguments("seed_everything", "data.seed", int)
    # What one of them finds out about a step, the others and the module are told.
    for name in ("bad_steps", "curves", "weight_averaging"):
        parser.link_arguments("model.step_facts", f"{name}.step_facts", apply_on="instantiate")


def _model_vocab_size(vocab_size: int, tokenizer: str | None) -> int:
    """Rows of the embedding: the ids asked for, or those of the tokenizer given, and padding."""
    if tokenizer is not None:
        vocab_size = load_tokenizer(Path(tokenizer)).get_vocab_size()
    return padded(vocab_size)


def _longest_context(seq_len: int) -> int:
    # What is not at least 1 is for the datamodule to complain of, under the user's name.
    return max(1, seq_len)
