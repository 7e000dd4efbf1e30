"""The argument parser of the verbs: it complains in one line and reads no abbreviations."""

import argparse
from typing import NoReturn

from qwen_pl.errors import InputError


class VerbParser(argparse.ArgumentParser):
    """An ``ArgumentParser`` named after its verb, with defaults in the help text."""

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(
            prog=f"python -m qwen_pl {verb}",
            description=description,
            formatter_class=_Defaults,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} ({self.prog} --help shows what is taken)")


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Says what a default is where there is one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, ""):
            return action.help
        return super()._get_help_string(action)
