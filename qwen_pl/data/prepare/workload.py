"""Preparing in four stages, the long ones in tasks that may run on any machine: what each does.

The tasks do nothing but fill the cache, so that at the end ``prepare`` finds everything there. A
task that never ran costs time, since a later stage does what is missing, but changes no token.

    read      N tasks   every file, read and cleaned
    plan      1 task    copies left out, the text split, the tokenizer trained
    tokenize  N tasks   every part of the token file
    join      1 task    the token file of its parts
"""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers

from qwen_pl.data.cache_dir import CacheDir, TasksEntry
from qwen_pl.data.corpus.corpus import corpus_entry
from qwen_pl.data.corpus.document import SealedText
from qwen_pl.data.corpus.reading import read_files
from qwen_pl.data.corpus.sources import SourceFile, SourceFiles
from qwen_pl.data.prepare.prepare import Recipe, locked, prepare, prepare_tokenizer
from qwen_pl.data.tokens.encoder import PUBLISHED_VERSION, TOKENS_VERSION
from qwen_pl.data.tokens.splits import SPLITS_VERSION
from qwen_pl.data.tokens.tokenizer import TOKENIZER_JSON, TOKENIZER_VERSION
from qwen_pl.data.tokens.write import Slice, TokenPart, plan_parts, tokenize_parts
from qwen_pl.files import fingerprint, remove
from qwen_pl.seals import Damaged, read_sealed, tell_mended, write_sealed

PASSWORD = "QWEN_PL_PASSWORD"
"""The variable in which tasks find the password, as they themselves lie in files of the cluster."""


@dataclass(frozen=True)
class Workload:
    """One preparation that is dealt to tasks."""

    recipe: Recipe
    cache_dir: Path
    entry: TasksEntry
    """What the tasks tell each other, and a folder of each stage for the engine. Its name changes
    with everything that decides what the tasks do."""
    current_dir: Path
    """What relative paths of the recipe start from."""
    tasks: int
    """Tasks of the stages that have many."""
    num_proc: int
    """Processes of each task."""

    @classmethod
    def of(cls, recipe: Recipe, cache_dir: Path, tasks: int, num_proc: int) -> "Workload":
        """Finds and hashes the files once, so that the tasks need not.

        Raises:
            InputError: If a source is missing.
        """
        cache = CacheDir(cache_dir)
        sources = SourceFiles.of(recipe.source, cache)
        corpus = corpus_entry(sources, recipe.reading, cache, recipe.duplicates)
        fractions = [float(recipe.val_fraction), float(recipe.test_fraction)]
        tokens = [recipe.vocab_size, recipe.tokenizer, recipe.max_train_bytes, recipe.strict]
        versions = [
            SPLITS_VERSION,
            TOKENIZER_VERSION,
            tokenizers.__version__,
            TOKENS_VERSION,
            PUBLISHED_VERSION,
        ]
        name = fingerprint([corpus.folder.name, [*tokens, *fractions], versions, tasks])
        workload = cls(recipe, cache_dir, cache.tasks(name), Path.cwd(), tasks, num_proc)
        if not workload.knows(workload.entry.files):
            files = [[str(path), sha256] for path, sha256 in sources.unique()]
            # Dealt out from the largest down, so that no task has much more to read than another.
            files.sort(key=lambda file: (-Path(file[0]).stat().st_size, file))
            workload.tell(workload.entry.files, {"files": files})
        return workload

    def tell(self, file: Path, values: dict[str, Any]) -> None:
        """Tells the tasks of other stages."""
        if not file.is_file():
            remove(file)  # it may be a folder
        write_sealed(file, values, self._name(file))

    def told(self, file: Path) -> dict[str, Any]:
        """What the tasks are told; raises ``Damaged`` if it is not what was written."""
        return read_sealed(file, self._name(file))

    def knows(self, file: Path) -> bool:
        try:
            return bool(self.told(file))
        except Damaged:
            return False

    def _name(self, file: Path) -> str:
        return f"cluster {self.entry.folder.name} {file.name}"

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"recipe": _with_password(self.recipe, "")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        recipe = _with_password(state["recipe"], os.environ.get(PASSWORD, ""))
        vars(self).update(state | {"recipe": recipe})

    def stages(self) -> list["Stage"]:
        return [
            Stage("read", self.tasks, _read, self),
            Stage("plan", 1, _plan, self),
            Stage("tokenize", self.tasks, _tokenize, self),
            Stage("join", 1, _join, self),
        ]


