"""What OpenAI's client gets from the server: whole texts, streams, many at once."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import torch
from openai import (
    APIError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    OpenAI,
    RateLimitError,
)
from running_server import CONTEXT, TIMEOUT, Running, get, running, small_writer

from qwen_pl.generation.sampling import Sampling


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(small_writer()) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Running) -> OpenAI:
    return server.client


def wait_until(condition: Callable[[], bool], seconds: float = TIMEOUT) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_the_models_are_one_by_name(client: OpenAI) -> None:
    (model,) = client.models.list().data
    assert (model.id, model.object, model.owned_by) == ("noise", "model", "qwen_pl")
    assert client.models.retrieve("noise") == model
    with pytest.raises(NotFoundError, match="this server has noise"):
        client.models.retrieve("gpt-4")


def test_a_completion_is_what_the_writer_writes(client: OpenAI, server: Running) -> None:
    answer = client.completions.create(model="noise", prompt="Bane tol", max_tokens=9, seed=3)
    sampling = Sampling(max_new_tokens=9, temperature=1, top_p=1, top_k=0, seed=3)
    (written,) = server.writer.write(["Bane tol"], sampling)
    assert answer.choices[0].text == written.text
    assert (answer.object, answer.model, answer.choices[0].index) == ("text_completion", "noise", 0)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.prompt_tokens == written.num_prompt_tokens
    assert answer.usage.completion_tokens == 9
    assert answer.usage.total_tokens == written.num_prompt_tokens + 9


def test_texts_asked_for_at_once_are_those_that_are_written_alone(device: torch.device) -> None:
    prompts = [f"Bane {number}" * (1 + number) for number in range(9)]

    def ask(number: int) -> str:
        answer = server.client.completions.create(
            model="noise", prompt=prompts[number], max_tokens=12 + number, temperature=0
        )
        return answer.choices[0].text

    with running(small_writer(device=device)) as server, ThreadPoolExecutor(9) as pool:
        together = list(pool.map(ask, range(9)))
        assert together == [ask(number) for number in range(9)]


def test_without_max_tokens_there_are_sixteen_or_what_fits(client: OpenAI) -> None:
    def length(num_prompt_tokens: int) -> int:
        prompt = [5] * num_prompt_tokens
        return client.completions.create(model="noise", prompt=prompt).usage.completion_tokens

    assert (length(4), length(CONTEXT - 3)) == (16, 3)


def test_settings_reach_the_writer(client: OpenAI, server: Running) -> None:
    answer = client.completions.create(
        model="noise",
        prompt="Bane",
        max_tokens=40,
        temperature=0.7,
        top_p=0.9,
        seed=4,
        extra_body={"top_k": 7, "min_p": 0.01, "repetition_penalty": 1.3},
    )
    sampling = Sampling(40, 0.7, top_k=7, top_p=0.9, min_p=0.01, repetition_penalty=1.3, seed=4)
    assert answer.choices[0].text == server.writer.write(["Bane"], sampling)[0].text


def test_every_prompt_gets_n_texts_in_order(client: OpenAI) -> None:
    settings = {"model": "noise", "max_tokens": 6, "seed": 20}
    both = client.completions.create(prompt=["Bane", "Ri ne"], n=3, **settings)
    assert [choice.index for choice in both.choices] == list(range(6))
    alone = client.completions.create(prompt="Ri ne", **settings)
    assert both.choices[3].text == alone.choices[0].text
    assert len({choice.text for choice in both.choices}) == 6
    assert both.usage.completion_tokens == 36
    bane = client.completions.create(prompt="Bane", **settings)
    assert both.usage.prompt_tokens == bane.usage.prompt_tokens + alone.usage.prompt_tokens


def test_ids_are_as_good_as_their_text(client: OpenAI, server: Running) -> None:
    ids = server.writer.encode("Bane tol")
    settings = {"model": "noise", "max_tokens": 7, "temperature": 0, "echo": True}
    text = client.completions.create(prompt="Bane tol", **settings).choices[0].text
    assert text.startswith("Bane tol") and len(text) > len("Bane tol")
    for prompt in (ids, [ids]):
        assert client.completions.create(prompt=prompt, **settings).choices[0].text == text


@pytest.mark.parametrize("echo", [False, True])
def test_a_stream_is_the_same_text_in_pieces(client: OpenAI, echo: bool) -> None:
    settings = {"model": "noise", "prompt": ["Ba", "Ri"], "n": 2, "max_tokens": 60, "seed": 5}
    whole = client.completions.create(echo=echo, **settings)
    stream = client.completions.create(
        stream=True, stream_options={"include_usage": True}, echo=echo, **settings
    )
    *pieces, last = stream
    texts, reasons = [""] * 4, [None] * 4
    for piece in pieces:
        (choice,) = piece.choices
        assert piece.usage is None and piece.id == last.id
        texts[choice.index] += choice.text
        reasons[choice.index] = choice.finish_reason
    assert texts == [choice.text for choice in whole.choices]
    assert reasons == ["length"] * 4
    assert len(pieces) > 40
    assert (last.choices, last.usage) == ([], whole.usage)


def test_a_stop_string_ends_the_text_before_it(client: OpenAI) -> None:
    settings = {"model": "noise", "prompt": "Bane", "max_tokens": 50, "seed": 6}
    text = client.completions.create(**settings).choices[0].text
    stop = text[9:12]
    for kind in (stop, [stop, "never there"]):
        answer = client.completions.create(stop=kind, **settings)
        assert answer.choices[0].text == text[: text.index(stop)]
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage.completion_tokens < 50
    stream = client.completions.create(stop=stop, stream=True, **settings)
    pieces = [piece.choices[0] for piece in stream]
    assert "".join(piece.text for piece in pieces) == text[: text.index(stop)]
    assert pieces[-1].finish_reason == "stop"


def test_an_end_token_ends_the_text() -> None:
    writer = small_writer()
    (endless,) = writer.write(["Bane"], Sampling(200, temperature=1, top_k=0, top_p=1, seed=7))
    writer.stop_ids = frozenset(range(40))
    with running(writer) as server:
        answer = server.client.completions.create(
            model="noise", prompt="Bane", max_tokens=200, seed=7
        )
    (choice,) = answer.choices
    assert choice.finish_reason == "stop"
    assert choice.text and endless.text.startswith(choice.text)
    assert answer.usage.completion_tokens < 200


def test_no_tokens_are_a_text_as_well(client: OpenAI) -> None:
    settings = {"model": "noise", "prompt": "Bane", "max_tokens": 0}
    answer = client.completions.create(echo=True, **settings)
    assert (answer.choices[0].text, answer.usage.completion_tokens) == ("Bane", 0)
    stream = client.completions.create(stream=True, **settings)
    assert [piece.choices[0].finish_reason for piece in stream] == ["length"]


def test_many_requests_at_once_each_get_what_they_get_alone(client: OpenAI) -> None:
    def ask(number: int) -> tuple[str, int]:
        settings = {"prompt": "Ne ri " * (1 + number % 7), "max_tokens": 5 + 3 * number}
        temperature = 0.0 if number % 2 else 1.2
        if number % 3:
            stream = client.completions.create(
                model="noise", stream=True, temperature=temperature, seed=number, **settings
            )
            return "".join(piece.choices[0].text for piece in stream)
        answer = client.completions.create(
            model="noise", temperature=temperature, seed=number, **settings
        )
        return answer.choices[0].text

    alone = [ask(number) for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(20))) == alone
    assert len(set(alone)) == 20


def test_a_stream_that_is_dropped_frees_its_row(client: OpenAI, server: Running) -> None:
    stream = client.completions.create(
        model="noise", prompt="Bane", max_tokens=2900, temperature=0, stream=True
    )
    next(stream)
    (row,) = server.worker.engine.rows
    stream.close()
    wait_until(lambda: server.worker.num_texts == 0)
    assert server.worker.engine.is_idle
    assert 0 < len(row.new_ids) < 2900


def test_a_client_that_hangs_up_frees_its_rows(server: Running) -> None:
    engine, rows = server.worker.engine, []
    body = json.dumps({"prompt": ["Bane", "Ri"], "max_tokens": 2900, "n": 4})
    head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    address = ("127.0.0.1", httpx.URL(server.url).port)
    with socket.create_connection(address) as connection:
        connection.sendall(f"POST /v1/completions HTTP/1.1\r\n{head}\r\n\r\n{body}".encode())
        # Five are at work and three wait.
        wait_until(lambda: rows.extend([*engine.rows, *engine.queue]) or len(set(rows)) == 8)
    wait_until(lambda: server.worker.num_texts == 0)
    assert engine.is_idle
    assert all(len(row.new_ids) < 2900 for row in rows)


def test_more_than_can_wait_are_asked_to_come_again() -> None:
    with running(small_writer(max_batch_size=1), max_waiting=2) as server:
        ask = server.client.completions.create
        settings = {"model": "noise", "prompt": "Bane", "temperature": 0, "stream": True}
        first = ask(max_tokens=2900, **settings)
        next(first)
        waiting = ask(max_tokens=3, n=2, **settings)
        with pytest.raises(RateLimitError, match="ask again") as error:
            ask(max_tokens=3, **settings)
        assert error.value.response.headers["retry-after"]
        first.close()
        assert sum(len(piece.choices[0].text) for piece in waiting) > 0  # none was lost
        assert ask(max_tokens=3, **settings)


def test_a_server_that_stops_tells_those_at_work_and_those_who_come() -> None:
    with running(small_writer()) as server, ThreadPoolExecutor(1) as pool:
        settings = {"model": "noise", "prompt": "Bane", "max_tokens": 2900}
        stream = server.client.completions.create(stream=True, **settings)
        next(stream)
        whole = pool.submit(server.client.completions.create, **settings)
        wait_until(lambda: server.worker.num_texts == 2)
        server.worker.stop()
        with pytest.raises(APIError, match="the server is stopping"):
            list(stream)
        for answer in (whole.result, lambda: server.client.completions.create(**settings)):
            with pytest.raises(InternalServerError, match="the server is stopping"):
                answer()
        assert get(f"{server.url}/health").status_code == 503


def test_a_step_that_fails_fails_its_requests_and_no_later_ones(
    client: OpenAI, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise MemoryError("no memory left")

    monkeypatch.setattr(server.worker.engine, "step", fail)
    with pytest.raises(InternalServerError, match="no memory left"):
        client.completions.create(model="noise", prompt="Bane")
    assert client.completions.create(model="noise", prompt="Bane").choices[0].text


def test_what_openai_has_and_this_has_not_is_refused(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="logprobs: not supported here"):
        client.completions.create(model="noise", prompt="Bane", logprobs=2)
    with pytest.raises(NotFoundError, match="cannot chat: use /v1/completions"):
        client.chat.completions.create(model="noise", messages=[{"role": "user", "content": "?"}])
    with pytest.raises(NotFoundError, match="there is no /v1/embeddings here"):
        client.embeddings.create(model="noise", input="Bane")
