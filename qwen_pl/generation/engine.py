"""Many texts at once: rows of one batch that enter and leave between two steps."""

import random
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from qwen_pl.errors import InputError
from qwen_pl.generation.sampling import Sampling, penalise, sample
from qwen_pl.model.cache import KeyValueCache
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

FIRST_ROOM = 512
"""Tokens that a cache has room for at first, unless texts need less; it doubles when they pass."""

FinishReason = Literal["stop", "length"]


class Row:
    """One text at work: its prompt, what is written so far, and its own source of chance."""

    def __init__(self, prompt_ids: list[int], sampling: Sampling) -> None:
        self.prompt_ids = prompt_ids
        self.sampling = sampling
        self.new_ids: list[int] = []
        self.finish_reason: FinishReason | None = None
        """``stop`` after an end token, ``length`` when all is written or no context is left."""
        self.end_id: int | None = None  # the end token that ended it
        # Of the row alone, so that its text does not depend on its neighbours in the batch.
        self.chance = random.Random(sampling.seed)
        self.seen: Tensor | None = None  # (V,) bool, where repetition is penalised
        # Rows that draw alike are drawn together.
        self.freedom = replace(sampling, max_new_tokens=0, stop=(), seed=None)

    def newest(self, count: int) -> list[int]:
        """The last ``count`` ids of prompt and text."""
        return (self.prompt_ids + self.new_ids)[-count:]


class Step(NamedTuple):
    """What one step of the engine gave one row."""

    row: Row
    token_id: int | None
    """The new token; None where an end token came, or none was asked for."""
    finish_reason: FinishReason | None
    """Why the text ends here; None if it goes on."""


