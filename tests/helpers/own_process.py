"""``python -m qwen_pl`` in processes of their own, forked off one that has loaded everything.

Loading takes five seconds and forking none, so this is how most tests get a process that they may
signal, kill, or give a rank. What is forked has only loaded: no run, no test was in it before.
"""

import contextlib
import functools
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from multiprocessing import forkserver, process
from pathlib import Path
from typing import Any

from command_line import REPOSITORY, Outcome
from event_files import name_by_nanosecond

MAIN = "from qwen_pl.__main__ import main; main()"
OURS = {
    "PYTHONPATH": os.pathsep.join(
        [str(REPOSITORY), str(REPOSITORY / "tests/helpers")]
        + ([os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [])
    ),
    "OMP_NUM_THREADS": "1",
}
LOADED = [
    "qwen_pl.run.cli",
    "qwen_pl.commands.generate",
    "benchmarks.attacks",
    "benchmarks.kills",
    "own_process",
    "pytest",
]
SECONDS = 300
"""How long a process may take, on a machine with much else to do."""


class OwnProcess:
    """A process that runs a program, ``python -m qwen_pl`` by default.

    Args:
        words: The arguments of its command line.
        folder: Its current folder; what it prints goes to files there, of this name.
        program: Other source to run in the place of ``MAIN``.
        environment: Variables that it has besides ours.
        terminal: What it reads from and prints to in place of files.
    """

    def __init__(
        self,
        words: Iterable[object],
        folder: Path,
        *,
        program: str = MAIN,
        environment: Mapping[str, str] | None = None,
        name: str = "process",
        terminal: str | None = None,
    ) -> None:
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        for file in (self._out, self._err):
            file.write_bytes(b"")
        streams = (os.devnull, str(self._out), str(self._err))
        self._process: process.BaseProcess = _context().Process(
            target=_run,
            args=(
                program,
                [str(word) for word in words],
                str(folder),
                {**os.environ, **OURS, **(environment or {})},
                streams if terminal is None else 3 * (terminal,),
            ),
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.exitcode is not None

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return self._out.read_text(encoding="utf-8", errors="replace")

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8", errors="replace")

    def wait_until(self, has_come: Callable[[], object]) -> None:
        """Waits for something that comes while it runs.

        Raises:
            AssertionError: If it ends first, or much too long passes.
        """
        last = time.monotonic() + SECONDS
        while not has_come():
            if self.has_ended or time.monotonic() > last:
                self.kill()
                raise AssertionError(f"it did not come: {self.err}")
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def signal_group(self, number: int) -> None:
        """Sends a signal to it and to all that it has started."""
        os.killpg(self.pid, number)

    def kill(self) -> None:
        """Ends it, and all that it has started, unless it has ended by itself."""
        if not self.has_ended:
            with contextlib.suppress(ProcessLookupError):  # it is the first of no group yet
                self.signal_group(signal.SIGKILL)
            self._process.kill()
            self._process.join()

    def end(self) -> Outcome:
        """What became of it, once it has ended.

        Raises:
            AssertionError: If it does not; then it is killed.
        """
        self._process.join(SECONDS)
        code = self._process.exitcode
        if code is None:
            self.kill()
            raise AssertionError(f"it did not end: {self.err}")
        return Outcome(code, self.out, self.err)


def in_own_process(words: Iterable[object], folder: Path, **more: Any) -> Outcome:
    """Runs a process to its end."""
    return OwnProcess(words, folder, **more).end()


def in_ranks(
    words: Iterable[object], folder: Path, *, devices: int = 2, **more: Any
) -> list[Outcome]:
    """Runs a command in as many processes as it has devices, as torchrun would start them."""
    words = list(words)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "TORCHELASTIC_RUN_ID": "test",
        "WORLD_SIZE": str(devices),
        "LOCAL_WORLD_SIZE": str(devices),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    processes = [
        OwnProcess(
            words,
            folder,
            environment=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            name=f"rank-{rank}",
            **more,
        )
        for rank in range(devices)
    ]
    try:
        return [process.end() for process in processes]
    finally:
        for process in processes:
            process.kill()


@functools.cache
def _context() -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():  # on Windows
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    before = dict(os.environ)
    # It looks where this says for what it is to load, and threads would not survive a fork.
    os.environ.update(OURS)
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return context


def _run(
    program: str,
    words: list[str],
    folder: str,
    environment: dict[str, str],
    streams: tuple[str, str, str],
) -> None:
    """What the process does: all that a new one has from the start is set, and the program run."""
    if os.name != "nt":
        os.setsid()  # whose terminal is the first that it opens
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, file in enumerate(streams):
        opened = os.open(file, os.O_RDWR | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)
    sys.argv = ["qwen_pl", *words]
    from lightning.pytorch.utilities import rank_zero_only

    name_by_nanosecond()
    # What Lightning reads from the environment when it is loaded.
    rank_zero_only.rank = int(environment.get("RANK", 0))
    exec(compile(program, "program", "exec"), {"__name__": "__main__"})
