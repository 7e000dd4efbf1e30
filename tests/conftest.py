"""What many tests need: a small PDF, a small run, and the command line called in this process."""

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import yaml
from pdf_writer import write_pdf

from qwen_pl.__main__ import main

REPOSITORY = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def made_up_pages(count: int, seed: int = 0) -> list[list[str]]:
    """Pages of 30 lines of made-up words, enough for a tokenizer to learn from."""
    chooser = random.Random(seed)
    syllables = ["ba", "ne", "tol", "ri", "sum", "ka", "veth", "o", "lin", "dra"]
    words = ["".join(chooser.choices(syllables, k=chooser.randint(1, 3))) for _ in range(150)]

    def line() -> str:
        return " ".join(chooser.choices(words, k=10)).capitalize() + "."

    return [[line() for _ in range(30)] for _ in range(count)]


@pytest.fixture(scope="session")
def small_pdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "small.pdf"
    write_pdf(path, made_up_pages(8))
    return path


@pytest.fixture
def small_data(small_pdf: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Data settings for the small PDF, which is prepared once for all tests."""
    cache_dir = str(tmp_path_factory.getbasetemp() / "cache")
    return {"source": str(small_pdf), "cache_dir": cache_dir, "vocab_size": 320}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def config(folder: Path, small_data: dict[str, Any]) -> Path:
    """The config of a run of twelve steps that takes a second."""
    settings = {
        "data": small_data | {"seq_len": 24, "batch_size": 3},
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
        "checkpoint": {"every_n_train_steps": 5},
        "trainer": {
            "max_steps": 12,
            "val_check_interval": 4,
            "log_every_n_steps": 2,
            "accelerator": "cpu",
            "limit_val_batches": 3,
        },
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


class Outcome(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def qwen_pl(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Runs ``python -m qwen_pl ARGS...`` in this process."""

    def run(*args: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["qwen_pl", *map(str, args)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        return Outcome(code, *capfd.readouterr())

    return run
