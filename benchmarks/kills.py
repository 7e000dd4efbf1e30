"""Does a run that is killed over and over end as if it had never been?

    python -m benchmarks.kills [--settings ddp ...] [--kills 20] [--steps 60]
    python -m benchmarks.kills --config configs/tiny.yaml --trainer.accumulate_grad_batches 2

Each setting is trained twice: once unbroken, and once killed by ``kill -9`` at random moments, by
turns anywhere, in the middle of a save, of a validation, between two batches of a step, and before
training begins. After each kill the same command is given again, with ``--ckpt_path last``. At the
end all is compared to the last bit. Kills in a save are counted where the unfinished file was left.

``--settings prepare`` kills that verb instead, at any moment from an empty
cache on, give the same command until it is done, and compare the cache to that of one that was not
killed: the same files and nothing else, and the same content of texts, tokenizer and tokens.

Any option of ``fit`` may follow. Runs are forked off one process that has loaded all, so this needs
Linux or macOS; a run on two devices is two processes on the CPU.
"""

import argparse
import contextlib
import importlib
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
import yaml
from lightning.pytorch.utilities import rank_zero_only
from pypdf import PdfWriter

from qwen_pl.__main__ import main as qwen_pl
from qwen_pl.commands.parts.compare_runs import Comparison, compare_runs
from qwen_pl.commands.parts.rehearsal import rehearsal_options
from qwen_pl.files import sha256

BOOK = Path(__file__).parents[1] / "data/book.pdf"

CONFIG = {
    "data": {"vocab_size": 320, "seq_len": 24, "batch_size": 2},
    "model": {
        "config": {
            "hidden_size": 16,
            "intermediate_size": 40,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 6,
        },
        "lr": 1e-2,
        "warmup_steps": 2,
        "input_noise": 0.1,
    },
    "checkpoint": {"every_n_train_steps": 3},
    "trainer": {"accelerator": "cpu", "precision": "32-true", "limit_val_batches": 3},
}

TWO = {"trainer.devices": 2, "trainer.accumulate_grad_batches": 2, "data.num_workers": 1}
FSDP2 = {"config": "configs/strategy/fsdp2.yaml"} | TWO
SETTINGS: dict[str, dict[str, object]] = {
    "plain": {},
    "accumulation": {"trainer.accumulate_grad_batches": 3, "trainer.val_check_interval": 12},
    "odd-validation": {"trainer.accumulate_grad_batches": 2, "trainer.val_check_interval": 7},
    "workers": {"data.num_workers": 2, "trainer.accumulate_grad_batches": 2},
    "gradient-checkpointing": {"model.gradient_checkpointing": "true"},
    "compiled": {"model.compile": "true"},
    "bf16": {"trainer.precision": "bf16-mixed", "trainer.accumulate_grad_batches": 2},
    "muon": {"model.optimizer": "muon", "model.schedule": "wsd"},
    "averaged": {"weight_averaging.decay": 0.9, "trainer.accumulate_grad_batches": 2},
    "ddp": TWO | {"trainer.strategy": "ddp"},
    "fsdp2": FSDP2,
    "fsdp2-folders": FSDP2 | {"trainer.strategy.init_args.save_distributed_checkpoint": "true"},
}
PREPARE = "prepare"
STAGES = {
    **{"starting": ".lock", "reading": "text/*", "tokenizer": "corpus/*", "tokens": "tokenizer/*"},
    "last steps": "tokens/*",
}
"""What a preparation is at, by what has appeared in the cache last."""
KINDS = ("anywhere", "saving", "validating", "accumulating", "starting")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--config", type=Path, help="by default one of a few thousand parameters")
    parser.add_argument(
        "--settings",
        nargs="+",
        choices=[*SETTINGS, PREPARE],
        default=[*SETTINGS, PREPARE],
        help="one after the other",
    )
    parser.add_argument("--kills", type=int, default=20, help="in each setting")
    parser.add_argument("--steps", type=int, default=60, help="optimizer steps of a run")
    parser.add_argument("--seed", type=int, default=0, help="chooses kinds and steps of the kills")
    parser.add_argument("--folder", type=Path, help="for the runs, which are then kept")
    options, overrides = parser.parse_known_args()
    torch.set_num_threads(1)  # threads that have worked would not survive a fork
    folder = options.folder or Path(tempfile.mkdtemp(prefix="kills-"))
    folder.mkdir(parents=True, exist_ok=True)
    config = options.config or written_config(folder)
    chosen = [] if options.config else options.settings
    settings = {k: SETTINGS[k] for k in chosen if k in SETTINGS}
    if options.config:
        settings = {"as given": {}}
    all_same = True
    try:
        for name, changes in settings.items():
            given = [word for key, value in changes.items() for word in (f"--{key}", str(value))]
            trial = Trial(folder / name.replace(" ", "-"), config, [*given, *overrides], options)
            all_same &= trial.show(name)
        if PREPARE in chosen:
            all_same &= PreparationTrial(folder / PREPARE, options).show(PREPARE)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)
    sys.exit(not all_same)


