"""What becomes of a damaged file? Damages every file of a cache in every way, before every verb.

    python -m benchmarks.damage                                        # all of it
    python -m benchmarks.damage --short                                # a sample, by turns
    python -m benchmarks.damage --files 'tokens/*' --verbs fit locate
    python -m benchmarks.damage --hashing 10                           # what checking 10 GB costs

The table says how each verb ended: "mended", a line names the file and the result is the one of
the undamaged file; "told", of a file of a run, a line names it and what is done without it;
"refused", one line names the file, and the exit code is 2; "same", the result is that of the
undamaged file, which was not needed or is not believed anyway. All else is a fault (another result,
a traceback, a line that names nothing), is shown in full, and makes the exit code 1. Where this is
root, the verbs may all the same not open what nobody may.

Processes are forked off one that has loaded all, so this needs Linux or macOS.
"""

import argparse
import contextlib
import fnmatch
import hashlib
import importlib
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import yaml
from pypdf import PdfWriter

from benchmarks.damaging import DAMAGES, Damage, hindered
from benchmarks.kills import BOOK, CONFIG, last_of_a_fork
from qwen_pl.__main__ import main as qwen_pl
from qwen_pl.seals import Seal

ROOTS = {"cache": "data/cache", "run": "lightning_logs/kept"}
"""Folders whose every file is damaged, by the name that they have in the table."""
SENTENCE = "It is a truth universally acknowledged"


@dataclass(frozen=True)
class Verb:
    """A command, and the files that it leaves behind: its result, else that is what it prints."""

    words: Sequence[str]
    leaves: Sequence[str] = ()
    says: str = ""
    """What is in the lines that count, of those that it prints."""
    before: str = ""
    """A folder pattern that is removed before it, so that it has something to do."""


_FIT = ["fit", "--config", "small.yaml", "--trainer.max_steps", "2"]
_KEPT = ["--config", "small.yaml", "--run", "kept", "--ckpt_path", "last"]
_TOKENS = ("data/cache/tokens/*[!s]/*.*", "data/cache/tokenizer/*/*.*", "data/cache/text/*.[ti]*x*")
VERBS = {
    "prepare": Verb(["prepare", "--config", "small.yaml"], _TOKENS),
    "fit": Verb([*_FIT, "--run", "new"], (*_TOKENS[:2], "lightning_logs/new/checkpoints/step*")),
    "resume": Verb(
        ["fit", *_KEPT, "--trainer.max_steps", "4"],
        ("lightning_logs/kept/checkpoints/step=00000004.ckpt",),
    ),
    "validate": Verb(["validate", *_KEPT], says="val_"),
    "test": Verb(["test", *_KEPT], says="test_"),
    "predict": Verb(
        ["predict", *_KEPT, "--data.prompts", "prompts.txt"], ("lightning_logs/*/pred*",)
    ),
    "consolidate": Verb(
        ["consolidate", "lightning_logs/kept/checkpoints/step=00000003.ckpt", "single.ckpt"],
        ("single.ckpt/*",),
    ),
    "best": Verb(
        ["generate", "--run", "kept", "--prompt", "ba", "--seed", "1", "--ckpt_path", "best"]
    ),
    "fit again": Verb(
        ["fit", "--config", "lightning_logs/kept/config.yaml", "--run", "new"],
        ("lightning_logs/new/checkpoints/step*",),
    ),
    "generate": Verb(["generate", "--run", "kept", "--prompt", "ba", "--seed", "1"]),
    "inspect": Verb(["inspect", "--run", "kept"]),
    "export": Verb(["export", "--run", "kept", "--out", "out"], ("out/*",)),
    "locate step": Verb(["locate", "--run", "kept", "--step", "1"]),
    "locate text": Verb(["locate", "--run", "kept", "--text", SENTENCE]),
    "extract": Verb(["extract", "shelf", "--out", "out.txt"], ("out.txt",)),
    "train-tokenizer": Verb(["train-tokenizer", "shelf", "--out", "tok"], ("tok/*",)),
    "tokenize": Verb(["tokenize", SENTENCE]),
    "parts": Verb(["prepare", "--config", "small.yaml"], _TOKENS, before="data/cache/tokens/*[!s]"),
    "cluster": Verb(
        ["prepare", "--config", "small.yaml", "--cluster", "local", "--tasks", "2"],
        _TOKENS,
        before="data/cache/tokens/*",
    ),
}
_SHORT = ("prepare", "fit", "parts")


