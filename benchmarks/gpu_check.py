"""Does everything hold on a GPU, and how fast is it there? ``make gpu-check``, eight minutes.

    python -m benchmarks.gpu_check --out benchmarks/results/gpu.json
    python -m benchmarks.gpu_check --device cpu                           # the short form of it

Needs what the tests need, one NVIDIA GPU with 80 GB, and neither a network nor a browser. The
sections are processes of their own, each with its share of the minutes, and one that fails stops no
other. What they come to is one JSON, written anew after each: the versions and the hardware; every
test marked ``gpu``; the verbs of a run of configs/tiny.yaml from its PDF to an export; what the
device reaches at most; steps of two shapes beside Transformers', and ``fit`` itself. Logs are
written to the folder beside it.
"""

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("torch", "triton", "lightning", "transformers", "torchao", "numpy", "tokenizers")
BOOK = str(REPOSITORY / "data/book.pdf")
MODULE = [sys.executable, "-m"]
QWEN_PL = [*MODULE, "qwen_pl"]


class Section(NamedTuple):
    """A part of the check: commands, one after the other until one fails."""

    name: str
    commands: Sequence[Sequence[str]]
    seconds: float
    """How long they may take together."""


def sections(device: str) -> Iterator[list[Section]]:
    """What is done, in order; those of one list run side by side, as nothing in them is timed."""
    accelerator = ["--trainer.accelerator", "gpu" if device == "cuda" else "cpu"]
    tiny = ["--config", str(REPOSITORY / "configs/tiny.yaml"), "--data.source", BOOK, *accelerator]
    short = ["--trainer.max_steps", "4" if device == "cpu" else "200"]
    verbs = [
        [*QWEN_PL, "fit", *tiny, *short],
        [*QWEN_PL, "validate", *tiny],
        [*QWEN_PL, "test", *tiny],
        [*QWEN_PL, "predict", "--run", "tiny", "--data.prompts", "prompts.txt", *accelerator],
        [*QWEN_PL, "generate", "--run", "tiny", "--prompt", "It is a truth", "--seed", "1"],
        [*QWEN_PL, "export", "--run", "tiny", "--out", "exported"],
    ]
    if device == "cpu":
        yield [Section("verbs", verbs, 300)]
        yield [Section("small", [[*MODULE, "benchmarks.contenders", "--steps", "3"]], 300)]
        return
    tests = [*MODULE, "pytest", "-vv", "-m", "gpu", "-n", "12", "--dist", "worksteal"]
    tests += ["--durations", "15", "-p", "no:cacheprovider", "--no-header", *test_files()]
    yield [Section("tests", [tests], 170), Section("verbs", verbs, 170)]

    yield [Section("ceilings", [[*MODULE, "benchmarks.ceilings"]], 25)]
    contenders = [*MODULE, "benchmarks.contenders", "--device", "cuda", "--steps", "6"]
    ours, theirs = ["--ways", "ours"], ["--ways", "transformers"]
    large = [*contenders, "--shape", "qwen3-0.6b", "--tokens", "4096", "--batch_size", "2"]
    # Of 8 windows, Transformers' logits alone would not fit.
    both = [[*large, "8", *ours], [*large, "4", *theirs]]
    yield [Section("qwen3-0.6b, windows of 4,096", both, 120)]
    config = ["--config", str(REPOSITORY / "configs/qwen3_0_6b.yaml"), "--data.source", BOOK]
    changes = {
        "data.seq_len": 4096,
        "data.batch_size": 8,
        "model.compile": "true",
        "model.gradient_checkpointing": "false",
        "samples.every_n_steps": 0,
        "trainer.max_steps": 25,
        "trainer.log_every_n_steps": 5,
        "trainer.num_sanity_val_steps": 0,
    }
    words = [word for name, value in changes.items() for word in (f"--{name}", str(value))]
    fit = [[*QWEN_PL, "fit", *config, *words]]
    fit += [[*MODULE, "benchmarks.gpu_check", "--curves", "lightning_logs/qwen3_0_6b"]]
    yield [Section("fit, qwen3-0.6b, 8 windows of 4,096", fit, 95)]
    scratch = [*contenders, "--shape", "qwen_scratch", "--tokens", "1024", "--batch_size", "1"]
    yield [Section("qwen_scratch, windows of 1,024", [[*scratch, "16"]], 65)]


def test_files() -> list[str]:
    """The files that hold tests for a GPU, so that the others need not be read."""
    files = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    is_meant = re.compile(r"\bdevice\b|\bon_device\b|mark\.gpu")
    return [str(file) for file in files if is_meant.search(file.read_text(encoding="utf-8"))]


