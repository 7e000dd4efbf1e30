"""How ``predict`` is told what to complete, how it completes it, and how that is written."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch.distributed as dist
from jsonargparse import Namespace
from lightning.pytorch.callbacks import BasePredictionWriter

from qwen_pl.data.batches.loader import read_prompts
from qwen_pl.data.datamodule import PDFDataModule
from qwen_pl.errors import InputError
from qwen_pl.files import check_place, write_text
from qwen_pl.generation.sampling import Sampling
from qwen_pl.generation.writer import Writer, samples_of
from qwen_pl.terminal import tell
from qwen_pl.training.checkpoints.checkpoint import load_facts
from qwen_pl.training.module import Complete

LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}
"""Letters that JSON may hold as they are, but at which some readers would end a line."""


def predictions_file(config: Namespace, run_dir: Path) -> Path:
    """Where the completions go.

    Raises:
        InputError: If there are no prompts, or nothing can be written there.
    """
    read_prompts(config.data.prompts)  # told now, and not when all is loaded
    file = Path(config.predictions or run_dir / "predictions.jsonl")
    if file.is_dir():
        raise InputError(f"--predictions {file} is a folder: give a file")
    check_place(file)
    if file.resolve() == Path(config.data.prompts).resolve():
        raise InputError(f"--predictions {file} would write over the prompts")
    return file


def settings_of_checkpoint(config: Namespace) -> dict[str, Any]:
    """What it takes to write comes from the checkpoint, by the names of the settings it replaces.

    A config of ``predict`` need not repeat it.
    """
    settings: dict[str, Any] = {"model.from_pretrained": None}
    if config.data.tokenizer == config.model.from_pretrained:
        settings["data.tokenizer"] = None  # not the user's own word
    settings["model.config"] = Namespace(load_facts(Path(config.ckpt_path))["qwen_pl"]["config"])
    if config.trainer.precision is None:
        # As generate computes: in less, a text would depend on what is written beside it.
        settings["trainer.precision"] = "32-true"
    return settings


def completer(data: PDFDataModule, sampling: Sampling, num_samples: int) -> Complete:
    """What completes a batch of prompts with a network: for each prompt a line for each sample.

    Without a seed of its own, the sampling has that of the data.

    Raises:
        InputError: If the samples would all be the same; when it is called, if a prompt is too
            long for the network.
    """
    if sampling.seed is None:
        sampling = replace(sampling, seed=data.settings.seed)
    samples_of(sampling, num_samples)
    writer: Writer | None = None

    def complete(network: Any, prompts: list[str]) -> list[list[dict[str, Any]]]:
        nonlocal writer
        if writer is None:
            writer = Writer(network, data.tokenizer, max_batch_size=data.settings.batch_size)
            # Of all processes, so that none waits for one that has refused.
            writer.check(read_prompts(data.settings.prompts), sampling)
        lines = [
            {
                "prompt": completion.prompt,
                "sample": index % num_samples,
                "completion": completion.text,
                "finish_reason": completion.finish_reason,
                "num_prompt_tokens": completion.num_prompt_tokens,
                "num_tokens": completion.num_tokens,
            }
            for index, completion in enumerate(writer.write(prompts, sampling, num_samples))
        ]
        return [lines[i : i + num_samples] for i in range(0, len(lines), num_samples)]

    return complete


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
        prompts = chain.from_iterable(zip_longest(*shares, fillvalue=()))
        lines = [line for lines_of_prompt in prompts for line in lines_of_prompt]
        if trainer.is_global_zero:
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            write_text(self.path, text.translate(LINE_ENDS))
            tell(f"{len(lines)} completions -> {self.path}")
