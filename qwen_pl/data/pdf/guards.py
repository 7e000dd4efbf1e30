"""What keeps a child process within its limits, from inside, and ends it with its parent.

It imports nothing that is large, since it has to be there before memory is limited.
"""

import os
import sys
import threading
import time
from pathlib import Path
from typing import IO

LONGEST_MESSAGE = 8 << 20
"""Bytes; as JSON can ask for 25 times its size in memory, this bounds the parent's own."""

OUT_OF_MEMORY_EXIT_CODE = 77


def answer_pipe() -> IO[bytes]:
    """Where answers go; what libraries print goes nowhere from now on."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return answer


def exit_with_parent() -> None:
    """Ends this process when standard input closes: then the parent is gone."""
    while os.read(0, 1):
        pass
    os._exit(1)


def limit_memory(memory_mb: int, headroom: float) -> None:
    """Makes this process end when it needs more memory than it may have.

    The use is watched, since a parser may catch the ``MemoryError`` that a limit gives and go on
    for minutes; and limited, to ``headroom`` times as much, since memory may run out between two
    looks.
    """
    try:
        import resource

        # The address space is not limited: each thread takes much of that and uses little.
        limit = int((memory_mb << 20) * headroom)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    except (ImportError, ValueError, OSError):
        pass  # Windows has no such limit, macOS may refuse to set one
    threading.Thread(target=_watch_memory, args=(memory_mb,), daemon=True).start()


def _watch_memory(memory_mb: int) -> None:
    while peak_memory_mb() < memory_mb:
        time.sleep(0.02)
    os._exit(OUT_OF_MEMORY_EXIT_CODE)


def peak_memory_mb() -> float:
    """The most memory that this process has held so far."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20
    if sys.platform == "linux":
        # What getrusage tells there begins at the peak of the process that started this one.
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.split("VmHWM:")[1].split()[0]) / 2**10
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
