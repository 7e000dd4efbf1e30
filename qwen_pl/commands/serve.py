"""``serve``: answers OpenAI-style requests with a trained model, and has a page to try prompts."""

import argparse
import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

from qwen_pl.commands.options import (
    VerbParser,
    add_checkpoint_options,
    checkpoint_of,
    load_writer,
)
from qwen_pl.errors import InputError
from qwen_pl.runs import run_of
from qwen_pl.terminal import tell

KEY_VARIABLE = "QWEN_PL_API_KEY"


def main(args: list[str]) -> None:
    """Serves a trained model until Ctrl-C.

    Raises:
        InputError: If no checkpoint is found, the port is taken, or the extra is not installed.
    """
    options = _parser().parse_args(args)
    api_key = _api_key(options.api_key)
    if options.max_batch_size < 1:
        raise InputError(f"--max_batch_size is {options.max_batch_size}: it has to be at least 1")
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise InputError(f"serve needs {' and '.join(missing)}: pip install fastapi uvicorn")

    from qwen_pl.serving.server import Server, is_loopback, listen, url_of

    checkpoint = checkpoint_of(options)
    # Before the model is loaded, which takes a while to be told that the port is taken.
    with listen(options.host, options.port) as listener:
        from qwen_pl.generation.writer import Writer
        from qwen_pl.serving.app import make_app
        from qwen_pl.serving.guard import Guard
        from qwen_pl.serving.worker import Worker

        trained = load_writer(checkpoint)
        writer = Writer(trained.network, trained.tokenizer, max_batch_size=options.max_batch_size)
        worker = Worker(writer)
        created = int(checkpoint.stat().st_mtime)
        own = socket.gethostname().lower()
        app = Guard(
            make_app(worker, name=_name(checkpoint), created=created),
            is_loopback=is_loopback(listener),
            names=frozenset({options.host.lower(), own, f"{own}.local"}),  # beside the addresses
            api_key=api_key,
        )
        if not is_loopback(listener):
            whom = "everyone who can reach it may use the model: give an --api_key"
            whom = "whoever has the API key may use the model" if api_key else whom
            tell(f"warning: {options.host} is not this machine alone; {whom}", file=sys.stderr)
        tell(f"{checkpoint}: {url_of(listener)} (Ctrl-C ends it)")
        try:
            Server(app, worker, access_log=options.access_log).run(sockets=[listener])
        except KeyboardInterrupt:  # the way to end it, so no failure
            tell("stopped", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = VerbParser("serve", "Answer OpenAI-style requests, and try prompts in a browser.")
    add_checkpoint_options(parser, "to write with")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in, too")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument(
        "--api_key",
        metavar="KEY",
        help=f"what clients have to send; or set {KEY_VARIABLE}, which other users cannot see",
    )
    parser.add_argument("--max_batch_size", type=int, default=8, help="texts written at once")
    parser.add_argument("--access_log", action="store_true", help="print a line for each request")
    return parser


def _api_key(given: str | None) -> str | None:
    key = os.environ.get(KEY_VARIABLE) if given is None else given
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key != ""):
        raise InputError(f"the API key {key!r} cannot be sent: use letters, digits and signs")
    return key


def _name(checkpoint: Path) -> str:
    """What the model is called: its run, or the file where that is no run's."""
    run = run_of(checkpoint)
    return checkpoint.stem if run is None else run.name
