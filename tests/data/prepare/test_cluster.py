"""Preparing in tasks: the same tokens as on one machine, and only what died is done again."""

import json
import os
import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dying_stage
import pytest
from command_line import Outcome
from pdf_writer import made_up_pages, write_pdf

from benchmarks.damaging import DAMAGES, hindered
from qwen_pl.data.corpus.reading import ReadingSettings
from qwen_pl.data.prepare import cluster as cluster_module
from qwen_pl.data.prepare import workload as workload_module
from qwen_pl.data.prepare.cluster import (
    Cluster,
    Slurm,
    prepare_in_tasks,
    run_here,
    run_on_ray,
    submit,
)
from qwen_pl.data.prepare.prepare import Recipe, find_prepared, prepare
from qwen_pl.data.prepare.workload import Stage, Workload
from qwen_pl.data.tokens import write as tokenize
from qwen_pl.errors import InputError

pytest.importorskip("datatrove")

FOUR_TASKS = Cluster(tasks=4, workers=1)
SLURM = Slurm("main", sbatch={"account": "lab"})


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six files, of which one is a copy and one is broken; their tokens make several parts."""
    monkeypatch.setattr(tokenize, "_PART_BYTES", 4000)
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    write_pdf(shelf / "one.pdf", made_up_pages(3))
    (shelf / "copy.pdf").write_bytes((shelf / "one.pdf").read_bytes())
    (shelf / "bad.pdf").write_bytes(b"%PDF-1.4 and nothing that follows from it")
    for seed, name in enumerate(("two.txt", "three.txt", "four.md"), start=1):
        pages = ["\n".join(page) for page in made_up_pages(3, seed)]
        (shelf / name).write_text("\n\n".join(pages))
    return shelf


def recipe(shelf: Path, **changes: object) -> Recipe:
    settings = {"source": str(shelf), "vocab_size": 300, "val_fraction": 0.2, "test_fraction": 0.1}
    return Recipe(**settings | changes)


def made(cache: Path) -> dict[str, bytes]:
    """What a corpus is trained on: the text, tokenizer and token files, with their content."""
    folders = [cache / name for name in ("text", "tokenizer", "tokens")]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    # The records of the texts say how long it took to read them.
    files = [file for file in files if file.suffix != ".json" or file.parent.name != "text"]
    return {str(file.relative_to(cache)): file.read_bytes() for file in files}


def times(cache: Path, *folders: str) -> dict[str, int]:
    """When each file was written."""
    files = [file for name in folders for file in (cache / name).rglob("*") if file.is_file()]
    return {str(file.relative_to(cache)): file.stat().st_mtime_ns for file in files}


def test_four_tasks_make_the_files_that_one_process_makes(shelf: Path, tmp_path: Path) -> None:
    prepare(recipe(shelf), tmp_path / "plain")
    prepare_in_tasks(recipe(shelf), tmp_path / "cache", Cluster(tasks=4, workers=2))
    assert made(tmp_path / "cache") == made(tmp_path / "plain")


def test_every_part_is_made_in_the_tasks(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranks = []

    def watched(parts: list[tokenize.TokenPart], *others: object) -> Iterator[tokenize.TokenPart]:
        assert not [part for part in parts if part.file.is_file()]
        for part in tokenize.tokenize_parts(parts, *others):
            ranks.append(int(part.file.stem) % 4)
            yield part

    monkeypatch.setattr(workload_module, "tokenize_parts", watched)
    prepare_in_tasks(recipe(shelf), tmp_path / "cache", FOUR_TASKS)
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2, 3}


@pytest.mark.parametrize("file", ["files.json", "parts.json"])
def test_what_the_tasks_tell_each_other_is_told_anew_where_it_is_damaged(
    shelf: Path, tmp_path: Path, file: str
) -> None:
    cache = tmp_path / "cache"
    prepare_in_tasks(recipe(shelf), cache, Cluster(tasks=1, workers=1))
    whole = made(cache)
    for damage in DAMAGES.values():
        (told,) = cache.glob(f"cluster/*/{file}")
        shutil.rmtree(*cache.glob("tokens/*"))
        for stage in ("tokenize", "join"):  # which are to be run again
            shutil.rmtree(*cache.glob(f"cluster/*/{stage}"))
        damage(told, random.Random(0))
        with hindered():
            prepare_in_tasks(recipe(shelf), cache, Cluster(tasks=1, workers=1))
        assert made(cache) == whole, damage


def test_a_text_damaged_between_two_stages_is_read_again(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tokenize(workload: Workload, rank: int, world_size: int) -> None:
        for text in (tmp_path / "cache/text").glob("two*.txt"):
            DAMAGES["bit flipped"](text, random.Random(0))
        _tokenize(workload, rank, world_size)

    _tokenize = workload_module._tokenize
    monkeypatch.setattr(workload_module, "_tokenize", tokenize)
    prepare(recipe(shelf), tmp_path / "plain")
    prepare_in_tasks(recipe(shelf), tmp_path / "cache", Cluster(tasks=1, workers=1))
    assert made(tmp_path / "cache") == made(tmp_path / "plain")


def test_where_jobs_may_be_queued_and_it_is_not_known_none_is_launched(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **_: name)
    workload = Workload.of(recipe(shelf), tmp_path / "cache", 4, 1)
    workload.entry.slurm_jobs.write_text("")
    with pytest.raises(InputError, match=r"jobs.json has no seal.*squeue"):
        cluster_module._check_slurm(workload.entry)


def test_a_task_that_died_is_run_again_alone(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    ranks = []

    def read(workload: Workload, rank: int, world_size: int) -> None:
        ranks.append(rank)
        if ranks == [0, 1, 2]:
            raise OSError("the disk is gone")
        _read(workload, rank, world_size)

    _read = workload_module._read
    monkeypatch.setattr(workload_module, "_read", read)
    with pytest.raises(InputError, match=r"1 of 4 tasks of stage read died.*the disk is gone"):
        prepare_in_tasks(recipe(shelf), cache, FOUR_TASKS)
    before = times(cache, "text", "pages")
    prepare_in_tasks(recipe(shelf), cache, FOUR_TASKS)
    assert ranks == [0, 1, 2, 3, 2]
    after = times(cache, "text", "pages")
    assert before == {name: after[name] for name in before}
    prepare(recipe(shelf), tmp_path / "plain")
    assert made(cache) == made(tmp_path / "plain")


def test_a_task_that_is_killed_neither_ends_the_others_nor_is_waited_for(
    shelf: Path, tmp_path: Path
) -> None:
    workload = Workload.of(recipe(shelf), tmp_path / "cache", tasks=4, num_proc=1)
    stage = Stage("read", 4, dying_stage.work, workload)
    with pytest.raises(InputError, match="1 of 4 tasks of stage read died"):
        run_here(stage, Cluster(tasks=4, workers=2))
    assert {file.name for file in workload.cache_dir.glob("task-*")} == {
        "task-0",
        "task-1",
        "task-3",
    }
    (workload.cache_dir / "mended").touch()
    run_here(stage, Cluster(tasks=4, workers=2))  # and no task leaves its file twice
    assert (workload.cache_dir / "task-2").exists()


def test_when_all_is_done_nothing_is_done_again(shelf: Path, tmp_path: Path) -> None:
    first = prepare_in_tasks(recipe(shelf), tmp_path / "cache", FOUR_TASKS)
    (tmp_path / "cache" / ".lock").unlink()
    before = times(tmp_path, "cache")
    second = prepare_in_tasks(recipe(shelf), tmp_path / "cache", FOUR_TASKS)
    (tmp_path / "cache" / ".lock").unlink()
    assert times(tmp_path, "cache") == before
    assert second.tokens.folder == first.tokens.folder


def test_a_new_file_is_read_though_all_tasks_were_done(shelf: Path, tmp_path: Path) -> None:
    prepare_in_tasks(recipe(shelf), tmp_path / "cache", FOUR_TASKS)
    (shelf / "new.txt").write_text("A note of my own.")
    prepared = prepare_in_tasks(recipe(shelf), tmp_path / "cache", FOUR_TASKS)
    assert str(shelf / "new.txt") in [document.source for document in prepared.documents]


def test_the_password_is_in_no_file_that_people_read(shelf: Path, tmp_path: Path) -> None:
    secret = recipe(shelf, reading=ReadingSettings(password="hush-hush"))
    prepare_in_tasks(secret, tmp_path / "cache", FOUR_TASKS)
    for file in (tmp_path / "cache").rglob("*"):
        assert file.is_dir() or b"hush-hush" not in file.read_bytes(), file


def test_a_machine_without_the_sources_does_not_pass_for_one_that_has_read_them(
    shelf: Path, tmp_path: Path
) -> None:
    workload = Workload.of(recipe(shelf), tmp_path / "cache", tasks=2, num_proc=1)
    shelf.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="2 of 2 tasks of stage read died"):
        run_here(workload.stages()[0], FOUR_TASKS)


def test_what_stops_a_corpus_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(InputError, match="no text in"):
        prepare_in_tasks(recipe(tmp_path / "empty.txt"), tmp_path / "cache", FOUR_TASKS)


def test_ray_runs_the_tasks_too(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr(tokenize, "_PART_BYTES", 4 << 20)  # as it is in the tasks
    prepare_in_tasks(recipe(shelf), tmp_path / "cache", Cluster(2, 2, 1, 1), run_on_ray)
    prepare(recipe(shelf), tmp_path / "plain")
    assert made(tmp_path / "cache") == made(tmp_path / "plain")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what stands for Slurm: jobs are kept there, as numbered scripts."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    programs = {
        "sbatch": f"""
            n=$(ls {folder}/*.job 2>/dev/null | wc -l)
            for script; do :; done
            cp "$script" {folder}/$n.job
            echo "$@" > {folder}/$n.options
            echo Submitted batch job $n""",
        "squeue": f"cat {folder}/queue 2>/dev/null",
        "srun": 'while [ "${1#-}" != "$1" ]; do [ "$1" = -n ] && shift; shift; done; exec "$@"',
        "scontrol": "echo localhost",
    }
    for name, program in programs.items():
        file = folder / name
        file.write_text(f"#!/bin/sh\n{program}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_NODELIST", "localhost")
    return folder


def jobs(slurm: Path) -> dict[str, int]:
    """The newest job of each stage, less those that only sum up what the tasks count."""
    texts = {int(file.stem): file.read_text() for file in slurm.glob("*.job")}
    return {
        text.partition("--job-name=qwen_pl-")[2].split()[0]: number
        for number, text in sorted(texts.items())
        if "launch_pickled_pipeline" in text
    }


def run_task(slurm: Path, number: int, rank: int) -> None:
    """What Slurm does with a task of a job."""
    subprocess.run(
        ["sh", slurm / f"{number}.job"],
        env=os.environ | {"SLURM_ARRAY_TASK_ID": str(rank), "RUN_OFFSET": "0"},
        check=True,
        capture_output=True,
        cwd="/",
    )


needs_a_shell = pytest.mark.skipif(sys.platform == "win32", reason="Slurm needs a Unix system")


@needs_a_shell
def test_each_slurm_job_waits_for_the_stage_before(
    shelf: Path, tmp_path: Path, slurm: Path
) -> None:
    submit(recipe(shelf), tmp_path / "cache", Cluster(tasks=4, workers=3), SLURM)
    numbers = jobs(slurm)
    assert list(numbers) == ["read", "plan", "tokenize", "join"]
    options = [(slurm / f"{number}.options").read_text() for number in numbers.values()]
    assert "dependency" not in options[0]
    for before, option in zip(numbers.values(), options[1:], strict=False):
        assert f"--dependency=afterok:{before} " in option


@needs_a_shell
def test_a_slurm_job_has_the_options_given(shelf: Path, tmp_path: Path, slurm: Path) -> None:
    submit(recipe(shelf), tmp_path / "cache", Cluster(4, workers=3, cpus_per_task=2), SLURM)
    script = (slurm / f"{jobs(slurm)['tokenize']}.job").read_text()
    for option in (
        "partition=main",
        "account=lab",
        "array=0-3%3",
        "cpus-per-task=2",
        "mem-per-cpu=4G",
        "time=24:00:00",
    ):
        assert f"#SBATCH --{option}\n" in script
    assert "--qos" not in script  # not every cluster has the one that would be asked for


@needs_a_shell
def test_what_slurm_jobs_make_is_found_and_only_dead_tasks_are_launched_again(
    shelf: Path, tmp_path: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenize, "_PART_BYTES", 4 << 20)  # as it is in the jobs
    cache, two = tmp_path / "cache", Cluster(tasks=2, workers=2)
    folder = submit(recipe(shelf), cache, two, SLURM)
    run_task(slurm, jobs(slurm)["read"], 1)  # and task 0 dies, so that the others are cancelled
    submit(recipe(shelf), cache, two, SLURM)
    assert json.loads((folder / "read" / "ranks_to_run.json").read_text()) == [0]
    for name, tasks in (("read", 1), ("plan", 1), ("tokenize", 2), ("join", 1)):
        for rank in range(tasks):
            run_task(slurm, jobs(slurm)[name], rank)
    launched = jobs(slurm)
    assert submit(recipe(shelf), cache, two, SLURM) == find_prepared(recipe(shelf), cache)
    assert jobs(slurm) == launched
    prepare(recipe(shelf), tmp_path / "plain")
    assert made(cache) == made(tmp_path / "plain")


@needs_a_shell
def test_while_slurm_has_the_jobs_no_others_are_launched(
    shelf: Path, tmp_path: Path, slurm: Path
) -> None:
    submit(recipe(shelf), tmp_path / "cache", FOUR_TASKS, SLURM)
    (slurm / "queue").write_text("2\n2\n4\n")
    with pytest.raises(InputError, match=r"still has jobs of this preparation \(2, 4\)"):
        submit(recipe(shelf), tmp_path / "cache", FOUR_TASKS, SLURM)


def test_without_slurm_it_is_said_where_to_start(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no sbatch here"):
        submit(recipe(shelf), tmp_path / "cache", FOUR_TASKS, SLURM)


def test_the_command_prepares_in_tasks(qwen_pl: Callable[..., Outcome], config: Path) -> None:
    cache = config.parent / "cache"
    more = ("--tasks", 2, "--workers", 1, "--data.cache_dir", cache)
    outcome = qwen_pl("prepare", "--config", config, "--cluster", "local", *more)
    assert outcome.code == 0, outcome.err
    assert "read     2 of 2 tasks done" in outcome.err
    assert f"tokens     {cache}" in outcome.out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--tasks", "3"], "--tasks does nothing without --cluster"),
        (["--cluster", "local", "--partition", "x"], "does nothing without --cluster slurm"),
        (["--cluster", "slurm"], "needs --partition"),
        (["--cluster", "local", "--tasks", "0"], "--tasks is 0: it has to be at least 1"),
    ],
)
def test_an_option_that_leads_nowhere_is_said(
    qwen_pl: Callable[..., Outcome], config: Path, options: list[str], complaint: str
) -> None:
    outcome = qwen_pl("prepare", "--config", config, *options)
    assert outcome.code == 2
    assert complaint in outcome.err


def test_without_the_engine_it_is_said_what_to_install(
    qwen_pl: Callable[..., Outcome], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    outcome = qwen_pl("prepare", "--config", config, "--cluster", "local")
    assert outcome.code == 2
    assert "pip install" in outcome.err
