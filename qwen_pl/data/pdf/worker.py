"""The child process that reads one PDF and writes its pages as lines of JSON.

The job is one line of JSON on standard input, which stays open for as long as the parent lives.
The answer is one message a line on standard output: ``ready``, ``opened``, a ``page`` for each
page, ``done``; or, in place of ``opened``, ``failed``. Only text and numbers travel, so that
whatever a hostile file does to this process, the parent has nothing to execute.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

OUT_OF_MEMORY_EXIT_CODE = 77

_LONGEST_PRODUCER = 200
_LARGEST_TO_REPAIR = 128 << 20  # bytes; they are all held in memory


def main() -> None:
    """Reads the job, guards this process, and sends every page."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what libraries print goes nowhere from now on
    # Without a buffer no more is taken from the pipe than one line.
    job = json.loads(os.fdopen(0, "rb", buffering=0, closefd=False).readline())
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _limit_memory(job["memory_mb"], job["reader"])
    try:
        for message in _messages(job):
            answer.write(json.dumps(message).encode("ascii") + b"\n")
            answer.flush()
    except MemoryError:
        os._exit(OUT_OF_MEMORY_EXIT_CODE)  # nothing can be relied upon any more


def _messages(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    # Imported under the memory limit, and not by who only looks at this module.
    from qwen_pl.data.pdf.open_file import NeedsPassword

    reader = import_module(f"qwen_pl.data.pdf.{job['reader']}_file")
    yield {"type": "ready"}
    damage = ""
    try:
        file = reader.open_file(job["path"], job["password"])
        if not file.num_pages:
            raise ValueError("has no pages")
    except MemoryError:
        raise
    except NeedsPassword:
        reason = "the password does not open it" if job["password"] else "needs a password"
        yield {"type": "failed", "status": "encrypted", "reason": reason}
        return
    except Exception as error:
        damage = f"damaged: {_describe(error)}" if _is_pdf(job["path"]) else "is not a PDF"
        file = _open_repaired(reader, job["path"])
    if file is None:
        yield {"type": "failed", "status": "corrupt", "reason": damage}
        return
    yield {
        "type": "opened",
        "num_pages": file.num_pages,
        "producer": file.producer[:_LONGEST_PRODUCER],
        "caveat": file.caveat,
        "damage": damage,
    }
    for index in range(job["first_page"], file.num_pages):
        try:
            yield {"type": "page", "lines": file.lines(index)}
        except MemoryError:
            raise
        except Exception as error:
            yield {"type": "page", "lines": [], "error": _describe(error)}
    yield {"type": "done"}


def _open_repaired(reader: Any, path: str) -> Any:
    """What can be saved of a damaged file, or None if that is nothing."""
    from qwen_pl.data.pdf.repair import repaired

    try:
        if not _is_pdf(path) or Path(path).stat().st_size > _LARGEST_TO_REPAIR:
            return None
        content = repaired(Path(path).read_bytes())
        return reader.open_file(content, "") if content else None
    except MemoryError:
        raise
    except Exception:
        return None


def _is_pdf(path: str) -> bool:
    """Whether a file has the header of a PDF, which may come after some junk."""
    try:
        with Path(path).open("rb") as file:
            return b"%PDF-" in file.read(1 << 16)
    except OSError:
        return True  # the reason is another


def _describe(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _exit_with_parent() -> None:
    """Ends this process when standard input closes: then the parent is gone."""
    while os.read(0, 1):
        pass
    os._exit(1)


def _limit_memory(memory_mb: int, reader: str) -> None:
    """Makes this process end when it needs more memory than it may have.

    The use is watched, since a parser may catch the ``MemoryError`` that a limit gives and go on
    for minutes; and limited, since memory may run out between two looks.
    """
    try:
        import resource

        # pypdf may swallow the error, so that what is watched must be met first; pdfium aborts.
        # The address space is not limited: each thread takes much of that and uses little.
        limit = (memory_mb << 20) * (4 if reader == "pdfium" else 5) // 4
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    except (ImportError, ValueError, OSError):
        pass  # Windows has no such limit, macOS may refuse to set one
    threading.Thread(target=_watch_memory, args=(memory_mb,), daemon=True).start()


def _watch_memory(memory_mb: int) -> None:
    while _peak_memory_mb() < memory_mb:
        time.sleep(0.02)
    os._exit(OUT_OF_MEMORY_EXIT_CODE)


def _peak_memory_mb() -> float:
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


if __name__ == "__main__":
    main()
