"""The parser of a run's command line and config, which complains in one line."""

import difflib
import re
import sys

from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from qwen_pl.errors import is_first_on_machine


class RunParser(LightningArgumentParser):
    """Complains in one line, with the nearest name where one is misspelt."""

    def error(self, message: str, ex: Exception | None = None) -> None:
        line = re.sub(r"<class '([\w.]+)'>", r"\1", " ".join(str(message).split()))
        line = re.sub(r"Call to compute_fn of link '.*?' with args \(.*?\) failed: ", "", line)
        line = _class_not_found(line) or _wrong_value(line) or line
        known = self._known_names()
        for name in re.findall(r"--([\w.]+)|option '([\w.]+)'", line):
            unknown = "".join(name)
            near = difflib.get_close_matches(unknown, known, n=1, cutoff=0.7)
            if near and unknown not in known:
                line += f" (did you mean {near[0]}?)"
                break
        if is_first_on_machine():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(2)

    def _known_names(self) -> set[str]:
        """The options of this parser and of those of its subcommands, without dashes."""
        parsers = [self]
        if self._subcommands_action is not None:
            parsers += self._subcommands_action._name_parser_map.values()
        options = {option for parser in parsers for option in parser._option_string_actions}
        return {option.lstrip("-") for option in options}


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
        r"Given value:) (.*)",
        line,
    )
    if found is None:
        return None
    key, single, several, value = found.groups()
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
    from lightning.pytorch import callbacks, loggers

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


def why_not_made(error: Exception) -> str | None:
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
