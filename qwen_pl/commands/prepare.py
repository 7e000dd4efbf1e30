"""``prepare``: does all that a config needs before training, in this process or in tasks."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from qwen_pl import __version__
from qwen_pl.commands.options import VerbParser, checked_data_settings, data_settings_alone
from qwen_pl.errors import InputError
from qwen_pl.files import fingerprint, remove, write_text
from qwen_pl.terminal import tell

if TYPE_CHECKING:
    from qwen_pl.data.prepare.cluster import Cluster
    from qwen_pl.data.prepare.prepare import Preparation
    from qwen_pl.data.prepare.settings import DataSettings

HELP = """\
Read the PDFs of a config, train its tokenizer and write its token file. fit does the same before
it trains; what is there already is not done again. Any --data option of fit may follow."""

SLURM_OPTIONS = ("partition", "time", "env_command", "sbatch")
TASK_OPTIONS = ("tasks", "workers", "cpus_per_task", "mem_per_cpu_gb", *SLURM_OPTIONS)
_LISTED = 5


def main(args: list[str]) -> None:
    """Prepares the data of a config and tells where the results lie.

    Raises:
        InputError: If the config or what it names cannot be used.
    """
    parser = VerbParser("prepare", HELP)
    parser.add_argument("--config", required=True, metavar="FILE", help="configs/NAME.yaml")
    _add_cluster_options(parser)
    options, overrides = parser.parse_known_args(args)
    _check_cluster_options(options)

    from qwen_pl.data.prepare.prepare import find_prepared, prepare
    from qwen_pl.data.prepare.reference import prepare_reference
    from qwen_pl.data.report.file_report import status_table

    prepared = None
    settings = data_settings_alone(options.config, overrides)
    if settings and _mark(settings, options.config, overrides).is_file():
        prepared = find_prepared(settings.recipe, settings.cache_dir, progress=True)
    if settings is None or prepared is None:
        settings = checked_data_settings(options.config, overrides)
        if options.cluster:
            prepared = _prepare_in_tasks(options, settings)
        else:
            prepared = prepare(
                settings.recipe, settings.cache_dir, num_proc=settings.num_proc, progress=True
            )
        mark = _mark(settings, options.config, overrides)
        if not mark.is_file():
            remove(mark)  # a folder
            write_text(mark, "checked\n")
    if prepared is None:
        return  # it was left to Slurm
    reference = None
    if settings.reference_text is not None:
        reference = prepare_reference(settings, prepared, progress=True)
    _show(prepared, reference, status_table(prepared.corpus.reports))


def _mark(settings: "DataSettings", config: str, overrides: list[str]) -> Path:
    """A file that is there once this config, as it is now, was checked to the last key."""
    from qwen_pl.data.cache_dir import CacheDir

    text = Path(config).read_text(encoding="utf-8")
    made_of = fingerprint([text, overrides, __version__])
    return CacheDir(settings.cache_dir).checked_config(made_of)


def _add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Those that leave the work to tasks, each with None where it is not given."""
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


def _check_cluster_options(options: argparse.Namespace) -> None:
    """Complains of options that lead nowhere, before anything is read."""
    if options.cluster != "slurm":
        need = "--cluster slurm" if options.cluster else "--cluster"
        for name in SLURM_OPTIONS if options.cluster else TASK_OPTIONS:
            if getattr(options, name) is not None:
                raise InputError(f"--{name} does nothing without {need}")
    elif options.partition is None:
        raise InputError("--cluster slurm needs --partition NAME: sinfo lists what there is")
    if options.cluster:
        from qwen_pl.data.prepare.cluster import check_engine

        check_engine(options.cluster)
        _cluster(options)  # complains of numbers that cannot be, also if there is nothing to do


def _prepare_in_tasks(
    options: argparse.Namespace, settings: "DataSettings"
) -> "Preparation | None":
    """Prepares as the options of the cluster say; None where it was left to Slurm."""
    from qwen_pl.data.prepare.cluster import Slurm, prepare_in_tasks, run_here, run_on_ray, submit
    from qwen_pl.data.prepare.prepare import Preparation

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
    if isinstance(result, Preparation):
        return result
    tell(f"the jobs are with Slurm (squeue shows them); logs and what is done: {result}")
    tell("the same command afterwards shows the result, or runs again the tasks that died")
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


def _show(prepared: "Preparation", reference: "Preparation | None", table: list[str]) -> None:
    """What there is and where it lies."""
    tokens = prepared.tokens
    for document in prepared.documents[:_LISTED]:
        tell(f"text       {document.text.file}")
    if (more := len(prepared.documents) - _LISTED) > 0:
        tell(f"           and {more:,} more in the same folder")
    size = prepared.tokenizer().get_vocab_size()
    tell(f"tokenizer  {prepared.tokenizer_dir} ({size:,} tokens)")
    tell(f"tokens     {tokens.folder}")
    for name in ("train", "val", "test"):
        count = tokens.num_documents(name)
        documents = f"{count:,} document{'' if count == 1 else 's'}"
        tell(f"  {name:<8} {tokens.num_tokens(name):>14,} tokens of {documents}")
    tell(f"  {tokens.bytes_per_token:.2f} bytes per token of held-out text")
    if reference is not None:
        count = reference.tokens.num_tokens("train")
        tell(f"reference  {reference.tokens.folder} ({count:,} tokens)")
    tell(f"report     {prepared.corpus.report_file}")
    tell("", *table)
