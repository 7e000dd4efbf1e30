"""What ``predict`` writes for each prompt of a file."""

from collections.abc import Callable
from typing import Any

from qwen_pl.data.batches.prompts import read_prompts
from qwen_pl.data.datamodule import PDFDataModule
from qwen_pl.generation.sampling import Sampling
from qwen_pl.generation.writer import Writer, samples_of

Complete = Callable[[Any, list[str]], list[list[dict[str, Any]]]]


def completer(data: PDFDataModule, sampling: Sampling, num_samples: int) -> Complete:
    """What completes a batch of prompts with a network: for each prompt a line for each sample.

    Raises:
        InputError: If the samples would all be the same; when it is called, if a prompt is too
            long for the network.
    """
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
