"""Why a process of several ends: said by the first one where all say the same, else by its own."""

import contextlib
import os
import time
from collections.abc import Callable
from datetime import timedelta

import torch.distributed as dist

from qwen_pl.run.machine import launched

_SECONDS = 5.0
"""How long one waits for the others, which may have nothing to say, or no time to say it."""


def last_words(message: str) -> str | None:
    """What this process is to say where it ends with ``message``; None where another says it.

    The first process tells the others its own, by the store through which they have found each
    other. That has no part in their work, in which some may be waiting for this one.
    """
    if not dist.is_available() or not dist.is_initialized():
        rank = int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", 0)))
        # Started together, all have read the same until here; Lightning's others start later.
        return _named(rank, message) if launched() is None or rank == 0 else None
    rank = dist.get_rank()
    said = False
    with contextlib.suppress(Exception):  # of many kinds, where the others have ended
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        wait = timedelta(seconds=_SECONDS)
        store = dist.TCPStore(address, port, timeout=wait, wait_for_workers=False)
        words, heard = f"qwen_pl/last words/{message}", f"qwen_pl/heard/{message}"
        if rank == 0:
            store.set(words, "said")
            _wait_until(lambda: store.add(heard, 0) >= dist.get_world_size() - 1)
        elif said := _wait_until(lambda: store.check([words])):
            store.add(heard, 1)
    return None if said else _named(rank, message)


def _wait_until(has_come: Callable[[], bool]) -> bool:
    end = time.monotonic() + _SECONDS
    while not has_come():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _named(rank: int, message: str) -> str:
    return message if rank == 0 else f"process {rank}: {message}"
