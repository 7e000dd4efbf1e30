"""``serve`` as a process: how it starts, what it refuses, how it ends."""

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import Run
from openai import OpenAI
from own_process import OwnProcess
from running_server import small_writer

from qwen_pl.commands import serve
from qwen_pl.commands.options import Trained


@pytest.fixture
def checkpoint(folder: Path) -> Path:
    """A file where a checkpoint is looked for; its content is never read."""
    path = folder / "old.ckpt"
    path.write_text("not read")
    return path


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    """``serve`` with a small network for every checkpoint, which ends before the first request."""
    writer = small_writer()
    trained = Trained(writer.network, writer.tokenizer, {})
    monkeypatch.setattr(serve, "load_writer", lambda checkpoint: trained)
    monkeypatch.setattr("qwen_pl.serving.server.Server.run", lambda server, sockets: None)


def test_a_trained_run_is_served_and_ctrl_c_ends_it(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    process = OwnProcess(["serve", "--run", "small", "--port", 0], folder)
    try:
        process.wait_until(lambda: "\n" in process.out)
        line, _, _ = process.out.partition("\n")
        checkpoint, url, *_ = line.split()
        assert checkpoint.endswith("step=00000002.ckpt:")
        assert url.startswith("http://127.0.0.1:")
        client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        (model,) = client.models.list().data
        assert model.id == "small"
        stream = client.completions.create(model="small", prompt="Bane", max_tokens=20, stream=True)
        chunks = [next(stream)]  # also the last where the first token drawn ends the text
        if os.name == "nt":  # has no signal that only one process gets
            return
        with ThreadPoolExecutor(1) as pool:
            ask = client.completions.create
            whole = pool.submit(ask, model="small", prompt="Bane", max_tokens=20, n=40)
            process.signal(signal.SIGINT)
            chunks += stream
            assert chunks[-1].choices[0].finish_reason in ("stop", "length")
            whole.exception()  # finished or refused at the door, but never left hanging
        outcome = process.end()
        assert (outcome.code, outcome.out, outcome.err) == (0, f"{line}\n", "stopped\n")
    finally:
        process.kill()


def test_a_model_is_called_after_its_run_or_else_after_its_file(folder: Path) -> None:
    (folder / "runs/mine/checkpoints").mkdir(parents=True)
    (folder / "runs/mine/config.yaml").touch()
    assert serve._name(Path("runs/mine/checkpoints/best.ckpt")) == "mine"
    assert serve._name(folder / "old.ckpt") == "old"


def test_a_port_that_is_taken_is_told_before_the_model_is_loaded(
    qwen_pl: Run, checkpoint: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        outcome = qwen_pl("serve", "--ckpt_path", checkpoint, "--port", port)
    assert outcome.code == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in outcome.err
    assert "--port 0" in outcome.err
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "70000"], "--port is 70000"),
        (["--port", "-1"], "--port is -1"),
        (["--host", ""], "--host is empty"),
        (["--host", "256.1.1.1"], "cannot listen on 256.1.1.1"),
        (["--host", "192.0.2.7"], "give an address of this machine"),
        (["--max_batch_size", "0"], "--max_batch_size is 0"),
        (["--api_key", ""], "the API key '' cannot be sent"),
        (["--api_key", "schlüssel"], "cannot be sent"),
        (["--run", "none", "--ckpt_path", "last"], "no checkpoint in"),
        (["--prot", "5"], "--prot"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_line(
    qwen_pl: Run, checkpoint: Path, options: list[str], words: str
) -> None:
    outcome = qwen_pl("serve", "--ckpt_path", checkpoint, *options)
    assert outcome.code == 2
    assert words in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_without_the_extra_it_says_what_to_install(
    qwen_pl: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "fastapi" else name)
    outcome = qwen_pl("serve")
    assert outcome.code == 2
    assert outcome.err == "error: serve needs fastapi: pip install fastapi uvicorn\n"


def test_it_is_reached_from_elsewhere_only_when_asked_and_warns(
    qwen_pl: Run, checkpoint: Path, served: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = []
    listen = socket.create_server

    def listen_and_tell(address: tuple, **options: object) -> socket.socket:
        bound.append(address[0])
        return listen(("127.0.0.1", 0)) if address[0] != "0.0.0.0" else listen(address, **options)

    monkeypatch.setattr(socket, "create_server", listen_and_tell)
    quiet = qwen_pl("serve", "--ckpt_path", checkpoint, "--port", 0)
    assert (quiet.code, quiet.err) == (0, "")
    assert quiet.out.startswith(f"{checkpoint}: http://127.0.0.1:")
    asked = qwen_pl("serve", "--ckpt_path", checkpoint, "--port", 0, "--host", "0.0.0.0")
    assert "warning: 0.0.0.0 is not this machine alone" in asked.err
    assert "give an --api_key" in asked.err
    monkeypatch.setenv(serve.KEY_VARIABLE, "secret-7")
    with_key = qwen_pl("serve", "--ckpt_path", checkpoint, "--port", 0, "--host", "0.0.0.0")
    assert "whoever has the API key" in with_key.err
    assert bound == ["127.0.0.1", "0.0.0.0", "0.0.0.0"]
