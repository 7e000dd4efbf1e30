"""The parser of a run's command line and config, which complains in one line."""

import difflib
import re
import sys

from lightning.pytorch.cli import LightningArgumentParser

from qwen_pl.errors import is_first_on_machine


class RunParser(LightningArgumentParser):
    """Complains in one line, with the nearest name where one is misspelt."""

    def error(self, message: str, ex: Exception | None = None) -> None:
        line = re.sub(r"<class '([\w.]+)'>", r"\1", " ".join(str(message).split()))
        line = re.sub(r"Call to compute_fn of link '.*?' with args \(.*?\) failed: ", "", line)
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
