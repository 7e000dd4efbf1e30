"""Whatever a name leads to, and whatever is in it, ends in one line and code 2, or it works."""

import os
import re
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import Outcome, Run, complains
from own_process import in_own_process

Words = Callable[[str], list[str]]
"""The words of a command, with a name in the place of one of them."""

COMMAND = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What no terminal is to get of a name; a new line and a tab stand between words of ours."""

HOSTILE = "a\x1b[31m\x1b]0;owned\x07\x9b2J\n\u202eb\x7f"

CONFIG = ["--config", "small.yaml"]
WRITE = ["generate", "--prompt", "Bane", "--max_new_tokens", "1"]
LONG = "n" * 300
KINDS = ("pipe", LONG, HOSTILE, "circle", "file/in it", os.fsdecode(b"caf\xe9"))
PLACES = ("file", "circle", LONG, "pipe", "to nothing")
SLOW = ("check-resume", "fit", "plot-schedule", "predict", "prepare", "validate")
"""Verbs that take a third of a second to read a config, and so get three of the names."""
READ: dict[str, Words] = {
    "extract": lambda name: ["extract", "--", name],
    "train-tokenizer": lambda name: ["train-tokenizer", "--", name],
    "prepare --config": lambda name: ["prepare", f"--config={name}"],
    "fit --config": lambda name: ["fit", f"--config={name}"],
    "plot-schedule --config": lambda name: ["plot-schedule", f"--config={name}"],
    "check-resume --config": lambda name: ["check-resume", f"--config={name}"],
    "check-resume --folder": lambda name: ["check-resume", *CONFIG, f"--folder={name}/none"],
    "locate --config": lambda name: ["locate", "--text=Bane", f"--config={name}"],
    "locate --run": lambda name: ["locate", "--step=1", f"--run={name}"],
    "data.source": lambda name: ["fit", *CONFIG, f"--data.source={name}"],
    "data.tokenizer": lambda name: ["fit", *CONFIG, f"--data.tokenizer={name}"],
    "data.reference_text": lambda name: ["fit", *CONFIG, f"--data.reference_text={name}"],
    "data.prompts": lambda name: ["predict", *CONFIG, f"--data.prompts={name}"],
    "model.from_pretrained": lambda name: ["fit", *CONFIG, f"--model.from_pretrained={name}"],
    "fit --ckpt_path": lambda name: ["fit", *CONFIG, f"--ckpt_path={name}"],
    "validate --ckpt_path": lambda name: ["validate", *CONFIG, f"--ckpt_path={name}"],
    "generate --ckpt_path": lambda name: [*WRITE, f"--ckpt_path={name}"],
    "generate --run": lambda name: [*WRITE, f"--run={name}"],
    "generate --tokenizer": lambda name: [*WRITE, f"--tokenizer={name}"],
    "export --ckpt_path": lambda name: ["export", "--out=export", f"--ckpt_path={name}"],
    "inspect --ckpt_path": lambda name: ["inspect", f"--ckpt_path={name}"],
    "inspect --run": lambda name: ["inspect", f"--run={name}"],
    "serve --ckpt_path": lambda name: ["serve", "--port=0", f"--ckpt_path={name}"],
    "tokenize --tokenizer": lambda name: ["tokenize", "Bane", f"--tokenizer={name}"],
    "consolidate": lambda name: ["consolidate", "--", name, "out.ckpt"],
}
WRITTEN: dict[str, Words] = {
    "extract --out": lambda name: ["extract", "notes.txt", f"--out={name}/notes"],
    "extract --cache_dir": lambda name: ["extract", "notes.txt", f"--cache_dir={name}"],
    "train-tokenizer --out": lambda name: ["train-tokenizer", "notes.txt", f"--out={name}/new"],
    "prepare cache_dir": lambda name: ["prepare", *CONFIG, f"--data.cache_dir={name}"],
    "fit cache_dir": lambda name: ["fit", *CONFIG, f"--data.cache_dir={name}"],
    "fit --run": lambda name: ["fit", *CONFIG, f"--run={name}/x"],
    "default_root_dir": lambda name: ["fit", *CONFIG, f"--trainer.default_root_dir={name}"],
    "save_dir": lambda name: [
        *("fit", *CONFIG, "--trainer.logger=CSVLogger"),
        f"--trainer.logger.save_dir={name}",
    ],
    "plot-schedule --out": lambda name: ["plot-schedule", *CONFIG, f"--out={name}/picture.svg"],
}
VALUES: dict[str, Words] = {
    "verb": lambda name: [name],
    "option": lambda name: ["inspect", f"--{name}"],
    "option of fit": lambda name: ["fit", *CONFIG, f"--{name}=1"],
    "number": lambda name: ["fit", *CONFIG, f"--trainer.max_steps={name}"],
    "choice": lambda name: ["fit", *CONFIG, f"--trainer.precision={name}"],
    "logger": lambda name: ["fit", *CONFIG, f"--trainer.logger={name}"],
    "accelerator": lambda name: ["fit", *CONFIG, f"--trainer.accelerator={name}"],
    "architecture": lambda name: ["fit", *CONFIG, f"--model.architecture={name}"],
    "fit --run": lambda name: ["fit", *CONFIG, f"--run={name}"],
    "temperature": lambda name: [*WRITE, f"--temperature={name}"],
    "reader": lambda name: ["extract", "notes.txt", f"--reader={name}"],
    "cluster": lambda name: ["prepare", *CONFIG, f"--cluster={name}"],
    "format": lambda name: ["export", "--out=export", f"--format={name}"],
    "picture": lambda name: ["plot-schedule", *CONFIG, f"--out={name}"],
    "host": lambda name: ["serve", f"--host={name}"],
    "sentence": lambda name: ["locate", "--config=small.yaml", f"--text={name}"],
}


@pytest.fixture
def places(config: Path, folder: Path) -> Iterator[Path]:
    """A folder with something of every kind that a name can lead to."""
    (folder / "notes.txt").write_text("Some notes of the day.\n\nAnd more of them.\n")
    (folder / "file").write_text("kept")
    (folder / "folder").mkdir()
    (folder / "folder/file").write_text("kept")
    (folder / "to nothing").symlink_to("nothing")
    (folder / "circle").symlink_to("second")
    (folder / "second").symlink_to("circle")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        yield folder
    assert (folder / "file").read_text() == (folder / "folder/file").read_text() == "kept"
    assert not [*folder.rglob("*.tmp-*")]


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """Ends a test that waits for a pipe, which is what it is to find."""
    signal.signal(signal.SIGALRM, lambda number, frame: pytest.fail("it waits"))
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.mark.parametrize("words", READ.values(), ids=READ)
def test_what_cannot_be_read_is_named_in_one_line(qwen_pl: Run, places: Path, words: Words) -> None:
    for name in KINDS[:3] if words("")[0] in SLOW else KINDS:
        refuses(qwen_pl(*words(name)))


def test_what_else_cannot_be_read_is_named_too(qwen_pl: Run, places: Path) -> None:
    for verb in ("extract", "generate --ckpt_path", "tokenize --tokenizer", "consolidate"):
        for name in ("socket", "/dev/zero", "to nothing", "", "~nobody-here", "-x"):
            refuses(qwen_pl(*READ[verb](name)))


@pytest.mark.parametrize("words", WRITTEN.values(), ids=WRITTEN)
def test_where_nothing_can_be_written_is_named_in_one_line(
    qwen_pl: Run, places: Path, words: Words
) -> None:
    for name in PLACES[:3] if words("")[0] in SLOW else PLACES:
        refuses(qwen_pl(*words(name)))


def test_a_file_where_the_cache_would_be_is_not_to_be_taken_apart(
    qwen_pl: Run, places: Path
) -> None:
    outcome = qwen_pl(*WRITTEN["extract --cache_dir"]("file"))
    complains(outcome, "the cache cannot be written: file is there and is no folder")


@pytest.mark.parametrize("words", VALUES.values(), ids=VALUES)
def test_a_value_that_is_refused_commands_no_terminal(
    qwen_pl: Run, places: Path, words: Words
) -> None:
    refuses(qwen_pl(*words(HOSTILE)))


def refuses(outcome: Outcome) -> None:
    complains(outcome)
    assert not COMMAND.search(outcome.out + outcome.err)


def test_names_that_command_a_terminal_work_and_are_shown_as_escapes(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    odd = folder / HOSTILE
    odd.mkdir()
    (odd / "notes\x1b[2J.txt").write_text("Some notes.\n")
    (odd / "bad\x1b[2J.pdf").write_text("no PDF")
    for words in (
        ["extract", odd, "--out", odd / "texts", "--cache_dir", odd / "cache"],
        ["extract", odd, "--cache_dir", odd / "cache"],
        ["plot-schedule", *CONFIG, "--out", odd / "x.svg"],
        ["fit", *CONFIG, "--trainer.default_root_dir", odd, "--trainer.max_steps", 1],
        ["inspect", "--ckpt_path", odd / "lightning_logs/small/checkpoints/step=00000001.ckpt"],
        ["prepare", *CONFIG, "--data.cache_dir", odd / "cache"],
    ):
        outcome = qwen_pl(*words)
        assert outcome.code == 0, outcome.err
        assert not COMMAND.search(outcome.out + outcome.err.replace("\r", ""))
    assert r"\x1b[2J" in qwen_pl("extract", odd, "--cache_dir", odd / "cache").err


def test_a_pipe_is_not_replaced_by_what_is_written(
    qwen_pl: Run, places: Path, config: Path
) -> None:
    assert qwen_pl("fit", *CONFIG, "--trainer.max_steps", 1).code == 0
    (places / "prompts.txt").write_text("Bane\n")
    for name in ("pipe", "folder", "circle", LONG):
        options = ["--data.prompts", "prompts.txt", "--predictions", name]
        refuses(qwen_pl("predict", *CONFIG, *options))
    assert (places / "pipe").is_fifo()


WITHOUT_RIGHTS = """
from benchmarks.damaging import hindered
from qwen_pl.__main__ import main
with hindered():
    main()
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has other permissions")
def test_what_may_not_be_written_or_read_is_named(places: Path, config: Path) -> None:
    (places / "cache").mkdir()
    for name in ("folder", "cache"):
        (places / name).chmod(0o500)
    (places / "notes.txt").chmod(0)
    for words, name in (
        (["extract", "small.yaml", "notes.txt"], "small.yaml"),
        (["extract", "notes.txt"], "notes.txt"),
        (["prepare", *CONFIG, "--data.cache_dir=cache"], "the cache cannot be written: cache"),
        (["fit", *CONFIG, "--trainer.default_root_dir=folder"], "folder"),
        (["plot-schedule", *CONFIG, "--out=folder/x.svg"], "folder/x.svg"),
        (["train-tokenizer", "file", "--out=folder/new"], "file"),
    ):
        complains(in_own_process(words, places, program=WITHOUT_RIGHTS), name)