class Engine:
    """Writes many texts with one network, each as it would be written alone.

    ::

        add ──▶ queue ──▶ read the prompt, row by row ──▶ rows at work ──▶ done
                                                          │ ▲
                                                          ▼ │
                                       one forward pass for all, one token each

    What a row writes depends on its prompt, its settings and its seed alone, but for the rounding
    of sums, which differs with the number of rows. Global random state is neither read nor changed.

    Source: Yu et al. 2022, "Orca: A Distributed Serving System for Transformer-Based Generative
    Models", for batching between steps.

    Args:
        network: In evaluation mode.
        stop_ids: Tokens that end a text; they are not part of it.
        num_ids: Ids of the tokenizer; padding of the vocabulary above them is never chosen.
        unused_ids: Ids below that no token has, which are never chosen either.
        max_batch_size: Rows at work at once; others wait.
    """

    def __init__(
        self,
        network: Qwen3ForCausalLM,
        *,
        stop_ids: Collection[int] = (),
        num_ids: int | None = None,
        unused_ids: Collection[int] = (),
        max_batch_size: int = 8,
    ) -> None:
        self.network = network
        self.stop_ids = frozenset(stop_ids)
        self.num_ids = min(num_ids or network.config.vocab_size, network.config.vocab_size)
        self.unused_ids = [token for token in unused_ids if token < self.num_ids]
        self.max_batch_size = max_batch_size
        self.max_len = network.config.max_position_embeddings
        self._half = max(1, self.max_len // 2)
        self.queue: deque[Row] = deque()
        self.rows: list[Row] = []
        """Those at work; row ``i`` has row ``i`` of the cache."""
        self._cache: KeyValueCache | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no text is waiting or at work."""
        return not self.queue and not self.rows

    def add(self, prompt_ids: Sequence[int], sampling: Sampling) -> Row:
        """Takes a text to write; its first token comes with the next step that has room for it.

        Raises:
            InputError: If the prompt is empty, holds an id outside the vocabulary, or is longer
                than the context and may not slide.
        """
        ids = [int(token) for token in prompt_ids]
        self.check(ids, sampling)
        row = Row(ids, sampling)
        self.queue.append(row)
        return row

    def check(self, ids: Sequence[int], sampling: Sampling) -> None:
        """Raises what ``add`` would, and adds nothing."""
        vocab_size = self.network.config.vocab_size
        if not ids:
            raise InputError("the prompt is empty: give at least one token to go on from")
        if unknown := [token for token in ids if not 0 <= token < vocab_size]:
            raise InputError(
                f"token {unknown[0]} of the prompt is not among the model's {vocab_size}: "
                "use the tokenizer it was trained with"
            )
        if sampling.when_full == "stop" and len(ids) > self.max_len:
            raise InputError(
                f"the prompt has {len(ids)} tokens, the longest context is {self.max_len}: "
                "shorten it, or let it slide with when_full slide"
            )

    @torch.inference_mode()
    def cancel(self, row: Row) -> None:
        """Ends a text, wherever it is; nothing happens if it has ended."""
        if row in self.queue:
            self.queue.remove(row)
        elif row in self.rows:
            self._leave(row)

    @torch.inference_mode()
    def step(self) -> list[Step]:
        """Writes one token of every text at work, those that enter now among them."""
        logits = [self._read_newest()] if self.rows else []
        steps = []
        while self.queue and len(self.rows) < self.max_batch_size:
            row = self.queue.popleft()
            if row.sampling.max_new_tokens:
                logits.append(self._enter(row))
            else:
                steps.append(Step(row, None, "length"))
        if logits:
            tokens = self._draw(torch.cat(logits) if len(logits) > 1 else logits[0])
            written = zip(list(self.rows), tokens, strict=True)
            steps += [self._take(row, token) for row, token in written]
        for row, _, finish_reason in steps:
            row.finish_reason = finish_reason
            if finish_reason is not None and row in self.rows:
                self._leave(row)
        return steps

    def _enter(self, row: Row) -> Tensor:
        """Reads a prompt into the next free row; the logits after it, ``(1, num_ids)``."""
        ids = row.prompt_ids
        if len(ids) > self.max_len:
            ids = row.newest(self._half)
        index = len(self.rows)
        self.rows.append(row)
        self._make_room(len(ids))
        self._held.lengths[index] = 0
        if row.sampling.repetition_penalty != 1:
            row.seen = torch.zeros(
                self.network.config.vocab_size, dtype=torch.bool, device=self._held.keys.device
            )
            row.seen[row.prompt_ids] = True
        logits = self._forward([ids], index)
        if not logits.isfinite().all():
            self._leave(row)
            raise InputError(
                "the network's weights give no finite numbers: use an earlier checkpoint"
            )
        return logits

    def _read_newest(self) -> Tensor:
        """Reads the newest token of each row; the logits after it, ``(B, num_ids)``."""
        for index, row in enumerate(self.rows):
            if self._held.lengths[index] == self.max_len:
                self._held.lengths[index] = 0
                if self._half > 1:
                    self._forward([row.newest(self._half)[:-1]], index)
        self._make_room(max(self._held.lengths[: len(self.rows)]) + 1)
        return self._forward([[row.new_ids[-1]] for row in self.rows], 0)

    def _forward(self, ids: list[list[int]], first: int) -> Tensor:
        """Reads ``(B, T)`` ids into as many rows of the cache, from ``first`` on."""
        end = first + len(ids)
        whole = self._held
        cache = whole if len(ids) == len(whole.lengths) else whole.rows(first, end)
        input_ids = torch.tensor(ids, device=cache.keys.device)
        # A cache grows, and compiled layers would be compiled again for each of its lengths.
        with torch.compiler.set_stance("force_eager"):
            logits = self.network(input_ids, cache=cache, logits_to_keep=1)
        whole.lengths[first:end] = cache.lengths
        return logits[:, -1, : self.num_ids]

    def _draw(self, logits: Tensor) -> list[int]:
        """The next token of each row at work, from ``(B, num_ids)``."""
        if self.unused_ids:
            logits[:, self.unused_ids] = float("-inf")
        groups: dict[Sampling, list[int]] = {}
        for index, row in enumerate(self.rows):
            if row.seen is not None:
                seen, penalty = row.seen[: self.num_ids], row.sampling.repetition_penalty
                logits[index] = penalise(logits[index], seen, penalty)
            groups.setdefault(row.freedom, []).append(index)
        tokens = [0] * len(self.rows)
        for freedom, indices in groups.items():
            chances = None
            if freedom.temperature:
                drawn = [self.rows[index].chance.random() for index in indices]
                chances = torch.tensor(drawn, device=logits.device)
            part = logits if len(groups) == 1 else logits[indices]
            for index, token in zip(indices, sample(part, freedom, chances).tolist(), strict=True):
                tokens[index] = token
        return tokens

    def _take(self, row: Row, token: int) -> Step:
        """Adds a token to its text, unless it ends it."""
        if token in self.stop_ids:
            row.end_id = token
            return Step(row, None, "stop")
        row.new_ids.append(token)
        if row.seen is not None:
            row.seen[token] = True
        num_tokens = len(row.prompt_ids) + len(row.new_ids)
        is_full = row.sampling.when_full == "stop" and num_tokens > self.max_len
        is_done = is_full or len(row.new_ids) == row.sampling.max_new_tokens
        return Step(row, token, "length" if is_done else None)

    def _leave(self, row: Row) -> None:
        """Gives a row's place in the cache to the last one, so that those at work stay together."""
        index, last = self.rows.index(row), len(self.rows) - 1
        if index < last:
            self._held.move(last, index)
            self.rows[index] = self.rows[last]
        self.rows.pop()
        if self.is_idle:
            self._cache = None  # the next texts may need less memory

    def _make_room(self, num_tokens: int) -> None:
        """Makes the cache large enough for the rows at work and for one with this many tokens."""
        num_rows, cache = len(self.rows), self._cache
        if cache is None:
            weight = self.network.lm_head.weight
            rows = min(num_rows + len(self.queue), self.max_batch_size)
            room = min(max(num_tokens, FIRST_ROOM), self._longest)
            self._cache = KeyValueCache(
                self.network.config, rows, room, weight.device, weight.dtype
            )
            return
        rows, room = len(cache.lengths), cache.max_len
        if num_rows > rows:
            rows = min(max(num_rows, 2 * rows), self.max_batch_size)
        if num_tokens > room:
            room = min(max(num_tokens, 2 * room), self._longest)
        if (rows, room) != (len(cache.lengths), cache.max_len):
            self._cache = cache.resized(rows, room)

    @property
    def _held(self) -> KeyValueCache:
        """The cache, which is there while a row is at work."""
        assert self._cache is not None
        return self._cache

    @property
    def _longest(self) -> int:
        """Tokens that the rows at work and waiting need at most."""
        longest = max(
            len(row.prompt_ids) + row.sampling.max_new_tokens for row in [*self.rows, *self.queue]
        )
        return min(longest, self.max_len)
