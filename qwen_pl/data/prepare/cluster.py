"""Prepares a corpus that is too much for one machine: its stages on the executors of datatrove."""

import contextlib
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_pl.data.cache_dir import TasksEntry
from qwen_pl.data.prepare.prepare import Preparation, Recipe, find_prepared, prepare
from qwen_pl.data.prepare.workload import PASSWORD, Stage, Workload
from qwen_pl.data.processes import ProcessDied, map_in_processes
from qwen_pl.errors import InputError
from qwen_pl.files import remove
from qwen_pl.seals import Damaged, read_sealed, write_sealed
from qwen_pl.terminal import tell

if TYPE_CHECKING:
    from datatrove.executor import LocalPipelineExecutor, SlurmPipelineExecutor
    from datatrove.executor.base import PipelineExecutor

MOST_TASKS = 1000  # what Slurm takes in one array unless it was set up otherwise

_JOBS = "jobs of Slurm"
_LAUNCHER = "launch_pickled_pipeline"  # what a job of datatrove calls
_PACKAGE = Path(__file__).parents[3]  # the folder that qwen_pl is imported from
# Where this Python is, and programs of packages; a link is left: it may be an environment's.
_PROGRAMS = str(Path(sys.executable).parent)


@dataclass(frozen=True)
class Cluster:
    """Into how many tasks the work is cut, and what each may take."""

    tasks: int
    """Tasks that read and tasks that tokenize; the result does not depend on it."""
    workers: int
    """Tasks at the same time at most."""
    cpus_per_task: int = 1
    """Cores of a task, which then works in as many processes."""
    mem_per_cpu_gb: int = 4
    """Memory of a task, for each of its cores; on this machine there is no limit."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise InputError(f"--{name} is {value}: it has to be at least 1")
        if self.tasks > MOST_TASKS:
            raise InputError(f"--tasks is {self.tasks}: it can be {MOST_TASKS} at most")


@dataclass(frozen=True)
class Slurm:
    """What Slurm wants to know of each job."""

    partition: str
    time: str = "24:00:00"
    """Limit for each task, as ``sbatch`` takes it."""
    env_command: str = ""
    """Shell commands that a job begins with."""
    sbatch: Mapping[str, str] = field(default_factory=dict)
    """Further options of ``sbatch``, without their dashes."""


def check_engine(cluster: str) -> None:
    """Raises an InputError if a package is missing that runs tasks on local, slurm or ray."""
    needed = {"datatrove": "datatrove>=0.10,<1"} | ({"ray": "ray"} if cluster == "ray" else {})
    for name, package in needed.items():
        if importlib.util.find_spec(name) is None:
            raise InputError(f'--cluster {cluster} needs one more package: pip install "{package}"')


def run_here(stage: Stage, cluster: Cluster) -> None:
    """Runs those tasks of a stage that are not done, on this machine.

    Not with the executor's own ``run``: in its pool, a task that fails ends the others too, and
    one that is killed is waited for without end.

    Raises:
        InputError: If one died, after all have been run.
    """
    executor = _local_executor(stage)
    ranks = executor.get_incomplete_ranks()
    if not ranks:
        return
    executor.save_executor_as_json()
    workers = min(cluster.workers, len(ranks))
    results = map_in_processes(partial(_run_task, executor), ranks, workers)
    _tell(stage, executor, [failure for _, failure in results if failure is not None])


def run_on_ray(stage: Stage, cluster: Cluster) -> None:
    """Runs those tasks of a stage that are not done, on the Ray cluster that Ray finds.

    Raises:
        InputError: If one died, after all have been run.
    """
    import ray
    from datatrove.executor import RayPipelineExecutor

    executor = RayPipelineExecutor(**_options(stage, cluster))
    if not executor.get_incomplete_ranks():
        return
    if not ray.is_initialized():
        path = os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH")]))
        inherited = {"PYTHONPATH": path, PASSWORD: os.environ.get(PASSWORD, "")}
        ray.init(runtime_env={"env_vars": inherited})
    executor.run()
    _tell(stage, executor, [])


def prepare_in_tasks(
    recipe: Recipe,
    cache_dir: Path,
    cluster: Cluster,
    run_stage: Callable[[Stage, Cluster], None] = run_here,
) -> Preparation:
    """``prepare`` in tasks, which are waited for; those done are not done again the next time.

    Raises:
        InputError: If a task died, or as ``prepare`` does.
    """
    for stage in _workload(recipe, cache_dir, cluster).stages():
        run_stage(stage, cluster)
    return prepare(recipe, cache_dir, num_proc=cluster.cpus_per_task, progress=True)


def submit(recipe: Recipe, cache_dir: Path, cluster: Cluster, slurm: Slurm) -> Preparation | Path:
    """Hands what ``prepare`` has to do over to Slurm, less the tasks that are done.

    What is prepared comes back if all is done; else the folder that says how far it is.

    Raises:
        InputError: If jobs of the same preparation are still queued, if Slurm takes no job, or if
            a source is missing.
    """
    prepared = find_prepared(recipe, cache_dir, progress=True)
    if prepared is not None:
        return prepared
    workload = _workload(recipe, cache_dir, cluster)
    _check_slurm(workload.entry)
    executors = _slurm_executors(workload.stages(), cluster, slurm)
    try:
        executors[-1].launch_job()  # which launches those before it first
    except subprocess.CalledProcessError:
        raise InputError("sbatch refused a job, see above; --sbatch adds options") from None
    finally:
        ids = [str(e.job_id) for e in executors if e.job_id not in (None, -1)]
        write_sealed(workload.entry.slurm_jobs, {"jobs": ids}, _JOBS)
    return workload.entry.folder.absolute()


def _check_slurm(entry: TasksEntry) -> None:
    folder = entry.folder.absolute()
    if re.search(r"\s", str(folder)):
        raise InputError(f"data.cache_dir leads to {folder}: Slurm jobs need a path without spaces")
    if shutil.which("sbatch") is None:
        raise InputError(
            "no sbatch here: start --cluster slurm on a machine that Slurm takes jobs from"
        )
    if shutil.which(_LAUNCHER, path=f"{_PROGRAMS}:{os.environ.get('PATH', '')}") is None:
        raise InputError(f"{_LAUNCHER}, which comes with datatrove, is not on the PATH")
    # A job finds its tasks in a file that the next launch writes anew.
    jobs = []
    if os.path.lexists(entry.slurm_jobs):
        try:
            jobs = read_sealed(entry.slurm_jobs, _JOBS)["jobs"]
        except Damaged as damage:
            raise InputError(
                f"{damage}: remove it once squeue shows no job of this preparation"
            ) from None
    if queued := _queued(jobs):
        raise InputError(
            f"Slurm still has jobs of this preparation ({', '.join(queued)}): wait until they are "
            "done, or end them with scancel"
        )


def _workload(recipe: Recipe, cache_dir: Path, cluster: Cluster) -> Workload:
    """What is dealt to the tasks; its stages have something to do unless all is prepared."""
    os.environ[PASSWORD] = recipe.reading.password  # which tasks inherit
    deal = partial(Workload.of, recipe, cache_dir, cluster.tasks, cluster.cpus_per_task)
    workload = deal()
    done = [not _local_executor(stage).get_incomplete_ranks() for stage in workload.stages()]
    is_lost = done[1] and not workload.knows(workload.entry.parts)
    if is_lost or (all(done) and find_prepared(recipe, cache_dir) is None):
        # The tasks were done, but what they made was since removed or damaged.
        remove(workload.entry.folder)
        workload = deal()
    return workload


def _tell(stage: Stage, executor: "PipelineExecutor", failures: Sequence[Exception]) -> None:
    """Says how many tasks of a stage are done, and raises an InputError if not all are."""
    dead = executor.get_incomplete_ranks()
    done = stage.tasks - len(dead)
    tell(f"{stage.name:<8} {done} of {stage.tasks} tasks done", file=sys.stderr)
    if refusal := next((each for each in failures if isinstance(each, InputError)), None):
        raise refusal
    if dead:
        log = executor.logging_dir.resolve_paths(f"logs/task_{dead[0]:05}.log")
        reason = f", one of: {failures[0]}" if failures else ""
        raise InputError(
            f"{len(dead)} of {stage.tasks} tasks of stage {stage.name} died{reason} (see {log}); "
            "the same command runs only these again"
        )


def _run_task(executor: "LocalPipelineExecutor", rank: int) -> Exception | None:
    """Runs one task and gives what ended it early, if anything did; it logs to its file only."""
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            executor._run_for_rank(rank, local_rank=rank)
        except InputError as error:
            return error
        except Exception as error:  # whatever it is, it is this task's only
            return ProcessDied(f"task {rank}: {type(error).__name__}: {error}")
    return None


def _queued(jobs: Sequence[str]) -> list[str]:
    if not jobs:
        return []
    command = ["squeue", "--noheader", "--format=%A", f"--jobs={','.join(jobs)}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return sorted(set(answer.stdout.split()))


def _local_executor(stage: Stage) -> "LocalPipelineExecutor":
    from datatrove.executor import LocalPipelineExecutor

    return LocalPipelineExecutor([stage], tasks=stage.tasks, logging_dir=str(stage.folder))


def _options(stage: Stage, cluster: Cluster) -> dict[str, Any]:
    """What each executor of a cluster is told."""
    return {
        "pipeline": [stage],
        "tasks": stage.tasks,
        "workers": min(cluster.workers, stage.tasks),
        "cpus_per_task": cluster.cpus_per_task,
        "mem_per_cpu_gb": cluster.mem_per_cpu_gb,
        "logging_dir": str(stage.folder),
    }


def _slurm_executors(
    stages: Sequence[Stage], cluster: Cluster, slurm: Slurm
) -> list["SlurmPipelineExecutor"]:
    from datatrove.executor import SlurmPipelineExecutor

    executors: list[PipelineExecutor] = []
    for stage in stages:
        executors.append(
            SlurmPipelineExecutor(
                **_options(stage, cluster),
                depends=executors[-1] if executors else None,
                job_name=f"qwen_pl-{stage.name}",
                partition=slurm.partition,
                time=slurm.time,
                qos=None,
                env_command=_environment(slurm.env_command),
                # Where a task died, the jobs that wait for it would be in the queue for ever.
                sbatch_args={"kill-on-invalid-dep": "yes", **slurm.sbatch},
                # srun does not hand on what its job was given.
                srun_args={"cpus-per-task": cluster.cpus_per_task},
            )
        )
    return executors


def _environment(command: str) -> str:
    """Shell commands that make a job find this Python and this package, wherever it starts."""
    programs = f"export PATH={shlex.quote(_PROGRAMS)}:$PATH"
    package = f"export PYTHONPATH={shlex.quote(str(_PACKAGE))}${{PYTHONPATH:+:$PYTHONPATH}}"
    return "; ".join([*([command] if command else []), programs, package])