FULL = """
import io, resource, sys
from qwen_pl.__main__ import main
limit, sys.stderr, own = int(sys.argv.pop(1)), io.StringIO(), sys.stderr
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    main()
finally:  # what is printed goes to a file too
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    own.write(sys.stderr.getvalue())
"""
"""No file may be larger, which the system tells in the same way as that a disk is full."""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="Windows has no such limit")
@pytest.mark.parametrize("num_proc", [1, 2])
def test_a_full_cache_is_told_as_that_and_the_same_command_goes_on(
    config: Path, small_pdf: Path, num_proc: int
) -> None:
    folder = config.parent
    (folder / "many.txt").write_text("Some words of a day.\n\n" * 900)
    options = [f"--data.source=[{small_pdf}, many.txt]", f"--data.num_proc={num_proc}"]
    words = ["prepare", *CONFIG, *options, "--data.cache_dir=cache"]
    told = set()
    for size in (100, 1_000, 3_000, 6_000, 12_000):
        outcome = in_own_process([size, *words], folder, program=FULL)
        complains(outcome, "no file may be as large", "make room", f"{folder}/cache/")
        told.add(re.search(r"/cache/(\w+)", outcome.err)[1])
    assert len(told) > 1
    outcome = in_own_process(words, folder)
    assert outcome.code == 0, outcome.err
    assert "crashed" not in outcome.out
    assert not [*(folder / "cache").rglob("*.tmp-*")]  # of another process that was at work
