"""The work of a stage of which one task is killed; it stands apart since processes import it."""

import os
import signal
import time

from qwen_pl.data.prepare.workload import Workload

TIMEOUT = 120  # seconds, on a busy machine too


def work(workload: Workload, rank: int, world_size: int) -> None:
    """Leaves a file, which may not be there yet; task 2 is killed unless ``mended`` is there."""
    if rank == 2 and not (workload.cache_dir / "mended").exists():
        # With it ends the pool, and task 3, which runs beside it, would be begun again.
        done = workload.entry.stage("read") / "completions" / "00003"
        until = time.monotonic() + TIMEOUT
        while not done.exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    (workload.cache_dir / f"task-{rank}").touch(exist_ok=False)
