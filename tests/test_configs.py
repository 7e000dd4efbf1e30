"""The configs that come with the project."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from command_line import REPOSITORY, Outcome

from qwen_pl.model.config import Qwen3Config
from qwen_pl.run.reading import read_without_run

CONFIGS = sorted((REPOSITORY / "configs").glob("*.yaml"))


def memory_gb() -> float:
    """Physical memory in gigabytes, 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError):
        return 0.0


def test_the_three_configs_are_there() -> None:
    assert {path.stem for path in CONFIGS} >= {"tiny", "qwen_scratch", "qwen3_0_6b"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_parses_to_the_last_key(path: Path) -> None:
    _, parts = read_without_run(["--config", str(path)])
    assert parts.data.settings.recipe.source == "data/book.pdf"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_opens_with_its_purpose_its_cost_and_its_commands(path: Path) -> None:
    opening = path.read_text(encoding="utf-8").split("\ndata:")[0]
    assert all(line.startswith("#") for line in opening.splitlines())
    assert "Cost:" in opening
    for command in ("fit", "fit", "validate"):
        assert f"python -m qwen_pl {command} --config configs/{path.name}" in opening
    assert f"python -m qwen_pl generate --run {path.stem}" in opening


@pytest.mark.parametrize(
    ("name", "parameters"), [("qwen_scratch", 345_339_904), ("qwen3_0_6b", 596_049_920)]
)
def test_a_config_has_the_parameters_it_says(name: str, parameters: int) -> None:
    settings = yaml.safe_load((REPOSITORY / f"configs/{name}.yaml").read_text(encoding="utf-8"))
    vocab_size = settings["data"]["vocab_size"]
    config = Qwen3Config(vocab_size=vocab_size, **settings["model"]["config"])
    assert config.num_parameters() == parameters


@pytest.mark.skipif(memory_gb() < 14, reason="a step of 345 million parameters needs 9 GB free")
def test_qwen_scratch_takes_an_optimizer_step(
    qwen_pl: Callable[..., Outcome], folder: Path
) -> None:
    outcome = qwen_pl(
        "fit",
        *("--config", REPOSITORY / "configs/qwen_scratch.yaml"),
        *("--data.source", REPOSITORY / "data/book.pdf"),
        *("--trainer.fast_dev_run", "true", "--trainer.accelerator", "cpu"),
    )
    assert outcome.code == 0, outcome.err
    assert "345,356,288 parameters" in outcome.err  # the vocabulary is padded to 30,016
    assert "val_bits_per_byte" in outcome.out
