"""Every setting of a run, whatever it is given: taken, or refused in one line that names it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qwen_pl.errors import InputError
from qwen_pl.run.cli import QwenCLI
from qwen_pl.run.reading import RunParser, run_parser

VALUES = ["nan", "[1, 2]", "-1", "1e30", "word", ""]
PARSER = run_parser("fit", [])
NAMES = [*PARSER.get_defaults().keys()]


class Made(QwenCLI):
    """A run up to its Trainer, whose parser is made once for all."""

    parser: RunParser

    def setup_parser(self, *args: Any) -> None:
        self.parser = PARSER


def refusals(config: Path, name: str, capfd: pytest.CaptureFixture[str]) -> Iterator[str]:
    """What is said of each value that is refused, of two that go round: all would take minutes."""
    first = NAMES.index(name) % 3
    for value in VALUES[first : first + 4 : 3]:
        try:
            Made("fit", ["--config", str(config), "--run", "walk", f"--{name}={value}"])
        except InputError as error:
            yield str(error)
        except SystemExit as ended:
            assert ended.code == 2
            said = capfd.readouterr().err
            assert said.startswith("error: ") and said.count("\n") == 1
            yield said


@pytest.mark.parametrize("room", sorted({name.partition(".")[0] for name in NAMES}))
def test_a_value_of_any_kind_is_taken_or_refused_in_one_line(
    config: Path, room: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in NAMES:
        if name.partition(".")[0] == room and name != "config":
            for said in refusals(config, name, capfd):
                assert "Traceback" not in said
                assert said.strip(), name
    assert not list(config.parent.glob("lightning_logs"))
