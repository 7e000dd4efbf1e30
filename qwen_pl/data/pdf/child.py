"""The parent's side of the child process that reads a PDF: its messages, until done or stopped."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any, Literal

from qwen_pl.data.pdf.worker import OUT_OF_MEMORY_EXIT_CODE

_START_SECONDS = 60.0
_MAX_MESSAGE_BYTES = 64 << 20
_IMPORT_ROOT = Path(__file__).resolve().parents[3]
_ABORTS = ("SIGABRT", "SIGTRAP", "SIGILL")  # of pdfium, which does not say that it got no memory

Status = Literal["ok", "partial", "empty", "encrypted", "corrupt", "timeout", "crashed"]
"""What came of reading a file; :class:`qwen_pl.data.pdf.read.PdfText` says what each means."""


class ChildStopped(Exception):
    """The child ended, or was ended, before it was done: what that makes of the file, and why."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def child_messages(
    job: dict[str, Any], page_seconds: float, deadline: float
) -> Generator[dict[str, Any], None, None]:
    """Yields what a child process at work on one job says between ``ready`` and ``done``.

    It is a plain ``python -m``, not a ``multiprocessing`` process, so that the program's own main
    module, with all that it imports, stays out of it. What comes back is parsed as JSON and never
    unpickled. However this generator ends or is closed, the child is gone afterwards.

    Args:
        job: ``reader``, ``path``, ``password``, ``first_page`` and ``memory_mb``.
        page_seconds: Time that may pass between two messages.
        deadline: The value of ``time.monotonic()`` at which the child is stopped in any case.

    Raises:
        ChildStopped: If a limit was met, the file could not be opened, or the child crashed.
    """
    search_path = [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100
    process = subprocess.Popen(
        [sys.executable, "-m", "qwen_pl.data.pdf.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=_IMPORT_ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(search_path)},
        start_new_session=True,  # Ctrl-C is for the parent, which then ends the child
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    assert process.stdin is not None and process.stdout is not None  # both pipes
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    try:
        threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True).start()
        process.stdin.write(json.dumps(job).encode("ascii") + b"\n")
        process.stdin.flush()
        _next_message(lines, _START_SECONDS, deadline)  # "ready"
        while (message := _next_message(lines, page_seconds, deadline))["type"] != "done":
            if message["type"] == "failed":
                raise ChildStopped(message["status"], message["reason"])
            yield message
    except (OSError, ValueError):  # it took no job, or what it sent is no JSON
        raise ChildStopped("crashed", _last_words(process, job["memory_mb"])) from None
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


def _next_message(
    lines: "queue.SimpleQueue[bytes]", seconds: float, deadline: float
) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while True:
        try:
            # In short waits: on Windows Ctrl-C is only heard between two of them.
            return json.loads(lines.get(timeout=0.2))
        except queue.Empty:
            if time.monotonic() > deadline:
                raise ChildStopped("timeout", "took more than file_seconds") from None
            if time.monotonic() > until:
                raise ChildStopped("timeout", f"took more than {seconds:g} s") from None


def _last_words(process: "subprocess.Popen[bytes]", memory_mb: int) -> str:
    """Why a child has ended, as its exit code tells."""
    try:
        code = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return "the reading process sent what could not be understood"
    if code == OUT_OF_MEMORY_EXIT_CODE:
        return f"needed more than {memory_mb} MB of memory"
    if code < 0:
        name = signal.Signals(-code).name
        hint = ", perhaps for want of memory" if name in _ABORTS else ""
        return f"the reading process was ended by {name}{hint}"
    return f"the reading process ended with exit code {code}"


def _pump(pipe: IO[bytes], lines: "queue.SimpleQueue[bytes]") -> None:
    """Moves lines from a pipe, which cannot be waited on with a time limit, to a queue, which can.

    The last one is empty, or has no newline when it was cut off.
    """
    with pipe:
        line = b"\n"
        while line.endswith(b"\n"):
            line = pipe.readline(_MAX_MESSAGE_BYTES)
            lines.put(line)
