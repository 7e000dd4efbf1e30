"""The thread that writes: it steps the engine for all requests at once and hands out the pieces.

::

    request ──▶ submit ──▶ arrivals ─┐             (the event loop, one task a request)
       ▲                             ▼
       └──── queue of pieces ◀─── engine.step      (the thread, one step for all texts)
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from qwen_pl.errors import InputError
from qwen_pl.generation.engine import Row, Step
from qwen_pl.generation.sampling import Sampling
from qwen_pl.generation.writer import Addition, TextStream, Writer
from qwen_pl.serving.errors import ApiError, busy

MAX_WAITING = 256
"""Texts that may wait for a row of the batch; more are refused with 429."""


class Job(NamedTuple):
    """One text to write."""

    prompt_ids: list[int]
    sampling: Sampling


class Order:
    """The texts of one request, and the queue that what is written comes out of."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.loop = asyncio.get_running_loop()
        self.written: asyncio.Queue[Addition | ApiError] = asyncio.Queue()
        self.is_cancelled = False

    def put(self, written: Addition | ApiError) -> None:
        """Called from the thread of the worker."""
        try:
            self.loop.call_soon_threadsafe(self.written.put_nowait, written)
        except RuntimeError:  # the loop is closed: nobody is listening any more
            self.is_cancelled = True

    async def additions(self) -> AsyncIterator[Addition]:
        """What is added to the texts as it comes, until each has ended.

        Raises:
            ApiError: If writing failed or the server stops.
        """
        unfinished = len(self.jobs)
        while unfinished:
            written = await self.written.get()
            if isinstance(written, ApiError):
                raise written
            unfinished -= written.finish_reason is not None
            yield written

    def cancel(self) -> None:
        """Frees the rows of all texts before the next step; nothing happens to those that ended."""
        self.is_cancelled = True


class _Text(NamedTuple):
    """A text at work: whom it is for and what turns its tokens into text."""

    order: Order
    number: int
    text: TextStream


class Worker:
    """Writes the texts of all requests in one thread, since a network has one device.

    ``max_batch_size`` texts of the writer are written at once, and ``max_waiting`` more may wait.
    """

    def __init__(self, writer: Writer, max_waiting: int = MAX_WAITING) -> None:
        self.writer = writer
        self.engine = writer.engine()
        self.capacity = writer.max_batch_size + max_waiting
        self.num_texts = 0
        """Texts at work or waiting."""
        self._changed = threading.Condition()
        self._arrivals: list[Order] = []
        self._is_stopping = False
        self._texts: dict[Row, _Text] = {}  # of the thread alone
        self._thread = threading.Thread(target=self._run, name="writing", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive() and not self._is_stopping

    def submit(self, jobs: Sequence[Job]) -> Order:
        """Takes the texts of one request, all or none; called from the event loop.

        Raises:
            ApiError: If too many are waiting, or the server stops.
        """
        order = Order(jobs)
        with self._changed:
            if self._is_stopping:
                raise _stopping()
            if self.num_texts + len(jobs) > self.capacity:
                waiting = f"{self.num_texts} texts are waiting and {len(jobs)} more are too many"
                raise busy(waiting)
            self.num_texts += len(jobs)
            self._arrivals.append(order)
            self._changed.notify()
        return order

    def stop(self) -> None:
        """Ends every text with an error and then the thread; what comes later is refused."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()

    def join(self) -> None:
        """Waits until the thread has ended, since none may compute while the process ends."""
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._arrivals or self._texts or self._is_stopping)
                arrivals, self._arrivals = self._arrivals, []
                is_stopping = self._is_stopping  # nothing arrives after that
            for order in arrivals:
                self._add(order)
            if is_stopping:
                self._fail(_stopping())
                return
            for row in [row for row, text in self._texts.items() if text.order.is_cancelled]:
                self._end(row)
            try:
                for step in self.engine.step() if self._texts else []:
                    self._hand_out(step)
            except Exception as error:  # out of memory, say: the next requests may fit
                logging.getLogger("uvicorn.error").exception("a step of writing failed")
                self._fail(ApiError(500, f"writing failed: {error}"))
                self.engine = self.writer.engine()

    def _add(self, order: Order) -> None:
        for number, (prompt_ids, sampling) in enumerate(order.jobs):
            try:
                row = self.engine.add(prompt_ids, sampling)
            except InputError as error:
                order.put(ApiError(400, str(error)))
                order.cancel()
                self._forget(len(order.jobs) - number)
                return
            self._texts[row] = _Text(order, number, self.writer.text(row))

    def _hand_out(self, step: Step) -> None:
        order, number, text = self._texts[step.row]
        piece, reason = text.take(step)
        if reason is not None:
            self._end(step.row)
        order.put(Addition(number, piece, len(step.row.new_ids), reason))

    def _end(self, row: Row) -> None:
        self.engine.cancel(row)
        del self._texts[row]
        self._forget(1)

    def _fail(self, error: ApiError) -> None:
        for order in {text.order for text in self._texts.values()}:
            order.put(error)
        self._forget(len(self._texts))
        self._texts.clear()

    def _forget(self, num_texts: int) -> None:
        with self._changed:
            self.num_texts -= num_texts


def _stopping() -> ApiError:
    return ApiError(503, "the server is stopping", code="stopping")
