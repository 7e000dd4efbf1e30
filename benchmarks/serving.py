"""What stays in the memory of a server that strangers ask, and does it go on answering?

    python -m benchmarks.serving [--rounds 8] [--requests 250]      # two minutes
    python -m benchmarks.serving --rounds 3 --requests 90           # the short form

Requests of each kind in ``KINDS`` are sent by turns, some at a time, to a server of a small network
in a process of its own; after each round its resident memory is read. The first round warms it up.
It ends with 1 if memory grows by more than ``--most`` MB in all the others together, if a request
got no answer that it should have got, or if the server does not answer at the end.
"""

import argparse
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import torch
from tokenizers import Tokenizer

from qwen_pl.data.tokens.tokenizer import tokenizer_state, train_tokenizer
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.training.checkpoints.checkpoint import save_checkpoint

PATIENCE = 60
"""Seconds that an answer may take."""
CONTEXT = 4096


def post(
    address: tuple[str, int], body: bytes, *, length: int | None = None, most: int | None = None
) -> str:
    """Sends a body to be completed; the status of the answer, or what came instead."""
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nConnection: close\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    )
    return raw(address, head.encode() + body, most=most)


def raw(address: tuple[str, int], content: bytes, *, most: int | None = None) -> str:
    """Sends bytes; the status of the answer, of which no more than ``most`` bytes are read."""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        # It may be refused before it was read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(content)
        return answer(connection, most)


def answer(connection: socket.socket, most: int | None = None) -> str:
    received = b""
    try:
        while (piece := connection.recv(1 << 16)) and (most is None or len(received) < most):
            received += piece[:64] if received else piece
    except ConnectionResetError:
        pass
    except TimeoutError:
        return "no answer"
    return received[9:12].decode("latin-1") if received.startswith(b"HTTP/1.1 ") else "closed"


def fields(chance: random.Random, **given: object) -> bytes:
    return json.dumps({"max_tokens": chance.randrange(1, 5)} | given).encode()


def words(chance: random.Random, count: int) -> str:
    return " ".join("".join(chance.choices("abcdefghij", k=6)) for _ in range(count))


Kind = Callable[[tuple[str, int], random.Random], str]

KINDS: dict[str, Kind] = {
    "no HTTP": lambda at, chance: raw(at, chance.randbytes(500) + b"\r\n\r\n"),
    "half of a header": lambda at, _: raw(at, b"GET / HTTP/1.1\r\nHost: x", most=0),
    "a long header": lambda at, _: raw(at, b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"),
    "a long path": lambda at, _: raw(at, b"GET /" + b"x" * 60_000 + b" HTTP/1.1\r\n\r\n"),
    "no JSON": lambda at, chance: post(at, chance.randbytes(100_000)),
    "nested JSON": lambda at, _: post(at, b'{"prompt": ' + b"[" * 500_000),
    "half of a body": lambda at, _: post(at, b"{", length=99_999, most=0),
    "a body too large": lambda at, _: post(at, b"x" * 5_000_000),
    "a length too large": lambda at, _: post(at, b"x", length=10**15),
    "a long prompt": lambda at, chance: post(at, fields(chance, prompt=words(chance, 500_000))),
    "a long word": lambda at, chance: post(at, fields(chance, prompt="ab" * 1_500_000)),
    "many ids": lambda at, chance: post(at, fields(chance, prompt=[5] * 1_000_000)),
    "any length": lambda at, chance: post(
        at, fields(chance, prompt=words(chance, chance.randrange(1, 400)))
    ),
    "any settings": lambda at, chance: post(
        at,
        fields(
            chance,
            prompt="It is",
            top_k=chance.randrange(300),
            temperature=chance.random() * 2,
            top_p=1 - chance.random(),
            stop=[words(chance, 3)] * 16,
            seed=chance.randrange(10**9),
        ),
    ),
    "many texts": lambda at, chance: post(at, fields(chance, prompt=["It is"] * 8, n=16)),
    "a long stop": lambda at, chance: post(
        at, fields(chance, prompt="It", stop=[words(chance, 10_000)] * 16)
    ),
    "many names": lambda at, chance: post(
        at, fields(chance, prompt="It", **{words(chance, 2): 1 for _ in range(20_000)})
    ),
    "another model": lambda at, chance: post(
        at, fields(chance, prompt="It", model=words(chance, 100_000))
    ),
    "half of a character": lambda at, chance: post(at, fields(chance, prompt="It \ud800")),
    "gone while it writes": lambda at, chance: post(
        at, fields(chance, prompt="It", max_tokens=3000, stream=True), most=1
    ),
}
"""What is sent; each gives the status of its answer."""


def checkpoint_in(folder: Path) -> Path:
    """A checkpoint of random weights that writes noise."""
    tokenizer = train_tokenizer([words(random.Random(0), 2000)], 400)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=448,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=CONTEXT,
        initializer_range=0.2,
    )
    path = folder / "lightning_logs/noise/checkpoints/step=00000001.ckpt"
    return saved(Qwen3ForCausalLM(config), tokenizer, path, step=1)


