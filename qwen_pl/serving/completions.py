"""From a request to its answer: what is to be written, and the two forms of what was."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from qwen_pl.generation.sampling import Sampling
from qwen_pl.generation.writer import Addition, Writer
from qwen_pl.serving.errors import ApiError, no_model
from qwen_pl.serving.request import MAX_CHOICES, CompletionRequest, Prompt
from qwen_pl.serving.worker import Job, Order

TOO_LONG = "context_length_exceeded"

DEFAULT_MAX_TOKENS = 16
"""As in OpenAI's API."""


@dataclass
class Task:
    """A request that can be answered: its texts to write, and what the answer says of them."""

    model: str
    jobs: list[Job]
    """``n`` for each prompt, one prompt after the other."""
    openings: list[str]
    """What each text begins with: its prompt if it is to be echoed, else nothing."""
    num_prompt_tokens: int
    id: str = field(default_factory=lambda: f"cmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def content(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }

    def usage(self, num_tokens: Sequence[int]) -> dict[str, int]:
        """A prompt counts once, however many texts go on from it."""
        return {
            "prompt_tokens": self.num_prompt_tokens,
            "completion_tokens": sum(num_tokens),
            "total_tokens": self.num_prompt_tokens + sum(num_tokens),
        }


def _choice(index: int, text: str, finish_reason: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}


def read_task(request: CompletionRequest, model: str, writer: Writer) -> Task:
    """What a request asks of the only model there is, in tokens; takes time with long prompts.

    Raises:
        ApiError: If it names another model or cannot be answered as a whole.
    """
    if request.model not in (None, model):
        raise no_model(request.model, model)
    n = request.n or 1
    if len(request.prompt) * n > MAX_CHOICES:
        many = f"{len(request.prompt)} prompts times n {n} are too many"
        raise ApiError(400, f"{many}: ask for up to {MAX_CHOICES} texts at a time", param="n")
    if request.best_of not in (None, n):
        raise ApiError(400, "best_of is not supported other than equal to n", param="best_of")
    if request.stream_options is not None and not request.stream:
        raise ApiError(400, "stream_options needs stream: true", param="stream_options")
    max_len = writer.network.config.max_position_embeddings
    prompts = [_ids(prompt, writer, max_len) for prompt in request.prompt]
    jobs = [
        Job(ids, _sampling(request, sample, _max_tokens(request, len(ids), max_len)))
        for ids in prompts
        for sample in range(n)
    ]
    openings = [_text(prompt, writer) if request.echo else "" for prompt in request.prompt]
    openings = [opening for opening in openings for _ in range(n)]
    return Task(model, jobs, openings, num_prompt_tokens=sum(map(len, prompts)))


def _ids(prompt: Prompt, writer: Writer, max_len: int) -> list[int]:
    if isinstance(prompt, str):
        if writer.is_longer(prompt, max_len):
            why = f"the prompt of {len(prompt):,} characters does not fit into {_context(max_len)}"
            raise ApiError(400, f"{why}: shorten it", param="prompt", code=TOO_LONG)
        return writer.encode(prompt)
    for token in prompt:
        if not 0 <= token < writer.num_ids or token in writer.unused_ids:
            why = f"token {token} of the prompt is not among the model's {writer.num_ids}"
            raise ApiError(400, why, param="prompt")
    return prompt


def _text(prompt: Prompt, writer: Writer) -> str:
    if isinstance(prompt, str):
        return prompt
    return writer.tokenizer.decode(prompt, skip_special_tokens=False)


def _max_tokens(request: CompletionRequest, length: int, max_len: int) -> int:
    """Tokens to write after a prompt of this length."""
    asked, room = request.max_tokens, max_len - length
    where = _context(max_len)
    if room < (0 if asked == 0 else 1):
        why = f"the prompt has {length} tokens, which leaves no room to write in {where}"
        raise ApiError(400, f"{why}: shorten it", param="prompt", code=TOO_LONG)
    if asked is not None and asked > room:
        why = f"the prompt's {length} tokens and max_tokens {asked} are more than {where}"
        raise ApiError(400, f"{why}: ask for up to {room}", param="max_tokens", code=TOO_LONG)
    return min(DEFAULT_MAX_TOKENS, room) if asked is None else asked


def _context(max_len: int) -> str:
    return f"the model's context of {max_len}"


def _sampling(request: CompletionRequest, sample: int, max_tokens: int) -> Sampling:
    """The settings of one text; what is not given is as OpenAI has it, the model's own chances."""
    return Sampling(
        max_new_tokens=max_tokens,
        temperature=1.0 if request.temperature is None else request.temperature,
        top_k=0 if request.top_k in (None, -1) else request.top_k,
        top_p=1.0 if request.top_p is None else request.top_p,
        min_p=request.min_p,
        repetition_penalty=request.repetition_penalty or 1.0,
        stop=request.stop,
        # Texts of one prompt have to differ, and the first to be what it is alone.
        seed=None if request.seed is None else request.seed + sample,
        when_full="stop",
    )


async def _whole_answer(task: Task, order: Order) -> Response:
    """The texts when all of them are written."""
    texts = [[opening] for opening in task.openings]
    last: dict[int, Addition] = {}
    async for addition in order.additions():
        texts[addition.number].append(addition.text)
        last[addition.number] = addition
    choices = [_choice(i, "".join(text), last[i].finish_reason) for i, text in enumerate(texts)]
    usage = task.usage([addition.num_tokens for addition in last.values()])
    return JSONResponse(task.content(choices) | {"usage": usage})


async def answer_unless_gone(request: Request, task: Task, order: Order) -> Response:
    """The texts when all are written, or nothing once the client has hung up; frees their rows."""
    answer = asyncio.ensure_future(_whole_answer(task, order))
    gone = asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else Response(status_code=499)
    finally:
        order.cancel()
        answer.cancel()
        gone.cancel()


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class EventStream(StreamingResponse):
    """The texts as server-sent events, a piece each; frees their rows however it ends."""

    media_type = "text/event-stream"

    def __init__(self, task: Task, order: Order, include_usage: bool) -> None:
        # A proxy that gathers pieces before it passes them on would undo the streaming.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(_events(task, order, include_usage), headers=headers)
        self.order = order

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.order.cancel()


async def _events(task: Task, order: Order, include_usage: bool) -> AsyncIterator[str]:
    no_usage = {"usage": None} if include_usage else {}
    num_tokens = [0] * len(task.jobs)
    for index, opening in enumerate(task.openings):
        if opening:
            yield _event(task.content([_choice(index, opening, None)]) | no_usage)
    try:
        async for addition in order.additions():
            num_tokens[addition.number] = addition.num_tokens
            if addition.text or addition.finish_reason:  # not for a token inside a character
                part = _choice(addition.number, addition.text, addition.finish_reason)
                yield _event(task.content([part]) | no_usage)
        if include_usage:
            yield _event(task.content([]) | {"usage": task.usage(num_tokens)})
    except ApiError as error:  # the status has been sent, so the reason comes as an event
        yield _event(error.content)
    yield "data: [DONE]\n\n"


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"