def _with_password(recipe: Recipe, password: str) -> Recipe:
    reading = dataclasses.replace(recipe.reading, password=password)
    return dataclasses.replace(recipe, reading=reading)


class Stage:
    """One stage; called with a rank, it does what falls to that task.

    A step of a datatrove pipeline, to which no documents come and from which none go. No dataclass:
    of one, datatrove writes every field to a file, and the password of a PDF is not for that.
    """

    def __init__(
        self, name: str, tasks: int, work: Callable[[Workload, int, int], None], workload: Workload
    ) -> None:
        self.name = name
        self.tasks = tasks
        self.workload = workload
        self._work = work

    def __repr__(self) -> str:
        return f"qwen_pl: {self.name}"

    def __call__(self, data: object = None, rank: int = 0, world_size: int = 1) -> None:
        os.chdir(self.workload.current_dir)
        self._work(self.workload, rank, world_size)

    @property
    def folder(self) -> Path:
        """Where the engine notes which tasks are done, and what they log."""
        return self.workload.entry.stage(self.name).absolute()


def _read(workload: Workload, rank: int, world_size: int) -> None:
    listed = workload.told(workload.entry.files)["files"][rank::world_size]
    files = [SourceFile(Path(path), sha256) for path, sha256 in listed]
    if files and not any(file.path.is_file() for file in files):  # one that is gone is no reason
        raise FileNotFoundError(f"{files[0].path}: are the sources to be seen from this machine?")
    cache = CacheDir(workload.cache_dir)
    reading, num_proc = workload.recipe.reading, workload.num_proc
    for _ in read_files(files, reading, cache, num_proc=num_proc, progress=False):
        pass  # it is in the cache


def _plan(workload: Workload, rank: int, world_size: int) -> None:
    recipe, cache_dir, num_proc = workload.recipe, workload.cache_dir, workload.num_proc
    with locked(cache_dir):
        made = prepare_tokenizer(recipe, cache_dir, num_proc=num_proc, progress=False)
    try:
        made.tokens.check()
        parts = []
    except Damaged:  # or, as mostly, not there
        parts = plan_parts(made.tokens.folder, made.documents, made.pieces)
    planned = {
        "tokenizer": str(made.tokenizer_dir / TOKENIZER_JSON),
        "parts": [_as_json(part) for part in parts],
    }
    workload.tell(workload.entry.parts, planned)


def _tokenize(workload: Workload, rank: int, world_size: int) -> None:
    planned = workload.told(workload.entry.parts)
    parts = [_from_json(**values) for values in planned["parts"][rank::world_size]]
    try:
        for _ in tokenize_parts(parts, Path(planned["tokenizer"]), workload.num_proc):
            pass
    except Damaged as damage:  # a text; the last stage reads it again, and does what is missing
        tell_mended([damage])


def _as_json(part: TokenPart) -> dict[str, Any]:
    slices = [
        dataclasses.asdict(each) | {"text": [str(each.text.file), *each.text[1:]]}
        for each in part.slices
    ]
    return {"slices": slices, "file": str(part.file)}


def _from_json(slices: list[dict[str, Any]], file: str) -> TokenPart:
    own = []
    for values in slices:
        text_file, *seals = values["text"]
        own.append(Slice(**values | {"text": SealedText.of(Path(text_file), seals)}))
    return TokenPart(own, Path(file))


def _join(workload: Workload, rank: int, world_size: int) -> None:
    prepare(workload.recipe, workload.cache_dir, num_proc=workload.num_proc)
