"""Whatever is wrong with a request ends in a 4xx and a reason, never in a 500."""

import json
from collections.abc import Iterator

import httpx
import pytest
from running_server import CONTEXT, Running, get, post, request, running, small_writer

from qwen_pl.generation.writer import Writer
from qwen_pl.serving.request import CompletionRequest


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(small_writer()) as server:
        yield server


def refuses(response: httpx.Response, status: int, *words: str) -> None:
    """Asserts an error in OpenAI's form with these words in its message."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    for word in words:
        assert word in error["message"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prompt": ""}, "empty"),
        ({"prompt": []}, "empty"),
        ({"prompt": [[]]}, "empty"),
        ({"prompt": ["a", ""]}, "empty"),
        ({"prompt": None}, "a list of token ids"),
        ({"prompt": 5}, "a list of token ids"),
        ({"prompt": ["a", 5]}, "a list of token ids"),
        ({"prompt": [True]}, "a list of token ids"),
        ({"prompt": [1.0]}, "a list of token ids"),
        ({"prompt": [290]}, "token 290 of the prompt is not among the model's 290"),
        ({"prompt": [-1]}, "token -1"),
        ({"prompt": [10**30]}, "token 1000"),
        ({"prompt": "half \ud800"}, "half of a surrogate pair"),
        ({"prompt": [5] * CONTEXT}, f"{CONTEXT} tokens, which leaves no room"),
        ({"prompt": [5] * CONTEXT, "max_tokens": 7}, "leaves no room"),
        ({"prompt": [5, 5], "max_tokens": CONTEXT}, f"ask for up to {CONTEXT - 2}"),
        ({"max_tokens": -1}, "max_tokens is -1"),
        ({"max_tokens": 1.5}, "max_tokens is 1.5"),
        ({"max_tokens": "9"}, "max_tokens is '9'"),
        ({"max_tokens": True}, "max_tokens is True"),
        ({"max_tokens": 10**400}, "max_tokens is 1000"),
        ({"temperature": 2.1}, "temperature is 2.1"),
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_p": 0}, "top_p is 0"),
        ({"top_k": -2}, "top_k is -2"),
        ({"min_p": 1.1}, "min_p is 1.1"),
        ({"repetition_penalty": 0}, "repetition_penalty is 0"),
        ({"seed": 0.5}, "seed is 0.5"),
        ({"n": 0}, "n is 0"),
        ({"n": 129}, "up to 128 texts"),
        ({"prompt": ["a"] * 43, "n": 3}, "43 prompts times n 3"),
        ({"n": 2, "best_of": 3}, "best_of"),
        ({"stop": ""}, "stop: an empty text"),
        ({"stop": ["a"] * 17}, "17 texts are too many"),
        ({"stop": [5]}, "stop: give a text"),
        ({"stop": "\ud800"}, "surrogate"),
        ({"stream": "yes"}, "stream is 'yes'"),
        ({"stream_options": {"include_usage": True}}, "needs stream: true"),
        ({"stream": True, "stream_options": {"usage": True}}, "there is no stream_options.usage"),
        ({"echo": 1}, "echo is 1"),
        ({"logprobs": 0}, "logprobs: not supported"),
        ({"suffix": "end"}, "suffix: not supported"),
        ({"logit_bias": {"5": 1}}, "logit_bias: not supported"),
        ({"presence_penalty": 0.5}, "presence_penalty: not supported"),
        ({"frequency_penalty": -1}, "frequency_penalty: not supported"),
        ({"max_token": 5}, "there is no max_token (did you mean max_tokens?)"),
        ({"model": 5}, "model is 5"),
    ],
)
def test_a_field_that_is_wrong_is_named(server: Running, fields: dict, words: str) -> None:
    content = json.dumps({"prompt": "Bane"} | fields).encode()
    response = server.post(content)
    refuses(response, 400, words)
    assert response.json()["error"]["param"] in fields
    assert len(response.text) < 700


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has to be a JSON object"),
        (b"[1]", "has to be a JSON object"),
        (b"null", "has to be a JSON object"),
        (b"{}", "prompt is missing"),
        (b'{"prompt"', "the body is not JSON"),
        (b'{"prompt": "\xff"}', "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}", ""),
    ],
)
def test_a_body_that_is_wrong_is_refused(server: Running, content: bytes, words: str) -> None:
    refuses(server.post(content), 400, words)


@pytest.mark.parametrize("name", ["gpt-4", "", "\ud800", "x" * 5000])
def test_another_model_is_not_found(server: Running, name: str) -> None:
    response = server.post(json.dumps({"prompt": "Bane", "model": name}).encode())
    refuses(response, 404, "there is no model")
    assert response.json()["error"]["code"] == "model_not_found"


def test_what_clients_send_without_need_is_taken(server: Running) -> None:
    nothing = dict.fromkeys(CompletionRequest.model_fields.keys() - {"prompt"})
    assert server.post(prompt="Bane", **nothing).status_code == 200
    defaults = {"presence_penalty": 0, "frequency_penalty": 0.0, "best_of": 1, "user": "me"}
    assert server.post(prompt="Bane", logit_bias={}, **defaults).status_code == 200
    assert server.post(prompt="Bane", stop=[], top_k=-1, seed=-5).status_code == 200


def test_a_body_that_is_too_large_is_refused_with_and_without_its_length(server: Running) -> None:
    url, headers = f"{server.url}/v1/completions", {"Content-Type": "application/json"}
    large = b'{"prompt": "%s"}' % (b"a" * 4_200_000)
    refuses(post(url, content=large, headers=headers), 413, "4,194,304 bytes")
    pieces = (large[i : i + 300_000] for i in range(0, len(large), 300_000))
    refuses(post(url, content=pieces, headers=headers), 413, "4,194,304 bytes")


def test_only_json_is_taken(server: Running) -> None:
    url, data = f"{server.url}/v1/completions", b'{"prompt": "Bane"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        refuses(post(url, content=data, headers={"Content-Type": kind}), 415, kind)
    kind = "Application/JSON; charset=utf-8"
    assert post(url, content=data, headers={"Content-Type": kind}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/v1/completions", 405, "does not take GET"),
        ("OPTIONS", "/v1/completions", 405, "does not take OPTIONS"),
        ("POST", "/v1/models", 405, "does not take POST"),
        ("GET", "/v1", 404, "there is no /v1 here"),
        ("POST", "/v1/completions/", 404, "/v1/completions"),
        ("GET", "/v1/models/x%2Fy", 404, "there is no model x/y"),
        ("POST", "/v1/chat/completions", 404, "base model"),
        ("GET", "/docs", 404, "/docs"),
        ("GET", "/page.py", 404, "/page.py"),
        ("GET", "/%2e%2e/app.py", 404, "app.py"),
    ],
)
def test_a_path_or_method_that_is_not_there_is_named(
    server: Running, method: str, path: str, status: int, words: str
) -> None:
    body = {"json": {}} if method == "POST" else {}
    refuses(request(method, server.url + path, **body), status, words)


def test_the_server_is_well(server: Running) -> None:
    assert get(f"{server.url}/health").json() == {"status": "ok"}
    assert httpx.head(f"{server.url}/health").status_code == 200
    assert httpx.head(server.url).status_code == 200


@pytest.mark.parametrize("prompt", ["ab" * 500_000, "It is a truth. " * 100_000, "\n" * 900_000])
def test_a_prompt_that_is_far_too_long_is_refused_by_its_beginning(
    server: Running, prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = []
    encode = Writer.encode
    monkeypatch.setattr(Writer, "encode", lambda *args: encoded.append(1) or encode(*args))
    response = server.post(prompt=prompt)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "prompt")
    assert f"{len(prompt):,} characters" in error["message"]
    assert not encoded


def test_a_stop_of_any_length_is_not_looked_for(server: Running) -> None:
    response = server.post(prompt="It", stop=["x" * 1001])
    assert response.status_code == 400
    assert "1,001 characters is too long" in response.json()["error"]["message"]
