"""Who may ask a server, and who may not."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from http.client import HTTPResponse

import httpx
import pytest
from running_server import Running, get, post, running, small_writer
from starlette.responses import PlainTextResponse
from starlette.types import Message

from qwen_pl.generation.writer import Writer
from qwen_pl.serving.guard import Guard


@pytest.fixture(scope="module")
def writer() -> Writer:
    return small_writer()


@pytest.fixture(scope="module")
def server(writer: Writer) -> Iterator[Running]:
    with running(writer) as server:
        yield server


def ask(server: Running, **headers: str) -> httpx.Response:
    json = {"prompt": "Bane", "max_tokens": 2}
    return post(f"{server.url}/v1/completions", json=json, headers=headers)


@pytest.mark.parametrize("host", ["localhost:80", "127.0.0.1", "[::1]:7", "LocalHost", "127.0.0.9"])
def test_a_server_on_loopback_answers_to_its_names(server: Running, host: str) -> None:
    assert ask(server, Host=host).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "10.0.0.5", "localhost.evil.example", "[::1", ""])
def test_a_page_whose_name_leads_here_is_refused(server: Running, host: str) -> None:
    for response in (ask(server, Host=host), get(server.url, headers={"Host": host})):
        assert response.status_code == 403
        assert response.json()["error"]["code"] == "host_not_allowed"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://[x", "", "{url}0"])
def test_a_page_from_elsewhere_is_refused(server: Running, origin: str) -> None:
    response = ask(server, Origin=origin.format(url=server.url))
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "origin_not_allowed"
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_the_own_page_may_ask(server: Running) -> None:
    assert ask(server, Origin=server.url).status_code == 200


def test_beyond_loopback_addresses_and_own_names_are_answered(writer: Writer) -> None:
    names = frozenset({"box"})
    with running(writer, is_loopback=False, names=names) as server:
        for host in ("192.168.7.5:8000", "box", "localhost"):
            assert ask(server, Host=host).status_code == 200
        assert ask(server, Host="evil.example").status_code == 403


@pytest.mark.parametrize("is_loopback", [True, False])
def test_with_a_key_only_those_who_have_it_are_answered(writer: Writer, is_loopback: bool) -> None:
    with running(writer, is_loopback=is_loopback, api_key="secret-7") as server:
        assert ask(server, Authorization="Bearer secret-7").status_code == 200
        for key in ("Bearer secret-8", "secret-7", "Bearer", "Bearer secret-7é"):
            response = ask(server, Authorization=key.encode())
            assert response.status_code == 401
            assert response.json()["error"]["code"] == "invalid_api_key"
        assert ask(server).status_code == 401
        assert get(f"{server.url}/v1/models").status_code == 401
        assert get(server.url).status_code == 200  # the page asks for the key
        for key, status in (("secret-7", 200), ("secret-8", 401)):  # by whatever name
            named = ask(server, Authorization=f"Bearer {key}", Host="model.example")
            assert named.status_code == status


def test_a_body_that_stops_coming_is_not_waited_for(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_pl.serving.guard.SILENT_SECONDS", 0.2)
    head = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 99"
    with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port)) as connection:
        connection.sendall(f'POST /v1/completions HTTP/1.1\r\n{head}\r\n\r\n{{"prompt"'.encode())
        with HTTPResponse(connection) as response:
            response.begin()
            assert response.status == 408
            assert "did not come" in json.load(response)["error"]["message"]


HEAD = (
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 99\r\n"
)


@pytest.mark.parametrize(
    ("begin", "piece", "words"),
    [
        (b"", b"", b" 408 "),
        (b"GET / HT", b"", b" 408 "),
        (HEAD, b"X: x\r\n", b" 408 "),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /heal", b"t", b" 408 "),
        (HEAD + b"\r\n", b" ", b"did not come"),
    ],
    ids=["nothing", "half a line", "more headers for ever", "the second request", "a body"],
)
def test_what_comes_half_or_drop_by_drop_is_not_waited_for(
    server: Running, monkeypatch: pytest.MonkeyPatch, begin: bytes, piece: bytes, words: bytes
) -> None:
    monkeypatch.setattr("qwen_pl.serving.server.HEADER_SECONDS", 0.4)
    monkeypatch.setattr("qwen_pl.serving.guard.BODY_SECONDS", 0.4)
    started, received = time.monotonic(), b""
    with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port)) as connection:
        connection.settimeout(0.05)
        connection.sendall(begin)
        while words not in received:
            assert time.monotonic() - started < 20
            with contextlib.suppress(TimeoutError, ConnectionError):
                connection.sendall(piece)
                received += connection.recv(1 << 16)
    assert get(f"{server.url}/health").status_code == 200


def test_a_long_answer_is_not_cut_off_by_what_is_waited_for(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_pl.serving.server.HEADER_SECONDS", 0.5)
    with httpx.Client(timeout=60) as client:  # on one connection
        for max_tokens in (600, 5):
            body = {"prompt": "It", "max_tokens": max_tokens}
            assert client.post(f"{server.url}/v1/completions", json=body).status_code == 200


def test_bodies_that_are_too_large_together_have_to_wait(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_pl.serving.guard.MAX_HELD_BYTES", 150)
    body = {"prompt": "It", "max_tokens": 2000, "stream": True, "user": "x" * 50}
    with httpx.stream("POST", f"{server.url}/v1/completions", json=body) as first:
        assert first.status_code == 200
        refused = server.post(prompt="It", user="x" * 50)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "2")
        assert "too large together" in refused.json()["error"]["message"]
    for _ in range(100):  # until the server has seen that the first is gone
        if server.post(prompt="It", user="x" * 50).status_code == 200:
            return
        time.sleep(0.1)
    pytest.fail("what was held is not let go")


def test_a_client_that_takes_no_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_pl.serving.guard.DEAF_SECONDS", 0.1)

    async def deaf(message: Message) -> None:
        await asyncio.Event().wait()

    async def receive() -> Message:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
    with pytest.raises(OSError, match="does not take"):
        asyncio.run(Guard(PlainTextResponse("It is"))(scope, receive, deaf))