def saved(network: Qwen3ForCausalLM, tokenizer: Tokenizer, path: Path, *, step: int) -> Path:
    """A checkpoint of this network, as far as it is read where nothing is trained."""
    checkpoint = {
        "pytorch-lightning_version": "2.6.0",
        "global_step": step,
        "epoch": 0,
        "qwen_pl": {"version": "0", "config": asdict(network.config)},
        "state_dict": {f"model.{name}": value for name, value in network.state_dict().items()},
        "PDFDataModule": tokenizer_state(tokenizer, "here"),
    }
    save_checkpoint(checkpoint, path)
    return path


def resident_mb(pid: int) -> float:
    """Memory of a process, as Linux tells it."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--requests", type=int, default=250, help="in each round")
    parser.add_argument("--at_once", type=int, default=4)
    parser.add_argument("--most", type=float, default=40, help="MB that memory may grow by")
    parser.add_argument("--kinds", nargs="*", default=[*KINDS], choices=[*KINDS], metavar="KIND")
    options = parser.parse_args()
    outcomes: dict[str, Counter[str]] = {kind: Counter() for kind in options.kinds}
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoint_in(Path(folder))
        command = [sys.executable, "-m", "qwen_pl", "serve"]
        command += ["--ckpt_path", str(path), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            line = server.stdout.readline()
            port = int(line.rpartition(" (")[0].rpartition(":")[2])
            at = ("127.0.0.1", port)
            memory = [resident_mb(server.pid)]
            print(f"before: {memory[0]:.0f} MB", flush=True)
            chance = random.Random(0)
            for number in range(options.rounds):
                chosen = [options.kinds[i % len(options.kinds)] for i in range(options.requests)]
                with ThreadPoolExecutor(options.at_once) as pool:
                    chances = [random.Random(chance.random()) for _ in chosen]
                    sent = pool.map(lambda kind, own: KINDS[kind](at, own), chosen, chances)
                    for kind, outcome in zip(chosen, sent, strict=True):
                        outcomes[kind][outcome] += 1
                memory.append(resident_mb(server.pid))
                count = (number + 1) * options.requests
                print(f"after {count:,} requests: {memory[-1]:.0f} MB", flush=True)
            last = post(at, fields(chance, prompt="It is"))
            server.terminate()
    for kind, counted in outcomes.items():
        print(f"{kind:22}", ", ".join(f"{count} x {what}" for what, count in counted.items()))
    grown = memory[-1] - memory[1]
    silent = [kind for kind, counted in outcomes.items() if counted["no answer"]]
    print(f"grown by {grown:.0f} MB since the first round; a plain request gets {last} at the end")
    if grown > options.most or silent or last != "200":
        sys.exit(f"memory, or no answer to {silent}, or none at the end")


if __name__ == "__main__":
    main()
