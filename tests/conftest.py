"""What many tests need: a small PDF, a small run, and the command line called in this process."""

import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import Outcome, Run
from event_files import name_by_nanosecond
from pdf_writer import made_up_pages, write_pdf

from qwen_pl.__main__ import main

# In the background of a shell Ctrl-C is ignored, here and in all that is started from here.
signal.signal(signal.SIGINT, signal.default_int_handler)
name_by_nanosecond()
# No test asks the network; without this, one that forgets it waits until the Hub is given up.
os.environ["HF_HUB_OFFLINE"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session", params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """What holds on a CPU and has to hold on a GPU too."""
    return torch.device(request.param)


@pytest.fixture
def on_device(device: torch.device) -> list[str]:
    """The options of a run on it."""
    return ["--trainer.accelerator", "gpu" if device.type == "cuda" else "cpu"]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    """Leaves out what torch cannot do on a CPU that ATEN_CPU_CAPABILITY makes less than it is."""
    try:
        return (yield)
    except RuntimeError as error:
        if "ATEN_CPU_CAPABILITY" in os.environ and "pack_vnni2 is only supported" in str(error):
            pytest.skip("torch's attention in bfloat16 asks the CPU itself what it can")
        raise


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


@pytest.fixture
def qwen_pl(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
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
