"""Runs a function over many items in processes of their own, which end with this one."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.connection import Connection
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class ProcessDied(RuntimeError):
    """The process that worked on an item ended without a result."""


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_processes(
    function: Callable[[Item], Result], items: Iterable[Item], num_proc: int
) -> Iterator[tuple[Item, Result | ProcessDied]]:
    """Yields each item with its result, in the order of the items, whatever the processes do.

    A process that dies costs the item it worked on, and no other. However the iteration ends, with
    an error or with this whole process killed, no process is left behind. Few items are taken
    ahead, so there may be any number; they, the function and the results have to be picklable.
    With one process, the work is done in this one.
    """
    if num_proc <= 1:
        for item in items:
            yield item, function(item)
        return
    waiting: deque[tuple[Item, Future]] = deque()
    remaining = iter(items)
    with contextlib.ExitStack() as stack:
        executor = stack.enter_context(_executor(num_proc))
        while True:
            for item in islice(remaining, 2 * num_proc - len(waiting)):
                waiting.append((item, _submit(executor, function, item)))
            if not waiting:
                return
            item, future = waiting.popleft()
            try:
                yield item, future.result()
            except BrokenProcessPool:
                # One of the items under way has ended its process. Each is tried on its own.
                for suspect in (item, *(other for other, _ in waiting)):
                    yield suspect, _alone(function, suspect)
                waiting.clear()
                stack.close()
                executor = stack.enter_context(_executor(num_proc))


def _submit(executor: ProcessPoolExecutor, function: Callable, item: Item) -> Future:
    """A pool may break just before it is handed an item; the item's result then says so."""
    try:
        return executor.submit(function, item)
    except BrokenProcessPool as error:
        future: Future = Future()
        future.set_exception(error)
        return future


def _alone(function: Callable[[Item], Result], item: Item) -> Result | ProcessDied:
    with _executor(1) as executor:
        try:
            return executor.submit(function, item).result()
        except BrokenProcessPool:
            return ProcessDied("the process that worked on it ended early")


@contextlib.contextmanager
def _executor(num_proc: int) -> Iterator[ProcessPoolExecutor]:
    """A pool that is gone after the block, also if the block ends early."""
    # Not forked: a forked process inherits locks of threads that it does not have.
    context = multiprocessing.get_context("spawn")
    their_end, our_end = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(num_proc, context, _begin, (their_end,))
    try:
        yield executor
        executor.shutdown()
    finally:
        our_end.close()  # which ends processes that are still at work
        executor.shutdown(cancel_futures=True)
        their_end.close()


def _begin(parent: Connection) -> None:
    """Prepares a process: Ctrl-C is the parent's to hear, and with the parent's end it ends too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The parallelism is that of the processes; threads in each would only be in each other's way.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()


def _exit_with_parent(parent: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        parent.recv()
    os._exit(1)
