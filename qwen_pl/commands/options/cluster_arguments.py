"""The options of ``prepare`` that leave the work to tasks, on this machine or on a cluster."""

import argparse
from typing import TYPE_CHECKING

from qwen_pl.errors import InputError

if TYPE_CHECKING:
    from qwen_pl.data.prepare.cluster import Cluster
    from qwen_pl.data.prepare.prepare import Prepared
    from qwen_pl.data.prepare.settings import DataSettings

_SLURM_OPTIONS = ("partition", "time", "env_command", "sbatch")
_OPTIONS = ("tasks", "workers", "cpus_per_task", "mem_per_cpu_gb", *_SLURM_OPTIONS)


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Adds them, each with None where it is not given."""
    tasks = parser.add_argument_group("in tasks, for a corpus that is too much (docs/cluster.md)")
    tasks.add_argument("--cluster", choices=("local", "slurm", "ray"), help="where the tasks run")
    tasks.add_argument("--tasks", type=int, help="tasks to cut the work into; by default 4")
    tasks.add_argument("--workers", type=int, help="tasks at the same time; by default what fits")
    tasks.add_argument("--cpus_per_task", type=int, help="cores of each task; by default 1")
    tasks.add_argument("--mem_per_cpu_gb", type=int, help="gigabytes for a core; by default 4")
    slurm = parser.add_argument_group("with --cluster slurm")
    slurm.add_argument("--partition", help="where the jobs go; has to be given")
    slurm.add_argument("--time", help="limit for each task; by default 24:00:00")
    slurm.add_argument("--env_command", help="what each job begins with: 'module load python'")
    slurm.add_argument(
        "--sbatch",
        action="append",
        metavar="NAME=VALUE",
        help="a further option of sbatch: account=lab; may be given again",
    )


def check_cluster_options(options: argparse.Namespace) -> None:
    """Complains of options that lead nowhere, before anything is read.

    Raises:
        InputError: If there are any, or if the engine is not installed.
    """
    useless, need = _OPTIONS, "--cluster"
    if options.cluster:
        useless, need = _SLURM_OPTIONS, "--cluster slurm"
    if options.cluster != "slurm":
        for name in useless:
            if getattr(options, name) is not None:
                raise InputError(f"--{name} does nothing without {need}")
    elif options.partition is None:
        raise InputError("--cluster slurm needs --partition NAME: sinfo lists what there is")
    if options.cluster:
        from qwen_pl.data.prepare.cluster import check_engine

        check_engine(options.cluster)
        _cluster(options)  # complains of numbers that cannot be, also if there is nothing to do


def prepare_as_asked(options: argparse.Namespace, settings: "DataSettings") -> "Prepared | None":
    """Prepares in tasks as the options say; None where it was left to Slurm.

    Raises:
        InputError: As ``prepare`` does, or if a task died.
    """
    from qwen_pl.data.prepare.cluster import Slurm, prepare_in_tasks, run_here, run_on_ray, submit
    from qwen_pl.data.prepare.prepare import Prepared

    cluster = _cluster(options)
    if options.cluster != "slurm":
        run = run_on_ray if options.cluster == "ray" else run_here
        return prepare_in_tasks(settings.recipe, settings.cache_dir, cluster, run)
    slurm = Slurm(
        options.partition,
        **_given(options, "time", "env_command"),
        sbatch=dict(map(_named, options.sbatch or [])),
    )
    result = submit(settings.recipe, settings.cache_dir, cluster, slurm)
    if isinstance(result, Prepared):
        return result
    print(f"the jobs are with Slurm (squeue shows them); logs and what is done: {result}")
    print("the same command afterwards shows the result, or runs again the tasks that died")
    return None


def _cluster(options: argparse.Namespace) -> "Cluster":
    from qwen_pl.data.prepare.cluster import Cluster
    from qwen_pl.data.processes import available_cores

    tasks = 4 if options.tasks is None else options.tasks
    workers = options.workers
    if workers is None and options.cluster == "local":
        workers = max(1, available_cores() // max(1, options.cpus_per_task or 1))
    return Cluster(
        tasks,
        tasks if workers is None else workers,
        **_given(options, "cpus_per_task", "mem_per_cpu_gb"),
    )


def _given(options: argparse.Namespace, *names: str) -> dict:
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _named(option: str) -> tuple[str, str]:
    name, _, value = option.lstrip("-").partition("=")
    return name, value