def hardware(device: str) -> dict[str, Any]:
    """What this machine is."""
    import torch

    facts: dict[str, Any] = {
        "cpu": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {},
    }
    for name in PACKAGES:
        try:
            facts["versions"][name] = version(name)
        except PackageNotFoundError:
            continue
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        facts["gpu"] = properties.name
        facts["gpu_memory_gb"] = round(properties.total_memory / 1e9, 1)
        facts["cuda"] = torch.version.cuda
        facts["cudnn"] = torch.backends.cudnn.version()
    return facts


class Running:
    """A section at work."""

    def __init__(self, section: Section, folder: Path, log: Path) -> None:
        self.section, self.folder, self.log = section, folder, log
        self.began = time.monotonic()
        self.commands = list(section.commands)
        self.taken: list[dict[str, Any]] = []
        self._stream = log.open("wb")
        self._next()

    def _next(self) -> None:
        self.command_began = time.monotonic()
        paths = [str(REPOSITORY), str(REPOSITORY / "tests/helpers")]
        paths += filter(None, [os.environ.get("PYTHONPATH")])
        is_pytest = "pytest" in self.commands[0]
        self.process = subprocess.Popen(
            self.commands[0],
            cwd=REPOSITORY if is_pytest else self.folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.DEVNULL,
            stdout=self._stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def is_over(self) -> bool:
        """Whether it has ended; starts its next command where one has."""
        code = self.process.poll()
        if code is None and time.monotonic() - self.began < self.section.seconds:
            return False
        if code is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        command = self.commands.pop(0)
        seconds = round(time.monotonic() - self.command_began, 1)
        words = " ".join(command[2:5])
        self.taken.append({"command": words, "seconds": seconds, "code": code})
        if code is None or not self.commands:
            return True
        self._next()
        return False

    def result(self) -> dict[str, Any]:
        """How it ended, and what it printed as JSON, line by line."""
        self._stream.close()
        text = self.log.read_text(encoding="utf-8", errors="replace")
        found: dict[str, Any] = {
            "passed": not self.commands and all(c["code"] == 0 for c in self.taken),
            "commands": self.taken,
        }
        lines = [line for line in text.splitlines() if line.startswith("{")]
        if lines:
            found["measured"] = [json.loads(line) for line in lines]
        told = re.findall(r"\b(PASSED|FAILED|ERROR) (tests/.+?)(?: - .*|\s*)$", text, re.MULTILINE)
        outcomes = {name: outcome for outcome, name in told}
        if outcomes:
            found["tests"] = {
                kind.lower(): sum(outcome == kind for outcome in outcomes.values())
                for kind in sorted(set(outcomes.values()))
            }
            bad = sorted(
                name for name, outcome in outcomes.items() if outcome in ("FAILED", "ERROR")
            )
            if bad:
                found["failed"] = bad
        return found


def check(device: str, out: Path, only: Sequence[str]) -> dict[str, Any]:
    """Does all sections, or those whose names begin with one of ``only``."""
    logs = out.parent / f"{out.stem}-logs"
    logs.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"device": device, "hardware": hardware(device), "sections": {}}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as name:
        folder = Path(name)
        (folder / "prompts.txt").write_text("It is a truth\nMr. Bingley\n")
        for together in sections(device):
            chosen = [s for s in together if not only or s.name.startswith(tuple(only))]
            running = [
                Running(s, folder, logs / f"{re.sub('[^a-z0-9_.]+', '-', s.name)}.log")
                for s in chosen
            ]
            waiting = list(running)
            while waiting:
                time.sleep(0.1)
                waiting = [one for one in waiting if not one.is_over()]
            for one in running:
                found = one.result()
                result["sections"][one.section.name] = found
                tail = f" {found['tests']}" if "tests" in found else ""
                print(
                    f"{'ok' if found['passed'] else 'BAD':<4}{one.section.name}{tail}", flush=True
                )
            result["seconds"] = round(time.monotonic() - began)
            out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def print_curves(run: Path) -> None:
    """Prints the speed of a run as a line of JSON, less that of its first steps, which compile."""
    import statistics

    from qwen_pl.training.monitoring.recorded import read_curves

    curves = read_curves(run)
    names = ("tokens_per_second", "mfu", "device_memory_gb", "data_wait", "train_loss")
    values = {name: [value for _, value in curves.get(name, [])[2:]] for name in names}
    print(json.dumps({n: round(statistics.median(v), 4) for n, v in values.items() if v}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=["cpu", "cuda"])
    parser.add_argument("--out", type=Path, default=Path("gpu-check.json"))
    parser.add_argument("--only", nargs="+", default=[], help="sections that begin so")
    parser.add_argument("--curves", type=Path, help="print those of a run, and do nothing else")
    options = parser.parse_args()
    if options.curves is not None:
        print_curves(options.curves)
        return
    result = check(options.device, options.out.absolute(), options.only)
    print(json.dumps(result))
    sys.exit(not all(section["passed"] for section in result["sections"].values()))


if __name__ == "__main__":
    main()
