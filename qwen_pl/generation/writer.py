"""Prompts in, texts out: a network together with its tokenizer, and text as it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from qwen_pl.any_tokenizer import any_word, end_of_text, num_ids, prompt_ids, unused_ids
from qwen_pl.errors import InputError
from qwen_pl.generation.engine import Engine, FinishReason, Row, Step
from qwen_pl.generation.sampling import Sampling
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.qwen_tokenizer import END_OF_TURN

if TYPE_CHECKING:
    from tokenizers import Tokenizer

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What a decoder writes for the bytes of a character that are not all there yet."""

MOST_INCOMPLETE = 3
"""Bytes that an incomplete character has at most, each of which a decoder may write alone."""

TAIL_TOKENS = MOST_INCOMPLETE + 1
"""An incomplete character is of as many tokens at most; one more is room."""


@dataclass(frozen=True)
class Completion:
    """What was written after one prompt."""

    prompt: str
    text: str
    """Without the prompt, and without the end token or the stop string that ended it."""
    finish_reason: FinishReason
    """``stop`` at an end token or a stop string, else ``length``."""
    num_prompt_tokens: int
    num_tokens: int
    """Tokens written, those of a stop string among them."""


class Addition(NamedTuple):
    """What one step has added to one of several texts that are written at once."""

    number: int
    """Of the text, from 0."""
    text: str
    """Whole characters, maybe none."""
    num_tokens: int
    """In the text so far."""
    finish_reason: FinishReason | None
    """Why the text ends here; None if it goes on."""


class Writer:
    """Writes text with a network in evaluation mode and the tokenizer it was trained with.

    ``max_batch_size`` texts are written at once.
    """

    def __init__(
        self, network: Qwen3ForCausalLM, tokenizer: Tokenizer, *, max_batch_size: int = 8
    ) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.max_batch_size = max_batch_size
        ends = [end_of_text(tokenizer), tokenizer.token_to_id(END_OF_TURN)]
        self.stop_ids = frozenset(token for token in ends if token is not None)
        self.num_ids = num_ids(tokenizer)
        self.unused_ids = frozenset(unused_ids(tokenizer, self.num_ids))
        self.context = any_word(tokenizer)

    def engine(self) -> Engine:
        """An engine that knows the tokenizer's end tokens and the size of its vocabulary."""
        return Engine(
            self.network,
            stop_ids=self.stop_ids,
            num_ids=self.num_ids,
            unused_ids=self.unused_ids,
            max_batch_size=self.max_batch_size,
        )

    def encode(self, prompt: str) -> list[int]:
        """The ids of a prompt, as a document begins; an empty one is the start of a document.

        Raises:
            InputError: If it holds half a character, as a broken escape in JSON gives.
        """
        try:
            prompt.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"the prompt holds half a character at {error.start}: give UTF-8"
            ) from None
        return prompt_ids(self.tokenizer, prompt)

    def is_longer(self, prompt: str, most: int) -> bool:
        """Whether a prompt has more than ``most`` tokens for certain, as its beginning shows.

        A long one need not be read as a whole for that, which takes a hundred times its memory.
        """
        size = 8 * most
        while size < len(prompt):
            if len(self.tokenizer.encode(prompt[:size]).ids) > 2 * most:
                return True
            size *= 4
        return False

    def check(self, prompts: Sequence[str], sampling: Sampling) -> None:
        """Raises what ``write`` would, and writes nothing."""
        engine = self.engine()
        for prompt in prompts:
            engine.check(self.encode(prompt), sampling)

    def text(self, row: Row) -> TextStream:
        """What turns the ids of one row into its text."""
        goes_on = self.tokenizer.decode(row.prompt_ids[-TAIL_TOKENS:]) != ""
        context = self.context if goes_on else []
        return TextStream(self.tokenizer.decode, row.sampling.stop, context)

    def stream(self, prompt: str, sampling: Sampling | None = None) -> Iterator[str]:
        """Yields a completion in pieces as they are written, whole characters each.

        Raises:
            InputError: If the prompt cannot be written on from; at once, not with the first piece.
        """
        additions = self.stream_samples(prompt, sampling or Sampling())
        return (addition.text for addition in additions if addition.text)

    def stream_samples(
        self, prompt: str, sampling: Sampling, num_samples: int = 1
    ) -> Iterator[Addition]:
        """Yields what is added to several completions of one prompt as they are written.

        Raises:
            InputError: As ``stream``.
        """
        engine, ids = self.engine(), self.encode(prompt)
        rows = [engine.add(ids, settings) for settings in samples_of(sampling, num_samples)]
        numbers = {row: number for number, row in enumerate(rows)}
        return (
            Addition(numbers[row], text, len(row.new_ids), row.finish_reason)
            for row, text in _pieces(engine, {row: self.text(row) for row in rows})
        )

    def write(
        self, prompts: Sequence[str], sampling: Sampling | None = None, num_samples: int = 1
    ) -> list[Completion]:
        """Completes every prompt ``num_samples`` times, many at once; prompt by prompt.

        Each text is the one that its prompt gives alone. With a seed, sample ``i`` of every prompt
        has the seed ``seed + i``.

        Raises:
            InputError: If a prompt cannot be written on from, before anything is written.
        """
        sampling = sampling or Sampling()
        engine = self.engine()
        origins: dict[Row, str] = {}
        for prompt in prompts:
            ids = self.encode(prompt)
            for settings in samples_of(sampling, num_samples):
                origins[engine.add(ids, settings)] = prompt
        written: dict[Row, list[str]] = {row: [] for row in origins}
        for row, piece in _pieces(engine, {row: self.text(row) for row in origins}):
            written[row].append(piece)
        return [
            Completion(
                prompt=prompt,
                text="".join(written[row]),
                finish_reason=row.finish_reason or "length",
                num_prompt_tokens=len(row.prompt_ids),
                num_tokens=len(row.new_ids),
            )
            for row, prompt in origins.items()
        ]


