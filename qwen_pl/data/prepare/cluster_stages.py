"""Preparing in four stages, the long ones in tasks that may run on any machine: what each does.

The tasks do nothing but fill the cache, so that at the end ``prepare`` finds everything there. A
task that never ran costs time, since a later stage does what is missing, but changes no token.

    read      N tasks   every file, read and cleaned
    plan      1 task    copies left out, the text split, the tokenizer trained
    tokenize  N tasks   every part of the token file
    join      1 task    the token file of its parts
"""

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tokenizers

from qwen_pl.data.corpus.corpus import Inputs, Jobs, read_all
from qwen_pl.data.prepare.prepare import Recipe, locked, make_plan, prepare
from qwen_pl.data.processes import ProcessDied, map_in_processes
from qwen_pl.data.tokens.splits import SPLITS_VERSION
from qwen_pl.data.tokens.tokenizer import TOKENIZER_VERSION
from qwen_pl.data.tokens.write import (
    TOKENS_VERSION,
    Part,
    Run,
    parts_dir,
    plan_parts,
    tokenize_part,
)
from qwen_pl.files import fingerprint, write_text


@dataclass(frozen=True)
class Job:
    """One preparation that is dealt to tasks.

    Attributes:
        folder: What the tasks tell each other, and a folder of each stage for the engine. Its name
            changes with everything that decides what the tasks do.
        current_dir: What relative paths of the recipe start from.
        tasks: Tasks of the stages that have many.
        num_proc: Processes of each task.
    """

    recipe: Recipe
    cache_dir: Path
    folder: Path
    current_dir: Path
    tasks: int
    num_proc: int

    @classmethod
    def of(cls, recipe: Recipe, cache_dir: Path, *, tasks: int, num_proc: int) -> "Job":
        """Finds and hashes the files once, so that the tasks need not.

        Raises:
            InputError: If a source is missing.
        """
        inputs = Inputs.of(recipe.source, recipe.reading, cache_dir, recipe.duplicates)
        tokens = [recipe.vocab_size, recipe.tokenizer, recipe.max_train_bytes, recipe.strict]
        tokens += [float(recipe.val_fraction), float(recipe.test_fraction)]
        versions = [SPLITS_VERSION, TOKENIZER_VERSION, tokenizers.__version__, TOKENS_VERSION]
        name = fingerprint([inputs.folder.name, tokens, versions, tasks])
        job = cls(recipe, cache_dir, cache_dir / "cluster" / name, Path.cwd(), tasks, num_proc)
        if not job.files.is_file():
            files = [[str(inputs.paths[i]), content] for content, i in inputs.firsts.items()]
            # Dealt out from the largest down, so that no task has much more to read than another.
            files.sort(key=lambda file: (-Path(file[0]).stat().st_size, file))
            write_text(job.files, json.dumps(files))
        return job

    @property
    def files(self) -> Path:
        """Lists a path and its SHA-256 for each content."""
        return self.folder / "files.json"

    @property
    def parts(self) -> Path:
        """Holds the parts of the token file and the tokenizer file, once they are planned."""
        return self.folder / "parts.json"

    def stages(self) -> list["Stage"]:
        """What has to be done, in this order."""
        return [
            Stage("read", self.tasks, _read, self),
            Stage("plan", 1, _plan, self),
            Stage("tokenize", self.tasks, _tokenize, self),
            Stage("join", 1, _join, self),
        ]


class Stage:
    """One stage; called with a rank, it does what falls to that task.

    A step of a datatrove pipeline, to which no documents come and from which none go. No dataclass:
    of one, datatrove writes every field to a file, and the password of a PDF is not for that.
    """

    def __init__(
        self, name: str, tasks: int, work: Callable[[Job, int, int], None], job: Job
    ) -> None:
        self.name = name
        self.tasks = tasks
        self.job = job
        self._work = work

    def __repr__(self) -> str:
        return f"qwen_pl: {self.name}"

    def __call__(self, data: object = None, rank: int = 0, world_size: int = 1) -> None:
        os.chdir(self.job.current_dir)
        self._work(self.job, rank, world_size)


def _read(job: Job, rank: int, world_size: int) -> None:
    files = [(Path(path), content) for path, content in json.loads(job.files.read_bytes())]
    files = files[rank::world_size]
    if files and not any(path.is_file() for path, _ in files):  # one that is gone is no reason
        raise FileNotFoundError(f"{files[0][0]}: are the sources to be seen from this machine?")
    jobs = Jobs(job.recipe.reading, job.cache_dir, job.num_proc, progress=False)
    for _ in read_all(files, jobs):
        pass  # it is in the cache


def _plan(job: Job, rank: int, world_size: int) -> None:
    with locked(job.cache_dir):
        plan, tokenizer_dir = make_plan(
            job.recipe, job.cache_dir, num_proc=job.num_proc, progress=False
        )
    folder = plan.tokens_dir(job.cache_dir, tokenizer_dir)
    unfinished = parts_dir(folder)
    is_done = folder.is_dir()
    parts = [] if is_done else plan_parts(plan.corpus.documents, plan.pieces, unfinished)
    planned = {
        "tokenizer": str(tokenizer_dir / "tokenizer.json"),
        "parts": [
            [str(part.file), [dataclasses.astuple(run) for run in part.runs]] for part in parts
        ],
    }
    write_text(job.parts, json.dumps(planned, default=str))


def _tokenize(job: Job, rank: int, world_size: int) -> None:
    planned = json.loads(job.parts.read_bytes())
    parts = [_part(file, runs) for file, runs in planned["parts"][rank::world_size]]
    work = partial(tokenize_part, tokenizer_file=Path(planned["tokenizer"]))
    for part, died in map_in_processes(work, parts, job.num_proc):
        if isinstance(died, ProcessDied):
            raise RuntimeError(f"tokenizing {part.file.name}: {died}")


def _part(file: str, runs: list[list]) -> Part:
    return Part(
        [Run(document, Path(text), tuple(range_), *rest) for document, text, range_, *rest in runs],
        Path(file),
    )


def _join(job: Job, rank: int, world_size: int) -> None:
    prepare(job.recipe, job.cache_dir, num_proc=job.num_proc)