class Ended(NamedTuple):
    """How a process ended, what it said and printed, and a digest of its result."""

    code: int
    err: str
    out: str
    result: str = ""


class Trials:
    """A small run with its cache, which is made as it was before each trial."""

    def __init__(self, folder: Path, verbs: Sequence[str]) -> None:
        self.folder, self.kept = folder / "here", folder / "kept"
        self.expected: dict[str, Ended] = {}
        self.faults: list[str] = []
        self.lines: Counter[str] = Counter()
        _make(self.kept)
        self.restore()
        self.make_kept([*_FIT, "--run", "kept", "--ckpt_path", "last"])
        # Once more with another setting: two checkpoints, two configs, a ledger of two stretches.
        again = [*_FIT[:-1], "3", "--run", "kept", "--ckpt_path", "last", "--model.lr", "0.02"]
        self.make_kept(again)
        for name in ("prepare", "extract", "train-tokenizer", "cluster"):
            if name in verbs:  # each leaves something in the cache
                self.make_kept(VERBS[name].words)
        _leave_parts(self.kept)

    def make_kept(self, words: Sequence[str]) -> None:
        self.restore()
        ended = run(words, self.folder)
        if ended.code != 0:
            raise SystemExit(f"{' '.join(words)} ended with {ended.code}:\n{ended.err}")
        for name in ("data", "lightning_logs"):
            shutil.rmtree(self.kept / name, ignore_errors=True)
            if (self.folder / name).exists():
                shutil.copytree(self.folder / name, self.kept / name)

    def restore(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.kept, self.folder)

    def files(self) -> Iterator[tuple[str, str]]:
        """Names for the table, and paths."""
        for root, folder in ROOTS.items():
            for path in sorted((self.kept / folder).rglob("*")):
                if path.is_file():
                    relative = path.relative_to(self.kept / folder).as_posix()
                    yield f"{root}/{_shortened(relative)}", path.relative_to(self.kept).as_posix()

    def tried(self, name: str, path: str, damage: Damage, source: random.Random) -> str:
        """What became of a verb before which a file was damaged."""
        verb = VERBS[name]
        if name not in self.expected:
            self.restore()
            self.remove(verb.before)
            self.expected[name] = self.end_of(verb)
        self.restore()
        if verb.before and fnmatch.fnmatch(path, f"{verb.before}/*"):
            return "-"
        self.remove(verb.before)
        damage(self.folder / path, source)
        ended, expected = self.end_of(verb), self.expected[name]
        verdict = self.verdict(ended, expected, path)
        if verdict == "FAULT":
            changed = "" if ended.result == expected.result else ", another result"
            what = f"{damage.__name__[1:]} {path}: {' '.join(verb.words)}"
            self.faults.append(f"{what}: code {ended.code}{changed}\n{ended.err[-1500:]}")
        return verdict

    def verdict(self, ended: Ended, expected: Ended, path: str) -> str:
        lines = ended.err.strip().splitlines()
        names_it = any(self.is_named(path, line) for line in lines)
        if "Traceback" in ended.err:
            return "FAULT"
        if ended.code == 0 and ended.result == expected.result:
            return "mended" if names_it and "made anew" in ended.err else "same"
        if path.startswith(ROOTS["run"]) and ended.code == 0:
            # It does without, and says so; or says which checkpoint it takes in its place.
            says = "step=00000002.ckpt" in ended.err + ended.out
            says_which = says and path.endswith("step=00000003.ckpt")
            return "told" if names_it or says_which else "FAULT"
        if ended.code == 2 and expected.code == 0 and self.is_named(path, lines[-1]):
            self.lines[re.sub(r"[0-9a-f]{12,}", "*", lines[-1].replace(path, "FILE"))] += 1
            return "refused"
        return "FAULT"

    def is_named(self, path: str, line: str) -> bool:
        """Whether a line names a file, or one beside it that vouches for it."""
        return path.rpartition("/")[0] in line or path in line

    def end_of(self, verb: Verb) -> Ended:
        ended = run(verb.words, self.folder)
        lines = [] if verb.leaves else ended.out.splitlines()
        digest = hashlib.sha256("\n".join(line for line in lines if verb.says in line).encode())
        for pattern in verb.leaves:
            for path in sorted(self.folder.glob(pattern)):
                digest.update(f"{path.name} {_content(path)}".encode())
        return ended._replace(result=digest.hexdigest())

    def remove(self, pattern: str) -> None:
        for path in self.folder.glob(pattern) if pattern else ():
            shutil.rmtree(path)


