"""Records the batches that training gets, in one process or in each of several."""

import json
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from quiet_trainer import quiet_trainer
from torch import Tensor

from qwen_pl.data.datamodule import PDFDataModule


class Recorder(pl.LightningModule):
    """Learns one number, and keeps the inputs that it gets: ``(batch_size, seq_len)`` each."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[Tensor] = []

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        self.seen.append(batch["input_ids"].clone())
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def record(data: dict[str, Any], steps: int, **trainer: Any) -> list[Tensor]:
    """The batches that this process gets in so many optimizer steps."""
    module = Recorder()
    quiet_trainer(
        max_steps=steps,
        use_distributed_sampler=False,
        check_val_every_n_epoch=None,
        limit_val_batches=0,
        **trainer,
    ).fit(module, datamodule=PDFDataModule(**data))
    return module.seen


def main() -> None:
    """Writes what this process gets to a folder; the command line gives that and the arguments."""
    folder, arguments = Path(sys.argv[1]), json.loads(sys.argv[2])
    batches = record(**arguments)
    rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
    torch.save(batches, folder / f"{rank}.pt")
