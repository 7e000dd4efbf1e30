"""What training asks of data, whoever prepares them."""

from typing import Any, Protocol


class TrainingData(Protocol):
    """What the training room needs of a datamodule; ``PDFDataModule`` has it."""

    settings: Any
