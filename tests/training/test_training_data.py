"""Training asks of data only what its Protocol says, and the datamodule has all of it."""

import ast
import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qwen_pl.data.datamodule import PDFDataModule
from qwen_pl.training import training_data as room
from qwen_pl.training.training_data import (
    CountingLoader,
    Passage,
    Tokens,
    TrainingData,
    WindowSettings,
    data_or_none,
    training_data,
)

TRAINING = Path(room.__file__).parent
FILES = sorted(TRAINING.rglob("*.py"))


@pytest.fixture
def data(small_data: dict[str, Any]) -> PDFDataModule:
    data = PDFDataModule(**small_data, seq_len=24, batch_size=3)
    data.prepare_data()
    data.setup("fit")
    return data


def members(protocol: type) -> dict[str, Any]:
    named = {**protocol.__annotations__, **vars(protocol)}
    return {name: member for name, member in named.items() if not name.startswith("_")}


def test_the_datamodule_has_all_that_training_asks_for(data: PDFDataModule) -> None:
    assert isinstance(data, TrainingData)
    for name, member in members(TrainingData).items():
        if inspect.isfunction(member):
            asked, given = (inspect.signature(f) for f in (member, getattr(PDFDataModule, name)))
            assert [*asked.parameters] == [*given.parameters], name
    [passage, *_] = data.passages_of(2)
    for part, protocol in (
        (data.settings, WindowSettings),
        (data.tokens, Tokens),
        (passage, Passage),
        (data.train_dataloader(), CountingLoader),
    ):
        assert all(hasattr(part, name) for name in members(protocol)), protocol


def test_what_is_asked_of_the_datamodule_has_the_type_that_is_said(data: PDFDataModule) -> None:
    settings, [passage, *_] = data.settings, data.passages_of(2)
    numbers = [settings.batch_size, settings.seq_len, settings.stride, settings.seed]
    assert all(type(x) is int for x in [*numbers, data.train_tokens, passage.first_page])
    assert all(type(x) is str for x in (data.tokens.fingerprint, data.describe(), passage.source))
    assert (data.tokenizer_dir / "tokenizer.json").is_file()
    assert data.tokens.folder.is_dir()
    assert data.tokenizer.get_vocab_size() == 320
    assert data.reference_fingerprint is None


def test_openings_are_those_of_passages_held_out(data: PDFDataModule) -> None:
    openings = data.held_out_openings(3, 5)
    begins = [first for first, _ in data.tokens.split("val")]
    held_out = [data.tokens.tokens[first : first + 5].tolist() for first in begins]
    assert openings and all(opening in held_out for opening in openings)
    assert len(openings) <= 3


@pytest.mark.parametrize("other", [None, SimpleNamespace(settings=None)])
def test_a_callback_that_needs_data_says_so(other: object) -> None:
    trainer: Any = SimpleNamespace(datamodule=other)
    assert data_or_none(trainer) is None
    with pytest.raises(TypeError, match="needs a datamodule that is TrainingData"):
        training_data(trainer)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(TRAINING)))
def test_training_looks_at_the_datamodule_in_one_place(file: Path) -> None:
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    assert ("datamodule" in names) == (file == TRAINING / "training_data.py")