def _pieces(engine: Engine, texts: dict[Row, TextStream]) -> Iterator[tuple[Row, str]]:
    """Runs an engine to its end; what each step adds to each text."""
    while not engine.is_idle:
        for step in engine.step():
            row = step.row
            piece, row.finish_reason = texts[row].take(step)
            if row.finish_reason is not None:
                engine.cancel(row)
            yield row, piece


def samples_of(sampling: Sampling, num_samples: int) -> list[Sampling]:
    """The settings of each sample of a prompt: the same but for the seed, which counts on.

    Raises:
        InputError: If ``num_samples`` is not at least 1.
    """
    if num_samples < 1:
        raise InputError(f"num_samples is {num_samples}: give 1 or more")
    if sampling.seed is None:
        return [sampling] * num_samples
    return [replace(sampling, seed=sampling.seed + index) for index in range(num_samples)]


class TextStream:
    """Turns token ids into text piece by piece, holding back a character until it is whole.

    Joined, the pieces are the text of all ids, up to a stop string. Only the last few ids are
    decoded at each step, so the time is linear. ``decode`` turns bytes that are no UTF-8 into
    U+FFFD, and what it made of ids that end with a whole character does not change with more.

    Args:
        decode: Of a tokenizer.
        stop: Strings that end the text, which is cut before them.
        context: A token to decode the others behind, where a text goes on. At the start of one,
            tokenizers like SentencePiece leave out a space.

    >>> stream = TextStream(lambda ids: bytes(ids).decode(errors="replace"), stop=["?!"])
    >>> [stream.push(byte) for byte in "é??!x".encode()], stream.is_stopped
    (['', 'é', '', '?', '', ''], True)
    """

    def __init__(
        self,
        decode: Callable[[list[int]], str],
        stop: Sequence[str] = (),
        context: Sequence[int] = (),
    ) -> None:
        self.decode = decode
        self.stop = StopStrings(stop)
        self.context = list(context)
        self._begin([])

    def _begin(self, newest: list[int]) -> None:
        """Forgets the ids whose text was handed out, but for the newest."""
        self.tail = self.context + newest
        self.text = self.decode(self.tail) if self.tail else ""
        self.shown = len(self.text)  # characters of it that were handed out

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string came: the text is complete."""
        return self.stop.is_found

    def take(self, step: Step) -> tuple[str, FinishReason | None]:
        """What a step adds to the text, and why the text ends with it; None if it goes on."""
        piece = "" if step.token_id is None else self.push(step.token_id)
        if step.finish_reason is not None:
            piece += self.flush()
        return piece, "stop" if self.is_stopped else step.finish_reason

    def push(self, token_id: int) -> str:
        """Takes the next id and returns the text that is certain with it, maybe none."""
        text = self.decode([*self.tail, token_id])
        if text == self.text and not self.decode([token_id]):
            return ""  # a token without text, which must not push others out of the tail
        self.tail.append(token_id)
        # The start of the tail may be the rest of a character, which was handed out with it.
        whole = max(self.shown, _whole(text))
        piece, self.text, self.shown = text[self.shown : whole], text, whole
        if whole == len(text):  # the last byte of a character alone would be none
            self._begin([] if INCOMPLETE in self.decode([token_id]) else [token_id])
        elif len(self.tail) >= 2 * TAIL_TOKENS + len(self.context):  # bytes that are no text
            newest = self.context + self.tail[-TAIL_TOKENS:]
            text, held = self.decode(newest), len(text) - whole
            if held <= len(text):  # else what is held back reaches further
                self.tail, self.text, self.shown = newest, text, len(text) - held
        return self.stop.push(piece)

    def flush(self) -> str:
        """Returns what was held back, maybe an incomplete character, and starts anew."""
        piece = self.text[self.shown :]
        self._begin([])
        return self.stop.push(piece) + self.stop.flush()


class StopStrings:
    """Passes text on until a stop string is complete, and never a part of one.

    The result does not depend on how the text is cut into pieces: the string that is complete first
    counts, of several the longest.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self.stop = tuple(stop)
        self.held = ""
        self.is_found = False

    def push(self, piece: str) -> str:
        """Takes the next piece and returns what is certain."""
        if self.is_found:
            return ""
        text = self.held + piece
        found = [(text.find(stop) + len(stop), -len(stop)) for stop in self.stop if stop in text]
        if found:
            self.is_found, self.held = True, ""
            return text[: sum(min(found))]
        shown = len(text) - self._undecided(text)
        self.held = text[shown:]
        return text[:shown]

    def flush(self) -> str:
        """Returns what was held back, since no more text comes."""
        held, self.held = self.held, ""
        return held

    def _undecided(self, text: str) -> int:
        """Characters at the end of a text that may be the start of a stop string."""
        longest = max((len(stop) - 1 for stop in self.stop), default=0)
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self.stop):
                return size
        return 0


def _whole(text: str) -> int:
    """The number of characters before an incomplete last one, which may be shown as several."""
    tail = text[-MOST_INCOMPLETE:]
    return len(text) - len(tail) + len(tail.rstrip(INCOMPLETE))
