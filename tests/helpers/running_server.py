"""A server in a thread, with a small network of random weights, for the tests of serving."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import httpx
import torch
from openai import OpenAI
from pdf_writer import made_up_pages

from qwen_pl.data.tokens.tokenizer import train_tokenizer
from qwen_pl.generation.writer import Writer
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.serving.app import make_app
from qwen_pl.serving.guard import Guard
from qwen_pl.serving.server import Server, listen, url_of
from qwen_pl.serving.worker import Worker

CONTEXT = 3000
TIMEOUT = 120
"""Seconds that an answer may take, on a busy machine too."""
request = partial(httpx.request, timeout=TIMEOUT)
get = partial(request, "GET")
post = partial(request, "POST")


def small_writer(max_batch_size: int = 5, device: torch.device | str = "cpu") -> Writer:
    """Writes noise, a thousand tokens a second, that no end token ends."""
    tokenizer = train_tokenizer((" ".join(page) for page in made_up_pages(4)), 290)
    torch.manual_seed(11)
    config = Qwen3Config(
        vocab_size=307,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=10,
        max_position_embeddings=CONTEXT,
        initializer_range=0.2,
        tie_word_embeddings=False,
    )
    network = Qwen3ForCausalLM(config).eval().to(device)
    writer = Writer(network, tokenizer, max_batch_size=max_batch_size)
    writer.stop_ids = frozenset()
    return writer


class Running(NamedTuple):
    url: str
    worker: Worker

    @property
    def writer(self) -> Writer:
        return self.worker.writer

    @property
    def client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=TIMEOUT)

    def post(self, content: bytes | None = None, **fields: Any) -> httpx.Response:
        """Sends a completion request, of these fields or with this body."""
        if content is not None:
            headers = {"Content-Type": "application/json"}
            return post(f"{self.url}/v1/completions", content=content, headers=headers)
        return post(f"{self.url}/v1/completions", json=fields)


@contextmanager
def running(writer: Writer, max_waiting: int = 256, **guard: Any) -> Iterator[Running]:
    """A server of this writer on a free port, until the block ends."""
    worker = Worker(writer, max_waiting)
    with listen("127.0.0.1", 0) as listener:
        app = make_app(worker, name="noise", created=5)
        server = Server(Guard(app, **guard), worker)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Running(url_of(listener), worker)
        finally:
            worker.stop()
            server.should_exit = True
            thread.join()