def _content(path: Path) -> str:
    """A digest of what a file holds, times and places left aside."""
    if path.suffix == ".ckpt":
        state = torch.load(path, weights_only=True)["state_dict"]
        return hashlib.sha256(b"".join(t.numpy().tobytes() for t in state.values())).hexdigest()
    if path.is_dir() or path.name == "README.md":
        return ""
    return Seal.of(path).sha256


def _shortened(path: str) -> str:
    return re.sub(r"[0-9a-f]{12,}", "*", path)


def _make(folder: Path) -> None:
    """The sources and the config of the run."""
    shelf = folder / "shelf"
    shelf.mkdir(parents=True)
    writer = PdfWriter()
    writer.append(BOOK, pages=(14, 18))
    writer.write(shelf / "book.pdf")
    chooser = random.Random(0)
    words = ["".join(chooser.choices("aeioubdgklmnst", k=chooser.randint(2, 7))) for _ in range(99)]
    texts = [" ".join(chooser.choices(words, k=30)) for _ in range(60)]
    (shelf / "words.txt").write_text("\n\n".join([f"{SENTENCE} here.", *texts]))
    (folder / "prompts.txt").write_text("ba\nne\n")
    data = CONFIG["data"] | {"source": "shelf", "num_proc": 1}
    trainer = CONFIG["trainer"] | {"val_check_interval": 2, "enable_progress_bar": False}
    loggers = [{"class_path": "TensorBoardLogger"}, {"class_path": "CSVLogger"}]
    trainer |= {"logger": loggers, "log_every_n_steps": 1}
    samples = {"every_n_steps": 1, "max_new_tokens": 4}
    (folder / "small.yaml").write_text(
        yaml.safe_dump(CONFIG | {"data": data, "trainer": trainer, "samples": samples})
    )


def _leave_parts(folder: Path) -> None:
    """Makes the parts of the token file again, as if putting them together had been interrupted."""
    from qwen_pl.data.prepare.prepare import find_prepared
    from qwen_pl.data.prepare.settings import DataSettings
    from qwen_pl.data.tokens.write import plan_parts, tokenize_parts

    with contextlib.chdir(folder):
        config = yaml.safe_load(Path("small.yaml").read_text())
        settings = DataSettings(**config["data"])
        made = find_prepared(settings.recipe, settings.cache_dir)
        assert made is not None
        parts = plan_parts(made.tokens.folder, made.documents, made.pieces)
        list(tokenize_parts(parts, made.tokenizer_dir / "tokenizer.json", 1))


