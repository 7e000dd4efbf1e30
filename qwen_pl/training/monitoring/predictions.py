"""Writes what ``predict`` gives to a file, one JSON object a line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch.distributed as dist
from lightning.pytorch.callbacks import BasePredictionWriter

from qwen_pl.files import write_text

LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}
"""Letters that JSON may hold as they are, but at which some readers would end a line."""


class PredictionWriter(BasePredictionWriter):
    """Gathers the predictions of all processes and writes them as JSONL, in the prompts' order.

    A prediction is a batch: for each of its prompts the lines to write.
    """

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
        mine = [lines for batch in predictions for lines in batch]
        shares = [mine]
        if trainer.world_size > 1:
            shares = [[] for _ in range(trainer.world_size)]
            dist.all_gather_object(shares, mine)
        # Process r holds the prompts r, r + world_size, ..., and for each its lines.
        longest = max(map(len, shares))
        prompts = [share[i] for i in range(longest) for share in shares if i < len(share)]
        lines = [line for lines_of_prompt in prompts for line in lines_of_prompt]
        if trainer.is_global_zero:
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            write_text(self.path, text.translate(LINE_ENDS))
            print(f"{len(lines)} completions -> {self.path}")
