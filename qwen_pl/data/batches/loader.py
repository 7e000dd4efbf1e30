"""Loaders: an endless one for training that resumes at the sample, for evaluation, for prompts."""

import atexit
import json
import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from qwen_pl.data.batches.order import WindowOrder
from qwen_pl.data.batches.windows import TokenWindows
from qwen_pl.errors import InputError
from qwen_pl.files import refuse_endless

Batch = dict[str, Tensor]
Item = TypeVar("Item")


class EndlessBatches(Sampler[list[int]]):
    """Batches of window starts without end, this process's share of each global batch.

    Position ``p`` counts the samples of all processes: the global batch at ``p`` is the windows
    ``p`` to ``p + batch_size * world_size``, whatever the number of processes.
    """

    def __init__(self, order: WindowOrder, batch_size: int, rank: int, world_size: int) -> None:
        self.order = order
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.samples_per_batch = batch_size * world_size  # of all processes together
        self.position = 0

    def __len__(self) -> int:
        # A loader of unknown length makes the Trainer fetch one batch ahead, and the position would
        # then count a batch that was never trained on. No run reaches this one's end.
        return 1 << 40

    def __iter__(self) -> Iterator[list[int]]:
        position = self.position + self.rank
        while True:
            mine = range(position, position + self.samples_per_batch, self.world_size)
            yield self.order.starts(mine)
            position += self.samples_per_batch


class TrainingLoader(DataLoader[Batch]):
    """Endless training batches; its state is the number of samples handed out, over all processes.

    Batches that workers have fetched ahead do not count, so a run that resumes from this state
    sees exactly the samples that it had not seen. The Trainer saves and restores it.

    ``seconds_waited`` is how long whoever trains has waited for batches so far.
    """

    def __init__(self, windows: TokenWindows, batches: EndlessBatches, num_workers: int) -> None:
        super().__init__(windows, batch_sampler=batches, **_options(num_workers))
        self.batches = batches
        self.samples_seen = 0
        self.seconds_waited = 0.0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # PyTorch names a private class
        self.batches.position = self.samples_seen
        asked = time.perf_counter()
        for batch in super().__iter__():
            self.seconds_waited += time.perf_counter() - asked
            self.samples_seen += self.batches.samples_per_batch  # a save in this step counts it
            yield batch
            asked = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        return {"samples_seen": self.samples_seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.samples_seen = state["samples_seen"]


def evaluation_loader(
    windows: TokenWindows,
    starts: Sequence[int],
    batch_size: int,
    num_workers: int,
    rank: int,
    world_size: int,
) -> DataLoader[Batch]:
    """This process's share of the windows at ``starts``, once each and in order.

    Processes may get different numbers of windows but get the same number of batches, since they
    wait for each other after each; what is missing is filled with windows without labels.
    """
    per_batch = batch_size * world_size
    empty = len(windows.tokens)  # a window that starts at the end has no label
    filled = [*starts, *[empty] * (-len(starts) % per_batch if world_size > 1 else 0)]
    mine = filled[rank::world_size]
    return DataLoader(windows, batch_sampler=_batches(mine, batch_size), **_options(num_workers))


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
    refuse_endless(file)
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


def _prompt_of(line: str, place: str) -> str:
    try:
        item = json.loads(line)
    except ValueError as error:
        raise InputError(f"{place} is not JSON: {error}") from None
    prompt = item.get("prompt") if isinstance(item, dict) else None
    if not isinstance(prompt, str):
        raise InputError(f'{place} has no prompt: it needs to be like {{"prompt": "..."}}')
    return prompt


def prompt_loader(
    prompts: Sequence[str], batch_size: int, rank: int, world_size: int
) -> DataLoader[list[str]]:
    """Batches of this process's share of the prompts: ``rank``, ``rank + world_size``, ...

    A process without a prompt gets one empty batch, since all take part in gathering the texts.
    """
    batches = _batches(list(prompts[rank::world_size]), batch_size) or [[]]
    # Cut here, since the Trainer would exchange a sampler that makes batches. A list has all that
    # is asked of a data set.
    return DataLoader(batches, batch_size=1, collate_fn=itemgetter(0))  # type: ignore[arg-type]


def _batches(items: list[Item], batch_size: int) -> list[list[Item]]:
    return [items[i : i + batch_size] for i in range(0, len(items), batch_size)]


def _options(num_workers: int) -> dict[str, Any]:
    return {
        "num_workers": num_workers,
        "collate_fn": _as_it_is,
        "worker_init_fn": _leave_signals_alone,
        "pin_memory": torch.cuda.is_available(),
        # Without a generator of its own, a loader draws its workers' seed from the global one: a
        # resumed run would draw once more than the unbroken one, and training see validations.
        "generator": torch.Generator().manual_seed(0),
    }


def _as_it_is(batch: Any) -> Any:
    return batch  # windows are cut in batches, not in items; nothing is left to collate


def _leave_signals_alone(worker: int) -> None:
    """Signals to a whole group reach workers too, which the run needs until its step is done."""
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


@atexit.register
def _end_workers() -> None:
    """Ends the workers that are left when the process ends, and would not hear SIGTERM."""
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch would take it for a failure
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()