def run(words: Sequence[str], folder: Path) -> Ended:
    """Runs ``python -m qwen_pl WORDS...`` in a process of its own; its result is what it prints."""
    out, err = folder.with_name("out"), folder.with_name("err")
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        with last_of_a_fork():
            for number, file in ((1, out), (2, err)):
                os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), number)
            os.chdir(folder)
            sys.argv = ["qwen_pl", *words]
            with hindered():
                qwen_pl()
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return Ended(code, err.read_text(errors="replace"), out.read_text(errors="replace"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--files", default="*", metavar="PATTERN", help="names in the table")
    parser.add_argument("--damages", nargs="+", choices=DAMAGES, default=[*DAMAGES])
    parser.add_argument("--verbs", nargs="+", choices=VERBS, help="by default all of them")
    parser.add_argument("--places", type=int, default=20, help="at which a bit is flipped")
    parser.add_argument(
        "--short", action="store_true", help=f"{', '.join(_SHORT)}; of each file two, one place"
    )
    parser.add_argument("--seed", type=int, default=0, help="chooses the places of the bits")
    parser.add_argument("--hashing", type=float, metavar="GB", help="measure that alone")
    options = parser.parse_args()
    if options.hashing:
        show_hashing(options.hashing)
        return
    torch.set_num_threads(1)  # threads that have worked would not survive a fork
    for module in ("qwen_pl.run.cli", "qwen_pl.commands.generate", "qwen_pl.commands.export"):
        importlib.import_module(module)
    folder = Path(tempfile.mkdtemp(prefix="damage-"))
    folder.chmod(0o755)
    try:
        verbs = options.verbs or [*(_SHORT if options.short else VERBS)]
        trials = Trials(folder, verbs)
        show_table(trials, verbs, options)
    finally:
        shutil.rmtree(folder)
    for line, count in trials.lines.most_common():
        print(f"refused {count:,} times: {line}")
    for fault in trials.faults:
        print(f"\nFAULT {fault}")
    sys.exit(bool(trials.faults))


def show_table(trials: Trials, verbs: Sequence[str], options: argparse.Namespace) -> None:
    started, total = time.monotonic(), Counter[str]()
    source = random.Random(options.seed)
    files = [pair for pair in trials.files() if fnmatch.fnmatch(pair[0], f"*{options.files}")]
    width = max(len(name) for name, _ in files)
    print(f"{'file':<{width}}  {'damage':<11}", *(f"{verb:<15}" for verb in verbs))
    for number, (name, path) in enumerate(files):
        damages = options.damages
        if options.short:
            damages = [damages[(number + turn) % len(damages)] for turn in (0, 3)]
        for damage in damages:
            times = options.places if damage == "bit flipped" and not options.short else 1
            cells = []
            for verb in verbs:
                found = Counter(
                    trials.tried(verb, path, DAMAGES[damage], source) for _ in range(times)
                )
                total += found
                only = len(found) == 1
                cells.append(" ".join(w if only else f"{w} {n}" for w, n in found.most_common()))
            print(f"{name:<{width}}  {damage:<11}", *(f"{cell:<15}" for cell in cells), flush=True)
    ends = ", ".join(f"{count:,} {word}" for word, count in total.most_common() if word != "-")
    print(f"{sum(total.values()):,} trials in {time.monotonic() - started:.0f} s: {ends}")


def show_hashing(gigabytes: float) -> None:
    """Writes a file of so many gigabytes, and shows how long the check of a token file takes."""
    block = random.Random(0).randbytes(1 << 24)
    with tempfile.TemporaryDirectory(prefix="hashing-") as folder:
        file = Path(folder) / "tokens.bin"
        with file.open("wb") as out:
            while out.tell() < gigabytes * 1e9:
                out.write(block)
        seal = Seal.of(file)
        if hasattr(os, "posix_fadvise"):  # so that it comes from the disk
            with file.open("rb") as read:
                os.fsync(read.fileno())
                os.posix_fadvise(read.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        for what in ("from the disk", "from memory, what fits"):
            file.touch()  # else it is known
            started = time.monotonic()
            seal.check(file)
            seconds = time.monotonic() - started
            print(
                f"{what}: {seal.size / 1e9:.1f} GB in {seconds:.1f} s, "
                f"{seal.size / 1e6 / seconds:,.0f} MB/s"
            )
        time.sleep(0.2)
        seal.check(file)
        started = time.monotonic()
        seal.check(file)
        print(f"once more in the same process: {(time.monotonic() - started) * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
