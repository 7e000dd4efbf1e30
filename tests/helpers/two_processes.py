"""Runs command lines one after the other in two processes, as torchrun would start them.

Imports take longer than the runs of the tests do, so both processes are started once for many.
"""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from command_line import REPOSITORY, Outcome

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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests/helpers")]),
        "OMP_NUM_THREADS": "1",
        "TORCHELASTIC_RUN_ID": "test",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, __file__],
            env=os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank},
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    try:
        said = [process.communicate(timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], said
    ranks = [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]
    return {name: (Outcome(*ranks[0][name]), Outcome(*ranks[1][name])) for name in commands}


def _run_all() -> None:
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


if __name__ == "__main__":
    _run_all()
