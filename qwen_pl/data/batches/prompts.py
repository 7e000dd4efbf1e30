"""Prompts to complete: a text file of one per line, or a JSONL file for prompts of many lines."""

import json
from collections.abc import Sequence
from pathlib import Path

from torch.utils.data import DataLoader

from qwen_pl.errors import InputError


def read_prompts(file: str | Path | None) -> list[str]:
    """The prompts in a file, in its order; empty lines are none.

    Args:
        file: Its name ends in ``.jsonl`` if each line is an object with a ``prompt``.

    Raises:
        InputError: If there is no such file, or no prompt in it, or it is not UTF-8.
    """
    if file is None:
        raise InputError(
            "predict needs --data.prompts FILE, a file of one prompt per line, or a .jsonl file "
            'of lines such as {"prompt": "..."}'
        )
    file = Path(file)
    try:
        text = file.read_bytes().decode("utf-8-sig")  # Windows' editors mark their files
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 at byte {error.start}: save it as UTF-8") from None
    except FileNotFoundError:
        raise InputError(f"no such file: {file}") from None
    except OSError as error:  # a folder, or a file that may not be read
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    # Not splitlines, which also cuts where a prompt may hold a line separator or a form feed.
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        raise InputError(f"no prompt in {file}: it needs one per line")
    if file.suffix != ".jsonl":
        return [line for _, line in numbered]
    return [_prompt_of(line, f"line {number} of {file}") for number, line in numbered]


def prompt_loader(
    prompts: Sequence[str], *, batch_size: int, rank: int, world_size: int
) -> DataLoader[list[str]]:
    """Batches of this process's share of the prompts: ``rank``, ``rank + world_size``, ...

    A process without a prompt gets one empty batch, since all take part in gathering the texts.
    """
    mine = list(prompts[rank::world_size])
    batches = [mine[i : i + batch_size] for i in range(0, len(mine), batch_size)] or [[]]
    # Cut here, since the Trainer would exchange a sampler that makes batches.
    return DataLoader(
        batches,  # type: ignore[arg-type]  # a list has all that is asked of a data set
        batch_size=1,
        collate_fn=_only_one,
    )


def _only_one(items: list[list[str]]) -> list[str]:
    return items[0]


def _prompt_of(line: str, place: str) -> str:
    try:
        item = json.loads(line)
    except ValueError as error:
        raise InputError(f"{place} is not JSON: {error}") from None
    prompt = item.get("prompt") if isinstance(item, dict) else None
    if not isinstance(prompt, str):
        raise InputError(f'{place} has no prompt: it needs to be like {{"prompt": "..."}}')
    return prompt
