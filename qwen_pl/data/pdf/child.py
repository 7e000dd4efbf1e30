"""The parent's side of a child process that does what may hang, crash or eat all memory."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, Literal

from qwen_pl.data.pdf.guards import LONGEST_MESSAGE, OUT_OF_MEMORY_EXIT_CODE

_IMPORT_ROOT = Path(__file__).resolve().parents[3]
_MOST_WAITING = 4  # messages that the parent has not taken yet
_ABORTS = ("SIGABRT", "SIGTRAP", "SIGILL")  # of pdfium, which does not say that it got no memory
_END = b""

Status = Literal["ok", "partial", "empty", "encrypted", "corrupt", "timeout", "crashed"]
"""What came of reading a file; :class:`qwen_pl.data.pdf.read.PdfText` says what each means."""


class ChildStopped(Exception):
    """The child ended, or was ended, before it was done: what that makes of the file, and why."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Child:
    """A process that is told jobs and answers, a message a line; both are objects in JSON.

    It is a plain ``python -m``, not a ``multiprocessing`` process, so that the program's own main
    module, with all that it imports, stays out of it. What comes back is parsed as JSON and never
    unpickled. However the block that it is used in ends, the child is gone afterwards.

    Args:
        module: What it runs; `guards` has what keeps it within its limits.
        memory_mb: The limit that it has set itself, for what is said when it met it.
        name: What it does, for what is said when it failed.

    Raises:
        ChildStopped: From every method, whatever is wrong with the child.
    """

    def __init__(self, module: str, memory_mb: int, name: str = "reading") -> None:
        self._memory_mb, self._name = memory_mb, name
        search_path = [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=_IMPORT_ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(search_path)},
                start_new_session=True,  # Ctrl-C is for the parent, which then ends the child
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            reason = f"the {name} process could not be started: {error.strerror}"
            raise ChildStopped("crashed", reason) from None
        assert self._process.stdin is not None and self._process.stdout is not None  # both pipes
        # A pipe cannot be waited on with a time limit; a queue can.
        self._jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._lines: queue.Queue[bytes] = queue.Queue(_MOST_WAITING)
        self._closed = threading.Event()
        for work, pipe in ((self._write, self._process.stdin), (self._read, self._process.stdout)):
            threading.Thread(target=work, args=(pipe,), daemon=True).start()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def send(self, job: dict[str, Any]) -> None:
        """Hands over a job, without waiting for the child to take it."""
        self._jobs.put(json.dumps(job).encode("ascii") + b"\n")

    def next_message(self, seconds: float, deadline: float) -> dict[str, Any]:
        """Waits for an object with a ``type``; the child may lie about all else.

        Args:
            seconds: How long that may take.
            deadline: The value of ``time.monotonic()`` at which the child is stopped in any case.
        """
        line = self._next_line(seconds, deadline)
        if len(line) == LONGEST_MESSAGE:
            raise ChildStopped("crashed", f"the {self._name} process sent too long a message")
        if not line.endswith(b"\n"):
            raise ChildStopped("crashed", self._last_words())
        try:
            message = json.loads(line, object_pairs_hook=_object, parse_constant=_refuse)
            if type(message) is not dict or type(message.get("type")) is not str:
                raise ValueError
        except (ValueError, RecursionError):
            raise self.nonsense() from None
        return message

    def nonsense(self) -> ChildStopped:
        """What is raised for a message that says nothing."""
        return ChildStopped("crashed", f"the {self._name} process sent what makes no sense")

    def close(self) -> None:
        """Ends the child, and with it whatever it has started itself."""
        self._closed.set()
        self._jobs.put(_END)
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg") and self._process.returncode is None:
                os.killpg(self._process.pid, signal.SIGKILL)  # the process leads a session
        self._process.kill()
        self._process.wait()

    def _next_line(self, seconds: float, deadline: float) -> bytes:
        until = time.monotonic() + seconds
        while time.monotonic() <= deadline:
            try:
                # In short waits: on Windows Ctrl-C is only heard between two of them.
                return self._lines.get(timeout=0.2)
            except queue.Empty:
                if time.monotonic() > until:
                    raise ChildStopped("timeout", f"took more than {seconds:.3g} s") from None
        raise ChildStopped("timeout", "took more than file_seconds")

    def _last_words(self) -> str:
        """Why a child says no more, as its exit code tells."""
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return f"the {self._name} process has fallen silent"
        if code == OUT_OF_MEMORY_EXIT_CODE:
            return f"needed more than {self._memory_mb} MB of memory"
        if code >= 0:
            return f"the {self._name} process ended with exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:  # such as a real-time signal, which has no name
            name = f"signal {-code}"
        hint = ", perhaps for want of memory" if name in _ABORTS else ""
        return f"the {self._name} process was ended by {name}{hint}"

    def _write(self, pipe: IO[bytes]) -> None:
        """Moves jobs from the queue to the pipe; a child that takes none says so by its end."""
        with contextlib.suppress(OSError), pipe:
            while job := self._jobs.get():
                pipe.write(job)
                pipe.flush()

    def _read(self, pipe: IO[bytes]) -> None:
        """Moves lines from the pipe to the queue.

        The last one is empty, or has no newline when it was cut off or is too long.
        """
        line = b"\n"
        with contextlib.suppress(OSError), pipe:
            while line.endswith(b"\n") and not self._closed.is_set():
                line = pipe.readline(LONGEST_MESSAGE)
                while not self._closed.is_set():
                    with contextlib.suppress(queue.Full):
                        self._lines.put(line, timeout=0.2)
                        break


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses an object that has two values under one name."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError
    return made


def _refuse(constant: str) -> None:
    """``NaN`` and ``Infinity`` are no JSON."""
    raise ValueError(constant)
