"""``predict`` writes what ``generate`` would write, in the order of the prompts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Outcome
from own_process import in_ranks
from small_networks import random_checkpoint

from qwen_pl.model.config import RopeScaling

PROMPTS = ["low lower", "né", "the end", "lowest", "all of it", "of all", "x"]
OPTIONS = ["--run", "rand", "--sampling.max_new_tokens", 9, "--sampling.temperature", 1.2]


@pytest.fixture
def root(folder: Path) -> Path:
    """A folder with a run of random weights and a file of prompts."""
    random_checkpoint(folder)
    (folder / "prompts.txt").write_text("\n\n".join(PROMPTS) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def predict(qwen_pl: Callable[..., Outcome], root: Path) -> Callable[..., Outcome]:
    def run(*args: object) -> Outcome:
        return qwen_pl("predict", *OPTIONS, "--trainer.accelerator", "cpu", *args)

    return run


def test_a_stretched_context_comes_from_the_checkpoint_too(folder: Path, qwen_pl) -> None:
    yarn = RopeScaling(factor=4.0, original_max_position_embeddings=16)
    random_checkpoint(folder, rope_scaling=yarn)
    (folder / "prompts.txt").write_text("low\n")
    outcome = qwen_pl("predict", *OPTIONS, "--data.prompts", "prompts.txt")
    assert outcome.code == 0, outcome.err


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_checkpoint_and_prompts_are_enough(predict, root: Path) -> None:
    outcome = predict("--data.prompts", "prompts.txt", "--data.batch_size", 3)
    assert outcome.code == 0, outcome.err
    written = lines(root / "lightning_logs/rand/predictions.jsonl")
    assert [line["prompt"] for line in written] == PROMPTS
    assert not (root / "data").exists()
    assert {line["finish_reason"] for line in written} <= {"stop", "length"}
    assert all(line["num_tokens"] <= 9 for line in written)


def test_a_completion_is_that_of_generate_with_the_same_seed(predict, qwen_pl, root: Path) -> None:
    predict("--data.prompts", "prompts.txt", "--sampling.seed", 7, "--data.batch_size", 4)
    line = lines(root / "lightning_logs/rand/predictions.jsonl")[2]
    options = ["--max_new_tokens", 9, "--temperature", 1.2, "--seed", 7]
    written = qwen_pl("generate", "--run", "rand", "--prompt", "the end", *options).out
    assert written == f"the end{line['completion']}\n"


def test_two_processes_write_the_file_of_one(predict, root: Path) -> None:
    given = ["--data.prompts", "prompts.txt", "--num_samples", 2, "--data.batch_size", 3]
    predict(*given, "--predictions", "one.jsonl")
    two = in_two_processes(root, *given, "--predictions", "deep/two.jsonl")
    assert [outcome.code for outcome in two] == [0, 0], two
    assert (root / "one.jsonl").read_bytes() == (root / "deep/two.jsonl").read_bytes()
    assert [(line["prompt"], line["sample"]) for line in lines(root / "one.jsonl")] == [
        (prompt, sample) for prompt in PROMPTS for sample in (0, 1)
    ]


def test_a_process_without_a_prompt_does_not_stop_the_other(root: Path) -> None:
    (root / "one.txt").write_text("alone\n")
    two = in_two_processes(root, "--data.prompts", "one.txt", "--predictions", "two.jsonl")
    assert [outcome.code for outcome in two] == [0, 0], two
    assert [line["prompt"] for line in lines(root / "two.jsonl")] == ["alone"]


def test_a_prompt_that_one_process_refuses_stops_both(root: Path) -> None:
    (root / "long.txt").write_text("low\n" + "low " * 40 + "\n")
    stop = ["--sampling.when_full", "stop", "--data.prompts", "long.txt"]
    two = in_two_processes(root, *stop)
    assert [outcome.code for outcome in two] == [2, 2], two
    assert "the longest context is 32" in two[0].err
    assert not any("Traceback" in outcome.err for outcome in two)


def in_two_processes(root: Path, *args: object) -> list[Outcome]:
    devices = ["--trainer.accelerator", "cpu", "--trainer.devices", 2, "--trainer.strategy", "ddp"]
    return in_ranks(["predict", *OPTIONS, *devices, *args], root)


def test_prompts_of_several_lines_come_from_jsonl(predict, root: Path) -> None:
    prompts = ["low\nlower\u2028", "", "né"]
    (root / "p.jsonl").write_text("\n".join(json.dumps({"prompt": p}) for p in prompts))
    assert predict("--data.prompts", "p.jsonl").code == 0
    written = lines(root / "lightning_logs/rand/predictions.jsonl")
    assert [line["prompt"] for line in written] == prompts


def test_sampling_settings_reach_the_text(predict, root: Path) -> None:
    texts = []
    for changed in ([], ["--sampling.temperature", 0], ["--sampling.stop", '["o", "e"]']):
        predict("--data.prompts", "prompts.txt", *changed)
        written = lines(root / "lightning_logs/rand/predictions.jsonl")
        texts.append([line["completion"] for line in written])
    assert texts[0] != texts[1] != texts[2] != texts[0]
    assert not any("o" in text or "e" in text for text in texts[2])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.txt", None, ["no such file: none.txt"]),
        ("lightning_logs", None, ["lightning_logs cannot be read"]),
        ("empty.txt", b"\n \n", ["no prompt in empty.txt"]),
        ("latin.txt", b"caf\xe9\n", ["latin.txt is not UTF-8 at byte 3"]),
        ("bad.jsonl", b'{"prompt": "x"}\n{"prompt"\n', ["line 2 of bad.jsonl is not JSON"]),
        ("other.jsonl", b'{"text": "x"}\n', ["line 1 of other.jsonl has no prompt"]),
        ("list.jsonl", b"[1]\n", ["line 1 of list.jsonl has no prompt"]),
    ],
)
def test_a_file_that_gives_no_prompts_is_told_in_one_line(
    predict, root: Path, name, content, words
) -> None:
    if content is not None:
        (root / name).write_bytes(content)
    refuses(predict("--data.prompts", name), *words)
    assert not (root / "lightning_logs/rand/predictions.jsonl").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--sampling.temperature", "-1"], ["temperature is -1"]),
        (["--sampling.temprature", "1"], ["sampling.temprature", "sampling.temperature?"]),
        (["--num_samples", "0"], ["num_samples is 0"]),
        (["--predictions", "lightning_logs"], ["lightning_logs is a folder"]),
        (["--predictions", "prompts.txt"], ["would write over the prompts"]),
        (["--ckpt_path", "none.ckpt"], ["no checkpoint none.ckpt"]),
        (["--sampling.when_full", "stop"], ["the longest context is 32"]),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_in_one_line(
    predict, root: Path, args, words
) -> None:
    with (root / "prompts.txt").open("a", encoding="utf-8") as file:
        file.write("low " * 40 + "\n")
    refuses(predict("--data.prompts", "prompts.txt", *args), *words)
    assert len((root / "prompts.txt").read_text(encoding="utf-8").split()) > 40


def refuses(outcome: Outcome, *words: str) -> None:
    assert outcome.code == 2
    last = outcome.err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert all(word in last for word in words), last