def written_config(folder: Path) -> Path:
    """The config of a small run, and its text of made-up words."""
    chooser = random.Random(0)
    syllables = ["ba", "ne", "tol", "ri", "sum", "ka", "veth", "o", "lin", "dra"]
    words = ["".join(chooser.choices(syllables, k=chooser.randint(1, 3))) for _ in range(150)]
    lines = [" ".join(chooser.choices(words, k=10)).capitalize() + "." for _ in range(400)]
    source = folder / "words.txt"
    source.write_text("\n\n".join(lines), encoding="utf-8")
    data = CONFIG["data"] | {"source": str(source), "cache_dir": str(folder / "cache")}
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(CONFIG | {"data": data}), encoding="utf-8")
    return path


class Trial:
    """One setting: a run that is not killed, one that is, and what came of both."""

    def __init__(
        self, folder: Path, config: Path, overrides: list[str], options: argparse.Namespace
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.folder = folder
        self.steps = options.steps
        self.num_kills = options.kills
        self.random = random.Random(options.seed)
        self.kills: Counter[str] = Counter()
        self.proven = 0
        self.seconds_to_start = 1.0
        self.devices = _number(overrides, "--trainer.devices")
        self.accumulated = _number(overrides, "--trainer.accumulate_grad_batches")
        self.command = ["fit", "--config", str(config), "--ckpt_path", "last"]
        self.command += ["--trainer.default_root_dir", str(folder)]
        self.command += ["--trainer.max_steps", str(options.steps)]
        self.command += ["--trainer.log_every_n_steps", "1"]
        self.command += ["--trainer.val_check_interval", str(4 * self.accumulated), *overrides]

    def show(self, name: str) -> bool:
        """Runs all and prints the verdict; whether both runs are the same."""
        started = time.monotonic()
        self.live("unbroken", {})
        lives = self.kill_over_and_over()
        comparisons = [*compare_runs(*self.runs, self.steps), self.compare_files()]
        kinds = ", ".join(f"{self.kills[kind]} {kind}" for kind in KINDS if self.kills[kind])
        print(
            f"\n{name}: {sum(self.kills.values())} kills ({kinds}; {self.proven} left an "
            f"unfinished checkpoint), {lives} starts, {time.monotonic() - started:.0f} s"
        )
        for comparison in comparisons:
            print(f"  {comparison}", flush=True)
        return all(comparison.is_same for comparison in comparisons)

    @property
    def runs(self) -> tuple[Path, Path]:
        return tuple(self.folder / "lightning_logs" / name for name in ("unbroken", "killed"))

    def kill_over_and_over(self) -> int:
        """Kills and starts again until the run is done; the number of starts."""
        kinds = ["saving", "validating", "anywhere"]
        kinds.insert(0, "accumulating" if self.accumulated > 1 else "anywhere")
        chosen = (kinds * self.num_kills)[: self.num_kills]
        chosen[-1] = "starting"
        self.random.shuffle(chosen)
        at = sorted(self.random.randrange(self.steps - 3) for _ in chosen)
        lives = 0
        for kind, step in zip(chosen, at, strict=True):
            lives += 1
            if self.live("killed", {"moment": kind, "step": step}) == 0:
                break
        else:
            lives += 1
            self.live("killed", {})
        return lives

    def live(self, run: str, rehearsal: dict[str, object]) -> int:
        """One process or several from start to end, or to a kill; 0 where it came to its end."""
        run_dir = self.folder / "lightning_logs" / run
        notes, unfinished = run_dir / "notes", self.unfinished(run_dir)
        kind = rehearsal.get("moment", "never")
        command = [*self.command, "--run", run]
        command += rehearsal_options(notes=notes, **({} if kind == "starting" else rehearsal))
        started = time.monotonic()
        process = fork_run(command, self.folder / f"{run}.log", self.devices)
        if kind == "starting":
            time.sleep(self.random.uniform(0, self.seconds_to_start))
            os.killpg(process, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        was_killed = status == -signal.SIGKILL
        if run == "unbroken":
            self.seconds_to_start = (time.monotonic() - started) / 2
        if status != 0 and not was_killed:
            log = (self.folder / f"{run}.log").read_text(errors="replace")
            raise SystemExit(f"a run ended with {status}:\n{log[-3000:]}")
        if was_killed:
            self.kills[kind] += 1
            self.proven += bool(self.unfinished(run_dir) - unfinished)
        return status

    def unfinished(self, run_dir: Path) -> set[str]:
        """Names of what writers of checkpoints have left."""
        return {path.name for path in (run_dir / "checkpoints").glob("*.tmp-*")}

    def compare_files(self) -> Comparison:
        """Whether the same checkpoints are kept, and nothing else."""
        ours, theirs = (
            {path.name for path in (run / "checkpoints").iterdir()} for run in self.runs
        )
        return Comparison("files", ours == theirs, ", ".join(sorted(ours ^ theirs or ours)))


class PreparationTrial:
    """A corpus that is prepared in one go, and over and over from the start with kills."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.folder, self.num_kills = folder, options.kills
        self.random = random.Random(options.seed)
        self.kills: Counter[str] = Counter()
        source = folder / "shelf"
        source.mkdir(parents=True)
        words_of_run = Path(written_config(folder).with_name("words.txt")).read_text("utf-8")
        paragraphs = words_of_run.split("\n\n")
        for number in range(3):
            text = "\n\n".join(paragraphs[number * 60 : (number + 1) * 60])
            (source / f"words-{number}.txt").write_text(text, encoding="utf-8")
        writer = PdfWriter()
        writer.append(BOOK, pages=(14, 16))
        writer.write(source / "pages.pdf")
        data = CONFIG["data"] | {"source": str(source), "num_proc": 1}
        self.config = folder / "prepared.yaml"
        self.config.write_text(yaml.safe_dump({"data": data}), encoding="utf-8")
        self.log = folder / "prepare.log"
        self.words = ["prepare", "--config", str(self.config)]

    def show(self, name: str) -> bool:
        """Prepares all and prints the verdict; whether all caches are the same."""
        importlib.import_module("qwen_pl.commands.prepare")  # before it is forked
        importlib.import_module("qwen_pl.data.prepare.prepare")
        started = time.monotonic()
        cache = self.folder / "cache"
        self.live(cache)
        unbroken = _content_of(cache)
        seconds = time.monotonic() - started
        rounds = starts = 0
        differing: set[str] = set()
        while sum(self.kills.values()) < self.num_kills:
            shutil.rmtree(cache)
            rounds += 1
            starts += 1
            while not self.live(cache, self.random.uniform(0, seconds)):
                starts += 1
            differing |= unbroken ^ _content_of(cache)
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kills.most_common())
        print(
            f"\n{name}: {sum(self.kills.values())} kills ({kinds}), {starts} starts from "
            f"{rounds} empty caches, {time.monotonic() - started:.0f} s"
        )
        files = f"{len(unbroken)} files"
        print(f"  {Comparison('cache', not differing, ', '.join(sorted(differing)) or files)}")
        return not differing

    def live(self, cache: Path, seconds: float | None = None) -> bool:
        """Prepares in a process of its own, until it is killed; whether it came to its end.

        Args:
            seconds: What it takes from an empty cache on. The kill comes in a stage by chance,
                soon after it has begun, or within that time. None lets it live.
        """
        signs = self.random.choice(list(STAGES.values()))
        is_new = not any(cache.glob(signs))
        delay = self.random.uniform(0, (seconds or 0) / (20 if is_new else 1))
        process = fork_run([*self.words, "--data.cache_dir", str(cache)], self.log, 1)
        ended = status = 0
        while seconds is not None and not ended and is_new and not any(cache.glob(signs)):
            ended, status = os.waitpid(process, os.WNOHANG)
            time.sleep(0.001)
        last = time.monotonic() + delay
        while seconds is not None and not ended and time.monotonic() < last:
            ended, status = os.waitpid(process, os.WNOHANG)
            time.sleep(0.001)
        if not ended:
            if seconds is not None:
                os.kill(process, signal.SIGKILL)  # it may not be the first of a group yet
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process, signal.SIGKILL)
            _, status = os.waitpid(process, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGKILL:
            there = [stage for stage, sign in STAGES.items() if any(cache.glob(sign))]
            self.kills[there[-1] if there else "starting"] += 1
        elif code:
            log = self.log.read_text(errors="replace")
            raise SystemExit(f"prepare ended with {code}:\n{log[-3000:]}")
        return code == 0


def _content_of(cache: Path) -> set[str]:
    """The files of a cache, and of those that do not tell the time what is in them."""
    found = set()
    for path in sorted(path for path in cache.rglob("*") if path.is_file()):
        name = path.relative_to(cache).as_posix()
        is_timed = name.startswith(("corpus/", "pages/")) or "/" not in name
        is_timed |= name.startswith("text/") and name.endswith(".json")
        found.add(name if is_timed else f"{name} {sha256(path)}")
    return found


def fork_run(command: list[str], log: Path, devices: int) -> int:
    """Starts a session that runs ``python -m qwen_pl COMMAND...``; its process id."""
    sys.stdout.flush()
    port = free_port()
    process = os.fork()
    if process:
        return process
    with last_of_a_fork():
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if devices > 1:
            rank = next((number for number in range(1, devices) if os.fork() == 0), 0)
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
            os.environ |= {"WORLD_SIZE": str(devices), "LOCAL_RANK": str(rank)}
            rank_zero_only.rank = rank
        sys.argv = ["qwen_pl", *command]
        qwen_pl()


@contextlib.contextmanager
def last_of_a_fork() -> Iterator[None]:
    """Ends this process, which was forked, with the block, by the code that a command would."""
    code = 1
    try:
        yield
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _number(overrides: list[str], name: str) -> int:
    return int(overrides[overrides.index(name) + 1]) if name in overrides else 1


if __name__ == "__main__":
    main()
