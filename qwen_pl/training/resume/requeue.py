"""Asks Slurm to start this job again, when its time is up before its work is done."""

import os
import subprocess
import sys


def requeue() -> None:
    """Puts the job that this process belongs to back into Slurm's queue, and says so in a line.

    Outside of Slurm there is nothing to ask.
    """
    job = _job_id()
    if job is None:
        return
    try:
        asked = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
        problem = asked.stderr.strip() or f"exit code {asked.returncode}"
        succeeded = asked.returncode == 0
    except OSError as error:
        problem, succeeded = str(error), False
    if succeeded:
        print(f"asked Slurm to start job {job} again", file=sys.stderr)
    else:
        print(f"scontrol requeue {job} failed: {problem}; submit the job again", file=sys.stderr)


def _job_id() -> str | None:
    """The job as ``scontrol`` names it; of an array, the one task."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array is not None:
        return f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID', '0')}"
    return os.environ.get("SLURM_JOB_ID")
