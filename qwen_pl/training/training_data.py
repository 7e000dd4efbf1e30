"""What training asks of data, whoever prepares them: of the datamodule, and of its loader."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import lightning.pytorch as pl
from tokenizers import Tokenizer


class WindowSettings(Protocol):
    """How windows are cut and dealt: ``batch_size`` of them at a time to each process."""

    batch_size: int
    seq_len: int
    stride: int
    seed: int


class Tokens(Protocol):
    """The tokens that windows are cut from; the same ones have the same fingerprint anywhere."""

    folder: Path
    fingerprint: str


class Passage(Protocol):
    """Neighbouring tokens of one document: the file, and its first and last page, from 1."""

    source: str
    first_page: int
    last_page: int


@runtime_checkable
class TrainingData(Protocol):
    """What callbacks ask of the datamodule, once it is set up; ``PDFDataModule`` has all of it."""

    settings: WindowSettings
    tokens: Tokens
    train_tokens: int
    """How many of them are trained on."""
    tokenizer: Tokenizer
    tokenizer_dir: Path
    """Where its ``tokenizer.json`` lies."""
    reference_fingerprint: str | None
    """That of the tokens of the reference text; None where no such text is measured."""

    def held_out_openings(self, count: int, length: int) -> list[list[int]]:
        """The first ``length`` tokens of up to ``count`` passages that are not trained on."""

    def passages_of(self, sample: int) -> Sequence[Passage]:
        """Where the window comes from that training takes as its ``sample``, from 0."""

    def describe(self) -> str:
        """What is trained on, as Markdown."""


@runtime_checkable
class CountingLoader(Protocol):
    """What callbacks ask of the loader of training batches."""

    samples_seen: int
    """Samples of all processes that were handed out so far, the last batch included."""
    seconds_waited: float
    """How long this process has waited for batches so far."""


def training_data(trainer: pl.Trainer) -> TrainingData:
    """The datamodule that a Trainer was given.

    Raises:
        TypeError: If it was given none, or one that lacks something.
    """
    data = data_or_none(trainer)
    if data is None:
        raise TypeError("a callback needs a datamodule that is TrainingData, such as PDFDataModule")
    return data


def data_or_none(trainer: pl.Trainer) -> TrainingData | None:
    """The same for those that do without: None where a Trainer was given loaders alone."""
    data = getattr(trainer, "datamodule", None)
    return data if isinstance(data, TrainingData) else None


def check_same_data(trainer: pl.Trainer, checkpoint: dict[str, Any]) -> None:
    """Lets the datamodule, if there is one, refuse a checkpoint of other data."""
    data = getattr(trainer, "datamodule", None)
    if data is not None and (state := checkpoint.get(type(data).__qualname__)):
        data.load_state_dict(state)


def samples_seen(trainer: pl.Trainer) -> int:
    """How many samples the run has begun on; 0 with a loader that does not count them."""
    loader = trainer.train_dataloader
    return loader.samples_seen if isinstance(loader, CountingLoader) else 0


def seconds_waited(trainer: pl.Trainer) -> float:
    """Seconds that this process has waited for batches; 0 of a loader that does not count them."""
    loader = trainer.train_dataloader
    return loader.seconds_waited if isinstance(loader, CountingLoader) else 0.0
