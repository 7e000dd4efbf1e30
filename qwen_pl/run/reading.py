"""A config is read to its last key, and its parts are made: for a run, or without one."""

import dataclasses
from collections.abc import Sequence

from jsonargparse import ArgumentParser, Namespace

from qwen_pl.errors import InputError
from qwen_pl.export.pretrained import published_config
from qwen_pl.model.config import Qwen3Config, named_config
from qwen_pl.run.arguments import run_parser
from qwen_pl.run.messages import quieten, refused_classes_in_one_line
from qwen_pl.run.published_start import LINKED_SIZES


def read_config(
    parser: ArgumentParser, args: Sequence[str], *, with_sizes: bool = True
) -> tuple[Namespace, Qwen3Config | None]:
    """All settings that a command line and its config make, and the sizes they start from.

    ``--print_config`` prints them and ends the process.

    Args:
        parser: That of the verb.
        args: The command line behind the verb.
        with_sizes: Whether those of ``model.from_pretrained`` are looked up.

    Returns:
        The settings, and the published sizes if ``model.from_pretrained`` is given.

    Raises:
        InputError: If a setting cannot be used; a misspelt one ends the process with a line.
    """
    model = parser.parse_args([arg for arg in args if not arg.startswith("--print_config")]).model
    published = named = None
    if model.from_pretrained is None:
        named = None if model.architecture is None else named_config(model.architecture)
    elif with_sizes:
        published = published_config(model.from_pretrained)
    sizes = published or named
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

    The whole config is checked, and no folder of a run is touched. Of a published network only the
    tokenizer is looked up, as data need no more, so the sizes in ``model.config`` are not its own.

    Returns:
        The settings, and the parts, ``data`` and ``model`` among them.

    Raises:
        InputError: If a setting cannot be used; a misspelt one ends the process with a line.
    """
    quieten()
    parser = run_parser("fit", args)
    config, _ = read_config(parser, args, with_sizes=False)
    config.data.tokenizer = tokenizer_of(config)
    return config, make_parts(parser, config)
