"""What ``/v1/completions`` is asked: the fields of OpenAI's API, and what each may hold."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from qwen_pl.qwen_tokenizer import END_OF_TEXT

MAX_CHOICES = 128
"""Texts that one request may ask for, prompts times ``n``."""

MAX_STOPS = 16

LONGEST_STOP = 1000
"""Characters."""

Prompt = str | list[int]
"""A text, or the ids of its tokens."""


def _prompts(value: Any) -> list[Prompt]:
    """One prompt or many, as texts or as ids; always a list of prompts.

    >>> _prompts("one"), _prompts([5, 7]), _prompts(["one", "two"]), _prompts([[5, 7], [5]])
    (['one'], [[5, 7]], ['one', 'two'], [[5, 7], [5]])
    """
    prompts = [value] if isinstance(value, str) or _is_ids(value) else value
    if not isinstance(prompts, list) or not (
        all(isinstance(prompt, str) for prompt in prompts) or all(map(_is_ids, prompts))
    ):
        raise ValueError("give a text, a list of texts, a list of token ids or a list of those")
    if not prompts or not all(prompts):
        raise ValueError(f"it is empty: give {END_OF_TEXT} for the start of a document")
    for prompt in prompts:
        if isinstance(prompt, str):
            _check_unicode(prompt)
    return prompts


def _is_ids(value: Any) -> bool:
    # A bool is an int to Python. The empty list may be ids or prompts: it is refused either way.
    return isinstance(value, list) and all(type(item) is int for item in value)


def _stops(value: Any) -> tuple[str, ...]:
    stops = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise ValueError("give a text or a list of texts")
    if not all(stops):
        raise ValueError("an empty text would stop at once: leave it out")
    if len(stops) > MAX_STOPS:
        raise ValueError(f"{len(stops)} texts are too many: give up to {MAX_STOPS}")
    for stop in stops:
        _check_unicode(stop)
        if len(stop) > LONGEST_STOP:
            raise ValueError(f"a text of {len(stop):,} characters is too long: {LONGEST_STOP:,} do")
    return tuple(stops)


def _check_unicode(text: str) -> None:
    """Refuses half of a surrogate pair, which JSON can hold and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair, which is no character") from None


def _only(*taken: Any) -> BeforeValidator:
    """Takes these values alone, of a field that is there for clients that send its default."""

    def check(value: Any) -> Any:
        if isinstance(value, bool) or value not in taken:
            raise ValueError("not supported here: leave it out")
        return value

    return BeforeValidator(check)


class StreamOptions(BaseModel):
    """What a stream tells beside the text."""

    model_config = ConfigDict(extra="forbid", strict=True)

    include_usage: bool = False


class CompletionRequest(BaseModel):
    """The body of ``POST /v1/completions``; a field that is not listed is refused.

    Source: https://platform.openai.com/docs/api-reference/completions/create. ``top_k``,
    ``min_p`` and ``repetition_penalty`` are named as elsewhere (vLLM, llama.cpp);
    OpenAI's client sends them with ``extra_body``.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    prompt: Annotated[list[Prompt], BeforeValidator(_prompts)]
    model: str | None = None
    """The name that ``/v1/models`` gives; without it, the one model there is."""
    max_tokens: int | None = Field(None, ge=0, lt=2**31)
    """16 as in OpenAI's API, or what the context has room for if that is less."""
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    """-1 for all tokens, as vLLM has it; 0 as well."""
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    n: int | None = Field(None, ge=1)
    """Texts for each prompt. With a seed, the first of them is what ``n: 1`` gives."""
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Annotated[tuple[str, ...], BeforeValidator(_stops)] = ()
    echo: bool | None = None
    """Begin the text with the prompt."""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    """Taken and not used."""

    best_of: int | None = Field(None, ge=1)
    logprobs: Annotated[None, _only(None)] = None
    suffix: Annotated[str | None, _only(None, "")] = None
    logit_bias: Annotated[dict[str, float] | None, _only(None, {})] = None
    presence_penalty: Annotated[float | None, _only(None, 0)] = None
    frequency_penalty: Annotated[float | None, _only(None, 0)] = None
