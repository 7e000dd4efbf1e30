"""What a user hears of a run that cannot be: one line, and nothing that no user can act on."""

import difflib
import logging
import os
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from jsonargparse import Namespace
from lightning.pytorch import callbacks, loggers
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from qwen_pl.errors import InputError, lacks_memory
from qwen_pl.private import is_private, without_private_words
from qwen_pl.runs import CHECKPOINTS
from qwen_pl.training.checkpoints.checkpoint import how_to_go_on

SAID_ON_EVERY_RUN = (
    r".*does not have many workers.*",
    r".*when using `ckpt_path`, callbacks used to create.*",
    r".*The dirpath has changed from.*",
    r".*Checkpoint directory .* exists and is not empty.*",
    r".*isinstance\(treespec, LeafSpec\).*",
    r".*but have no logger configured.*",
    r".*It is recommended to use `self\.log\(.*sync_dist=True.*",
    r".*Total length of `list` across ranks is zero.*",
    r".*lr_scheduler\.step.* before .*optimizer\.step.*",
)


def quieten() -> None:
    """Leaves out what Lightning says on every run and no user of this project can act on."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    for message in SAID_ON_EVERY_RUN:
        warnings.filterwarnings("ignore", message)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")


def complaint(message: str, known: Collection[str]) -> str:
    """What jsonargparse says of a command line or config, in one line for people.

    Args:
        message: In its own words.
        known: The names of all settings; the nearest is given where one is misspelt.
    """
    line = re.sub(r"<class '([\w.]+)'>", r"\1", " ".join(str(message).split()))
    line = re.sub(r"Call to compute_fn of link '.*?' with args \(.*?\) failed: ", "", line)
    line = re.sub(r"Group '([\w.]+)' does not accept option '", r"there is no option '\1.", line)
    line = re.sub(r"Option ('[\w.]+') is not accepted", r"there is no option \1", line)
    line = _class_not_found(line) or _wrong_value(line) or without_private_words(line)
    for name in re.findall(r"--([\w.]+)|option '([\w.]+)'", line):
        unknown = "".join(name)
        near = difflib.get_close_matches(unknown, known, n=1, cutoff=0.7)
        if near and unknown not in known:
            return f"{line} (did you mean {near[0]}?)"
    return line


_AS_GIVEN = {"": "empty", "None": "null", "True": "true", "False": "false"}
_WORDS = {
    "bool": ["true", "false"],
    "int": ["a whole number"],
    "float": ["a number"],
    "str": ["a text"],
    "NoneType": ["null"],
}


def _wrong_value(line: str) -> str | None:
    """What to say of a value that is none of those allowed; None of any other complaint.

    >>> _wrong_value('Parser key "model.lr": Expected a float. Got value: 1e-3x')
    'model.lr is 1e-3x: give a number'
    >>> _wrong_value('Parser key "model.compile": Expected a bool. Got value: maybe')
    'model.compile is maybe: give true or false'
    >>> _wrong_value("Parser key 'a'") is None
    True
    """
    found = re.search(
        r'Parser key "([\w.]+)":? (?:Expected an? (.*?)\. Got value:|'
        r"Does not validate against any of the Union subtypes Subtypes: \[(.*?)\] Errors: .* "
        r"Given value:) ?(.*)",
        line,
    )
    if found is None:
        return None
    key, single, several, value = found.groups()
    value = "..." if is_private(key) else _AS_GIVEN.get(value, without_private_words(value))
    kinds = re.findall(r"typing\.Literal\[[^\]]*\]|[^,\s][^,]*", single or several)
    allowed: list[str] = []
    for kind in kinds:
        if kind.startswith("typing.Literal["):
            allowed += re.findall(r"[^\[\]', ]+", kind.removeprefix("typing.Literal"))
        elif kind in _WORDS:
            allowed += _WORDS[kind]
        else:
            return None  # a class maybe, of which jsonargparse has more to say
    *others, last = dict.fromkeys(allowed)
    return f"{key} is {value}: give " + (f"{', '.join(others)} or {last}" if others else last)


def _class_not_found(line: str) -> str | None:
    """What to say where a name that is to be a class is none."""
    pattern = r'Parser key "([\w.]+)".*?(?:dot import path string:|given class_path) \'?([\w.]+)'
    found = re.search(pattern, line)
    kinds = {"trainer.logger": loggers, "trainer.callbacks": callbacks}
    if found is None or found[1] not in kinds:
        return None
    path, _, name = found[2].rpartition(".")
    known = kinds[found[1]].__all__
    if path and name in known:
        return None  # it is there, and something else is wrong
    near = difflib.get_close_matches(name, known, n=1)
    suggestion = f" (did you mean {near[0]}?)" if near else ""
    return f"{found[1]}: no class {found[2]}{suggestion}"


@contextmanager
def refused_classes_in_one_line() -> Iterator[None]:
    """Makes what a class says of the settings that a config gives it an error of the user's."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, ImportError, MisconfigurationException) as error:
        if (reason := _why_not_made(error)) is None:
            raise
        raise InputError(reason) from None


@contextmanager
def refused_trainer_in_one_line() -> Iterator[None]:
    """Makes what the Trainer says of settings that it cannot take an error of the user's."""
    try:
        yield
    except InputError:
        raise
    except (MisconfigurationException, ModuleNotFoundError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"the Trainer cannot be made from these settings: {reason}") from error


@contextmanager
def full_memory_in_one_line(verb: str, config: Namespace, run_dir: Path) -> Iterator[None]:
    """Makes it an error of the user's that a run does not fit into memory, with what takes less."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if (asked := lacks_memory(error)) is None:
            raise
        data, recomputes = config.data, str(config.model.gradient_checkpointing).lower()
        way_out = f"data.batch_size is {data.batch_size}: halve it"
        if verb == "fit":
            way_out = (
                f"halve data.batch_size, which is {data.batch_size}, and double "
                "trainer.accumulate_grad_batches for the same steps; or set "
                f"model.gradient_checkpointing, which is {recomputes}, to true; docs/memory.md has "
                f"more. {how_to_go_on(run_dir / CHECKPOINTS)}"
            )
        raise InputError(f"no memory left, and {asked} was asked for: {way_out}") from error


def _why_not_made(error: BaseException) -> str | None:
    """Why a class that the config names could not be made; None if that is not what went wrong."""
    named = None
    while True:
        text = " ".join(str(error).split())
        found = re.match(r"Problem with given class_path '([\w.]+)'", text)
        named = found[1].rpartition(".")[2] if found else named
        if error.__cause__ is None:
            break
        error = error.__cause__
    if (package := missing_package(error)) is not None:
        return package
    if named is not None:
        return f"{named}: {text}"
    return text if isinstance(error, MisconfigurationException) else None


def missing_package(error: BaseException) -> str | None:
    """How to install what Lightning says is missing; None for any other error."""
    found = re.search(r"Requirement '([^']+)' not met", str(error))
    if found is None or not isinstance(error, ModuleNotFoundError):
        return None
    return f'the config needs a package that is not installed: pip install "{found[1]}"'
