"""The parent's side of the child process that reads a PDF: its messages, until done or stopped."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

from qwen_pl.data.pdf.worker import OUT_OF_MEMORY_EXIT_CODE

_START_SECONDS = 60.0
_MAX_MESSAGE_BYTES = 64 << 20
_IMPORT_ROOT = Path(__file__).resolve().parents[3]


Status = Literal["ok", "partial", "empty", "encrypted", "corrupt", "timeout", "crashed"]
"""What came of reading a file; :class:`qwen_pl.data.pdf.read.PdfText` says what each means."""


class ChildStopped(Exception):
    """The child ended, or was ended, before it was done.

    Args:
        status: What that makes of the file, if nothing more is read.
        reason: What happened, on one line.
    """

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class PdfChild:
    """A child process at work on one job of :mod:`qwen_pl.data.pdf.worker`; a context manager.

    It is a plain ``python -m``, not a ``multiprocessing`` process, so that the program's own main
    module, with all that it imports, stays out of it. What comes back is parsed as JSON and never
    unpickled. However the ``with`` block is left, the child is gone afterwards.

    Args:
        job: ``reader``, ``path``, ``password``, ``first_page`` and ``memory_mb``.
        page_seconds: Time that may pass between two messages.
        deadline: The value of ``time.monotonic()`` at which the child is stopped in any case.
    """

    def __init__(self, job: dict[str, Any], page_seconds: float, deadline: float) -> None:
        self._job = job
        self._page_seconds = page_seconds
        self._deadline = deadline
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def __enter__(self) -> "PdfChild":
        search_path = [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qwen_pl.data.pdf.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_IMPORT_ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(search_path)},
            start_new_session=True,  # Ctrl-C is for the parent, which then ends the child
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert self._process.stdin is not None and self._process.stdout is not None  # both pipes
        self._stdin = self._process.stdin
        lines_from = self._process.stdout, self._lines
        threading.Thread(target=_pump, args=lines_from, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._stdin.close()

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yields what the child says between ``ready`` and ``done``.

        Raises:
            ChildStopped: If a limit was met, the file could not be opened, or the child crashed.
        """
        self._send_job()
        self._next_message(_START_SECONDS)  # "ready"
        while True:
            message = self._next_message(self._page_seconds)
            if message["type"] == "done":
                return
            if message["type"] == "failed":
                raise ChildStopped(message["status"], message["reason"])
            yield message

    def _send_job(self) -> None:
        try:
            self._stdin.write(json.dumps(self._job).encode("ascii") + b"\n")
            self._stdin.flush()
        except OSError:
            raise ChildStopped("crashed", self._last_words()) from None

    def _next_message(self, seconds: float) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while True:
            try:
                # In short waits: on Windows Ctrl-C is only heard between two of them.
                line = self._lines.get(timeout=0.2)
                break
            except queue.Empty:
                if time.monotonic() > self._deadline:
                    raise ChildStopped("timeout", "took more than file_seconds") from None
                if time.monotonic() > until:
                    raise ChildStopped("timeout", f"took more than {seconds:g} s") from None
        try:
            return json.loads(line)
        except ValueError:
            raise ChildStopped("crashed", self._last_words()) from None

    def _last_words(self) -> str:
        """Why the child has ended, as its exit code tells."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "the reading process sent what could not be understood"
        if code == OUT_OF_MEMORY_EXIT_CODE:
            return f"needed more than {self._job['memory_mb']} MB of memory"
        if code < 0:
            name = signal.Signals(-code).name
            # pdfium aborts when it gets no memory; it does not say so.
            hint = (
                ", perhaps for want of memory" if name in ("SIGABRT", "SIGTRAP", "SIGILL") else ""
            )
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
