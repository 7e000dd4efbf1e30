"""Writes what ``predict`` gives to a file, one JSON object a line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch.distributed as dist
from lightning.pytorch.callbacks import BasePredictionWriter

from qwen_pl.files import write_text


class PredictionWriter(BasePredictionWriter):
    """Gathers the predictions of all processes and writes them as JSONL in the data's order."""

    def __init__(self, path: Path) -> None:
        super().__init__(write_interval="epoch")
        self.path = path

    def write_on_epoch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        predictions: Sequence[Any],
        batch_indices: Sequence[Any],
    ) -> None:
        shares = [list(predictions)]
        if trainer.world_size > 1:
            shares = [[] for _ in range(trainer.world_size)]
            dist.all_gather_object(shares, list(predictions))
        # Process r holds the items r, r + world_size, ...
        longest = max(map(len, shares))
        lines = [share[i] for i in range(longest) for share in shares if i < len(share)]
        if trainer.is_global_zero:
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            write_text(self.path, text)
            print(f"{len(lines)} completions -> {self.path}")
