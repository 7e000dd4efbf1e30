"""What a writer that was killed leaves beside the file or folder that it wrote."""

import os
import subprocess
import sys
from pathlib import Path

from qwen_pl.files import beside


def dead_process() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def path_of_writer(process: int, path: Path, kind: str) -> Path:
    """Where that process has what it has not finished of ``path``."""
    return path.with_name(beside(path, kind).name.replace(str(os.getpid()), str(process)))
