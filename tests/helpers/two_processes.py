"""Runs command lines one after the other in two processes, as torchrun would start them."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from command_line import Outcome
from own_process import in_ranks

COMMANDS = "commands.json"


def in_two_processes(
    folder: Path, commands: Mapping[str, list[object]]
) -> dict[str, tuple[Outcome, Outcome]]:
    """What became of each ``python -m qwen_pl ARGS...`` in the first and the second process.

    Args:
        folder: The current folder of both.
        commands: Arguments by a name for each.
    """
    lines = {name: [str(word) for word in words] for name, words in commands.items()}
    (folder / COMMANDS).write_text(json.dumps(lines))
    ended = in_ranks([], folder, program="from two_processes import run_all; run_all()")
    assert [outcome.code for outcome in ended] == [0, 0], ended
    ranks = [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]
    return {name: (Outcome(*ranks[0][name]), Outcome(*ranks[1][name])) for name in commands}


def run_all() -> None:
    """Runs all commands in this process, and notes what became of them."""
    from qwen_pl.__main__ import main

    outcomes = {}
    for name, words in json.loads(Path(COMMANDS).read_text()).items():
        sys.argv = ["qwen_pl", *words]
        code, out, err = 0, io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as ended:
                code = ended.code or 0
        outcomes[name] = [code, out.getvalue(), err.getvalue()]
    Path(f"{os.environ['RANK']}.json").write_text(json.dumps(outcomes))
