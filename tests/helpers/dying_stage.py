"""The work of a stage of which one task is killed; it stands apart since processes import it."""

import os
import signal

from qwen_pl.data.prepare.cluster_stages import Job


def work(job: Job, rank: int, world_size: int) -> None:
    """Leaves a file, which may not be there yet; task 2 is killed unless ``mended`` is there."""
    if rank == 2 and not (job.cache_dir / "mended").exists():
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    (job.cache_dir / f"task-{rank}").touch(exist_ok=False)
