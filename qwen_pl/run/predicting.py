"""How ``predict`` is told what to complete, and how it completes it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from qwen_pl.data.batches.prompts import read_prompts
from qwen_pl.data.datamodule import PDFDataModule
from qwen_pl.errors import InputError
from qwen_pl.generation.sampling import Sampling
from qwen_pl.generation.writer import Writer, samples_of
from qwen_pl.training.checkpoints.checkpoint import load_checkpoint

Complete = Callable[[Any, list[str]], list[list[dict[str, Any]]]]


def predictions_file(config: Namespace, run_dir: Path) -> Path:
    """Where the completions go.

    Raises:
        InputError: If there are no prompts, or nothing can be written there.
    """
    read_prompts(config.data.prompts)  # told now, and not when all is loaded
    file = Path(config.predictions or run_dir / "predictions.jsonl")
    if file.is_dir():
        raise InputError(f"--predictions {file} is a folder: give a file")
    if file.resolve() == Path(config.data.prompts).resolve():
        raise InputError(f"--predictions {file} would write over the prompts")
    return file


def settings_of_checkpoint(config: Namespace) -> dict[str, Any]:
    """What it takes to write comes from the checkpoint: a config need not repeat it.

    Args:
        config: That of ``predict``, which names the checkpoint.

    Returns:
        The settings that it has instead of those of the config, by their names.
    """
    settings: dict[str, Any] = {"model.from_pretrained": None}
    if config.data.tokenizer == config.model.from_pretrained:
        settings["data.tokenizer"] = None  # not the user's own word
    checkpoint = load_checkpoint(Path(config.ckpt_path), mmap=True)
    if "qwen_pl" in checkpoint:  # else the module complains
        settings["model.config"] = Namespace(checkpoint["qwen_pl"]["config"])
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
        return _lines(writer, prompts, sampling, num_samples)

    return complete


def _lines(
    writer: Writer, prompts: list[str], sampling: Sampling, num_samples: int
) -> list[list[dict[str, Any]]]:
    completions = writer.write(prompts, sampling, num_samples)
    lines = [
        {
            "prompt": completion.prompt,
            "sample": index % num_samples,
            "completion": completion.text,
            "finish_reason": completion.finish_reason,
            "num_prompt_tokens": completion.num_prompt_tokens,
            "num_tokens": completion.num_tokens,
        }
        for index, completion in enumerate(completions)
    ]
    return [lines[i : i + num_samples] for i in range(0, len(lines), num_samples)]
