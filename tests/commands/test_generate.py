"""What ``generate`` prints, and how its prompt loop answers."""

import io
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import REPOSITORY, Outcome, Run
from own_process import SECONDS, OwnProcess
from small_networks import random_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of random weights, which writes of its own accord."""
    return random_checkpoint(tmp_path_factory.mktemp("run"))


@pytest.fixture
def generate(
    qwen_pl: Run, checkpoint: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    def run(*args: object, stdin: bytes | None = None) -> Outcome:
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        options = ["--ckpt_path", checkpoint, "--seed", 5, "--temperature", 1.2]
        return qwen_pl("generate", *options, "--max_new_tokens", 20, *args)

    return run


def test_only_the_text_goes_to_stdout(generate, checkpoint: Path) -> None:
    outcome = generate("--prompt", "low lower")
    assert outcome.code == 0
    assert outcome.out.startswith("low lower")
    assert len(outcome.out) > 20
    assert outcome.err == f"{checkpoint}:\n"


@pytest.mark.parametrize("args", [(), ("--prompt", "-")])
def test_a_prompt_can_be_piped_in(generate, args) -> None:
    expected = generate("--prompt", "né\n lower").out
    assert generate(*args, stdin="né\n lower\n".encode()).out == expected


def test_samples_stand_under_headings_and_are_numbered(generate) -> None:
    one = generate("--prompt", "low").out
    out = generate("--prompt", "low", "--num_samples", 3).out
    parts = out.split("--- ")[1:]
    assert [part.split(" ---\n")[0] for part in parts] == ["1 of 3", "2 of 3", "3 of 3"]
    texts = [part.split(" ---\n")[1].rstrip("\n") for part in parts]
    assert texts[0] == one.rstrip("\n")
    assert len(set(texts)) == 3
    assert all(text.startswith("low") for text in texts)


def test_several_stop_strings_cut_the_text(generate) -> None:
    written = generate("--prompt", "low").out.removeprefix("low").rstrip("\n")
    options = ["--stop", "never in it", "--stop", written[6:9]]
    cut = generate("--prompt", "low", *options).out
    assert cut == "low" + written[: written.index(written[6:9])] + "\n"


def test_every_setting_reaches_the_text(generate) -> None:
    plain = generate("--prompt", "low").out
    for changed in (
        ["--min_p", 0.9],
        ["--repetition_penalty", 5],
        ["--top_k", 1],
        ["--top_p", 0.01],
        ["--temperature", 0],
        ["--seed", 6],
        ["--max_new_tokens", 3],
    ):
        assert generate("--prompt", "low", *changed).out != plain, changed


def test_a_full_context_slides_or_stops_as_asked(generate) -> None:
    prompt = ["--prompt", "low" * 12, "--max_new_tokens", 60, "--temperature", 0]
    slid, stopped = generate(*prompt), generate(*prompt, "--when_full", "stop")
    assert slid.out.startswith(stopped.out.rstrip("\n"))
    assert len(slid.out) > len(stopped.out)
    too_long = generate("--prompt", "low" * 99, "--when_full", "stop")
    assert too_long.code == 2
    assert "99 tokens, the longest context is 32" in too_long.err
    assert generate("--prompt", "low" * 99).code == 0


@pytest.mark.parametrize(
    ("args", "stdin", "words"),
    [
        ([], b"", ["--prompt"]),
        ([], b"\xff", ["stdin", "not UTF-8", "byte 0"]),
        (["--prompt", "a\udcff"], None, ["half a character"]),
        (["--prompt", "x", "--stop", ""], None, ["stop", "empty"]),
        (["--prompt", "x", "--num_samples", "0"], None, ["num_samples is 0"]),
        (["--prompt", "x", "--min_p", "2"], None, ["min_p is 2"]),
        (["--prompt", "x", "--repetition_penalty", "0"], None, ["repetition_penalty is 0"]),
        (["--prompt", "x", "--when_full", "burst"], None, ["--when_full", "burst", "slide"]),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(generate, args, stdin, words) -> None:
    outcome = generate(*args, stdin=stdin)
    assert (outcome.code, outcome.out) == (2, "")
    assert all(word in outcome.err for word in words)
    assert outcome.err.splitlines()[-1].startswith("error: ")


def test_a_reader_that_goes_away_ends_it_quietly(checkpoint: Path) -> None:
    command = f"{sys.executable} -m qwen_pl generate --ckpt_path {checkpoint} --prompt x"
    ended = subprocess.run(
        f"{command} --max_new_tokens 3000 --seed 2 | head -c 9",
        shell=True,
        cwd=REPOSITORY,
        capture_output=True,
    )
    assert len(ended.stdout) == 9
    assert ended.stderr.decode() == f"{checkpoint}:\n"


class Terminal:
    """A ``generate`` that thinks a person is at its keyboard."""

    def __init__(self, checkpoint: Path, state: Path, *args: object) -> None:
        import pty

        self.master, slave = pty.openpty()
        words = ["generate", "--ckpt_path", checkpoint, "--seed", 5, "--max_new_tokens", 20, *args]
        environment = {"XDG_STATE_HOME": str(state), "TERM": "dumb"}
        self.process = OwnProcess(words, state, environment=environment, terminal=os.ttyname(slave))
        self.until("> ")
        os.close(slave)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def say(self, line: str) -> str:
        """Types a line and returns what comes up to the next prompt sign."""
        self.type(line + "\r")
        return self.until("> ")

    def until(self, end: str, seconds: float = SECONDS) -> str:
        shown, last = b"", time.monotonic() + seconds
        while not shown.endswith(end.replace("\n", "\r\n").encode()):
            ready, _, _ = select.select([self.master], [], [], max(0, last - time.monotonic()))
            assert ready, f"nothing more than {shown!r}"
            shown += os.read(self.master, 1)  # not beyond the end, however much is there
        return shown.decode(errors="replace").replace("\r\n", "\n")

    def close(self) -> int:
        self.type("\x04")
        code = self.process.end().code
        os.close(self.master)
        return code


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_the_loop_writes_changes_settings_and_outlives_ctrl_c(
    checkpoint: Path, tmp_path: Path
) -> None:
    terminal = Terminal(checkpoint, tmp_path)
    first = terminal.say("low lower")
    assert first.count("low lower") == 2  # as typed, and at the head of the text
    assert first == terminal.say("low lower")
    assert "/temperature 0.8" in terminal.say("/settings")
    terminal.say("/temperature 0")
    assert terminal.say("low lower") != first
    assert "temperature is -1" in terminal.say("/temperature -1")
    assert "not a number" in terminal.say("/top_k many")
    assert "/nonsense is not known" in terminal.say("/nonsense 3")
    assert "/settings" in terminal.say("/help")
    assert "3 of 3" in (terminal.say("/num_samples 3") + terminal.say("low"))

    terminal.say("/max_new_tokens 1000000")
    terminal.say("/num_samples 1000")
    terminal.type("endless\r")
    terminal.until("--- 2 of 1000 ---\nendless")
    terminal.type("\x03")
    assert "--- 999 of 1000 ---" not in terminal.until("\n> ")
    terminal.say("/num_samples 1")
    terminal.say("/max_new_tokens 5")
    assert "low" in terminal.say("low")
    assert terminal.close() == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no readline")
def test_the_up_arrow_brings_back_what_an_earlier_loop_was_asked(
    checkpoint: Path, tmp_path: Path
) -> None:
    pytest.importorskip("readline")
    terminal = Terminal(checkpoint, tmp_path)
    terminal.say("lowest of all")
    assert terminal.close() == 0
    assert "lowest of all" in (tmp_path / "qwen_pl/prompts").read_text()
    terminal = Terminal(checkpoint, tmp_path)
    assert terminal.say("\x1b[A").count("lowest of all") == 2
    assert terminal.close() == 0
