"""What do hostile files, names, exports, checkpoints and requests come to?

    python -m benchmarks.attacks [--short] [--kinds pdf text ...] [--folder KEPT]

Each attack is a command of its own in a process of its own, with a limit on its time, and its
memory is looked at when it has ended. A good end is a refusal in one line (code 2), a status in the
report on the files, or that the command does what it is there for; no traceback, no endless wait,
and nothing raw on the terminal. What can hold code holds such as writes a file, which must never be
there. A server is asked badly, and has to answer a good request after each bad one.

The last line counts the attacks that ended badly. Processes are forked off one that has loaded all,
so this needs Linux or macOS.
"""

import argparse
import contextlib
import io
import json
import os
import pickle
import re
import resource
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.hostile_pdfs import HOSTILE
from benchmarks.kills import free_port, last_of_a_fork, written_config
from qwen_pl.__main__ import main as qwen_pl

SECONDS = 60
"""Of one attack; a page of a PDF may take 20 of them by itself, as it does by default."""
MEGABYTES = 3000
"""Of any process of an attack; PyTorch alone takes some 500."""
FEW = 4
"""Attacks of each kind in the short form."""
RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What no terminal is to get."""
ESCAPES = "\x1b[31m\x1b]0;owned\x07\x9b2J\u202e"
SHORT_PDFS = ("form_in_itself", "circular_kids", "count_lies", "control_characters", "long_number")


class Attack(NamedTuple):
    """A command, or whatever else there is to be done, and what it is called in the table."""

    kind: str
    name: str
    words: list[str]


class End(NamedTuple):
    """How an attack ended."""

    how: str
    is_good: bool
    seconds: float
    megabytes: float


class Target:
    """A folder with a run, its export and a source: what is attacked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.canary = folder / "canary"
        config = written_config(folder)
        self.config = ["--config", str(config)]
        steps = ["--trainer.max_steps=3", "--trainer.enable_progress_bar=false"]
        self.fit = ["fit", *self.config, *steps]
        made = ended(self.fit, folder)
        assert made.how == "works", made.how
        self.checkpoint = next((folder / "lightning_logs").glob("*/checkpoints/step=*.ckpt"))
        self.export = folder / "export"
        words = ["export", "--out", str(self.export), "--no-check"]
        assert ended(words, folder).how == "works"

    def place(self, name: str) -> Path:
        """A path for a file or folder of an attack."""
        path = self.folder / "hostile" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def ended(words: list[str], folder: Path) -> End:
    """Runs a command in a process of its own, and tells how it ended."""
    out = folder / "printed.txt"
    started = time.monotonic()
    process = os.fork()
    if process == 0:
        _be(words, folder, out)
    usage, code = None, None
    while code is None and time.monotonic() - started < SECONDS:
        done, status, usage = os.wait4(process, os.WNOHANG)
        code = os.waitstatus_to_exitcode(status) if done else None
        time.sleep(0.01)
    if code is None:
        os.killpg(process, signal.SIGKILL)
        _, _, usage = os.wait4(process, 0)
    unit = 1e6 if sys.platform == "darwin" else 1e3
    assert usage is not None
    megabytes = usage.ru_maxrss / unit
    how, is_good = _judged(code, out.read_text(encoding="utf-8", errors="surrogateescape"))
    if megabytes > MEGABYTES:
        how, is_good = f"too much memory; {how}", False
    return End(how, is_good, time.monotonic() - started, megabytes)


def _be(words: list[str], folder: Path, out: Path) -> None:
    """Becomes the command, in the forked process."""
    with last_of_a_fork():
        os.setsid()
        os.chdir(folder)
        file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0), os.dup2(file, 1), os.dup2(file, 2)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        os.environ["HF_HUB_OFFLINE"] = "1"
        sys.argv = ["qwen_pl", *words]
        qwen_pl()


def _judged(code: int | None, printed: str) -> tuple[str, bool]:
    """How a command ended in words, and whether that is a good end."""
    lines = printed.replace("\r", "\n").strip().splitlines() or [""]
    if code is None:
        return f"does not end in {SECONDS} s", False
    if "Traceback" in printed:
        return f"traceback: {lines[-1]}", False
    if RAW.search(printed):
        return f"prints raw: {RAW.search(printed)[0]!r}", False  # type: ignore[index] # it is there
    if code == 0:
        troubled = [line for line in lines if re.search(r": \w+, ", line)]
        return (f"status: {troubled[-1]}" if troubled else "works"), True
    if code == 2 and lines[-1].startswith("error: "):
        return f"refused: {lines[-1].removeprefix('error: ')}", True
    return f"code {code}: {lines[-1]}", False


# --- the attacks ---


def pdf_attacks(target: Target, short: bool) -> Iterator[Attack]:
    """Bombs, forms in forms, circles and lies."""
    for name in SHORT_PDFS if short else HOSTILE:
        path = target.place(f"{name}.pdf")
        path.write_bytes(HOSTILE[name]())
        yield Attack("pdf", name, ["extract", str(path), "--out", "texts"])


def text_attacks(target: Target, short: bool) -> Iterator[Attack]:
    size = 200_000 if short else 25_000_000
    contents: dict[str, bytes] = {
        "escape sequences": f"Some {ESCAPES} words.\n".encode() * 50,
        "NULs": b"\0" * size,
        "NULs between": b"\0".join([b"word"] * 1000),
        "one line": b"word " * (size // 5),
        "one word": b"w" * size,
        "UTF-16 without a mark": ("Some words of a day.\n" * 500).encode("utf-16-le"),
        "not UTF-8": bytes(range(256)) * (size // 256),
        "cut in a letter": "Größe".encode()[:-2],
        "a mark alone": b"\xef\xbb\xbf",
        "nothing": b"",
        "blank lines": b"\n" * size,
        "empty pages": b"\f" * (size // 10),
        "one word a line": b"word\n" * (size // 50),
        "hyphens": b"word-\n" * (size // 50),
        "accents on one letter": b"e" + "\u0301".encode() * (size // 10),
        "turned": "\u202eworb\u2066".encode() * 1000,
        "surrogates": b"\xed\xa0\x80 word" * 1000,
        "Chinese without a stop": "好".encode() * (size // 50),
    }
    for name, content in contents.items():
        path = target.place(f"{name}.txt")
        path.write_bytes(content)
        yield Attack("text", name, ["extract", str(path), "--out", "texts"])
    yield Attack(
        "text", "tokenizer of one word", ["train-tokenizer", str(target.place("one word.txt"))]
    )


def name_attacks(target: Target, short: bool) -> Iterator[Attack]:
    """Links, pipes, devices, and what is in a name."""
    pipe, circle, outside = (target.place(name) for name in ("pipe", "circle", "outside"))
    os.mkfifo(pipe)
    circle.symlink_to(circle)
    outside.symlink_to("/etc")
    nothing = target.place("to nothing.txt")
    nothing.symlink_to("none.txt")
    escapes = target.place(f"folder {ESCAPES}\n")
    escapes.mkdir()
    (escapes / f"notes {ESCAPES}.txt").write_text("Some notes.\n")
    (escapes / f"bad {ESCAPES}.pdf").write_text("no PDF")
    turned = target.place("circles")
    turned.mkdir()
    (turned / "round").symlink_to(turned)
    (turned / "notes.txt").write_text("Some notes.\n")
    names = {
        "a pipe": pipe,
        "a circle": circle,
        "a link to nothing": nothing,
        "a link out of the folder": outside,
        "escape sequences": escapes,
        "a folder in itself": turned,
        "endless": "/dev/zero",
        "300 letters": "n" * 300,
        "not UTF-8": os.fsdecode(b"caf\xe9"),
        "none": "",
        "a device's folder": "/proc/self",
    }
    for name, path in names.items():
        yield Attack("name", f"source: {name}", ["extract", str(path), "--out", "texts"])
        yield Attack("name", f"config: {name}", ["prepare", f"--config={path}"])
        yield Attack("name", f"checkpoint: {name}", ["inspect", f"--ckpt_path={path}"])
        prompts = f"--data.prompts={path}"
        yield Attack("name", f"prompts: {name}", ["predict", *target.config, prompts])
        if path != "/proc/self":
            words = ["extract", "words.txt", f"--out={path}/texts"]
            yield Attack("name", f"output: {name}", words)
        cache = f"--data.cache_dir={path}"
        if name not in ("none", "escape sequences", "a folder in itself"):
            yield Attack("name", f"cache: {name}", ["prepare", *target.config, cache])


class Hostile:
    """Runs a command when it is unpickled: it makes a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return os.system, (f"touch '{self.canary}'",)


def checkpoint_attacks(target: Target, short: bool) -> Iterator[Attack]:
    """Pickles with code in them, archives that lie, and checkpoints of absurd sizes."""
    good = torch.load(target.checkpoint, weights_only=True)
    code = Hostile(target.canary)
    files: dict[str, bytes] = {
        "a pickle with code": pickle.dumps(code),
        "code in torch's archive": _saved(good | {"more": code}),
        "code in an old form": _saved({"state_dict": code}, old=True),
        "code for a number": _saved(good | {"global_step": code}),
        "an archive of zeros": _archive({"archive/data.pkl": b"\0" * (1 << (20 if short else 30))}),
        "an archive with a way out": _archive({"../../out.pkl": pickle.dumps(1)}),
        "half of it": target.checkpoint.read_bytes()[: target.checkpoint.stat().st_size // 2],
        "nothing": b"",
        "a list": _saved([1, 2, 3]),
        "no settings": _saved(good | {"qwen_pl": {}}),
        "a number for settings": _saved(good | {"qwen_pl": 7}),
        "no weights": _saved(good | {"state_dict": {}}),
        "escape sequences": _saved(good | {"qwen_pl": good["qwen_pl"] | {"version": ESCAPES}}),
        "a tokenizer of nothing": _saved(
            good | {"PDFDataModule": good["PDFDataModule"] | {"tokenizer": "{}"}}
        ),
        "a step of 10^300": _saved(good | {"global_step": 10**300}),
    }
    for name, value in ABSURD.items():
        config = good["qwen_pl"]["config"] | value
        files[f"sizes: {name}"] = _saved(good | {"qwen_pl": good["qwen_pl"] | {"config": config}})
    verbs: dict[str, list[str]] = {
        "inspect": ["inspect"],
        "generate": ["generate", "--prompt=x", "--max_new_tokens=2"],
        "fit": target.fit,
        "export": ["export", "--out=other", "--no-check"],
        "validate": ["validate", *target.config],
    }
    for name, content in files.items():
        path = target.place(f"{name.replace(' ', '-').replace(':', '')}.ckpt")
        path.write_bytes(content)
        for verb, words in verbs.items():
            yield Attack("checkpoint", f"{name} ({verb})", [*words, f"--ckpt_path={path}"])
        words = ["consolidate", str(path), str(target.place(f"{path.stem}-consolidated"))]
        yield Attack("checkpoint", f"{name} (consolidate)", words)


ABSURD: dict[str, dict[str, Any]] = {
    "wide": {"hidden_size": 10**12},
    "deep": {"num_hidden_layers": 10**9},
    "long": {"max_position_embeddings": 10**18},
    "many ids": {"vocab_size": 10**12},
    "negative": {"intermediate_size": -1},
    "nothing": {"num_attention_heads": 0},
    "a text": {"hidden_size": f"16{ESCAPES}"},
    "no number": {"rms_norm_eps": float("nan")},
    "a list": {"head_dim": [6]},
    "endless": {"rope_theta": 1e308},
}
"""Settings of a network that none can have."""


def _saved(value: object, *, old: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=not old)
    return file.getvalue()


def _archive(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def export_attacks(target: Target, short: bool) -> Iterator[Attack]:
    """Folders of others, as `model.from_pretrained` and `data.tokenizer` take them."""
    config = json.loads((target.export / "config.json").read_text())
    weights = (target.export / "model.safetensors").read_bytes()
    tokenizer = (target.export / "tokenizer.json").read_text()
    size = struct.unpack("<Q", weights[:8])[0]
    header = json.loads(weights[8 : 8 + size])
    first = next(name for name in header if name != "__metadata__")
    deep = "[" * 100_000 + "]" * 100_000
    changes: dict[str, dict[str, bytes | str | None]] = {
        "config: deep": {"config.json": deep},
        "config: no object": {"config.json": "[]"},
        "config: half": {"config.json": json.dumps(config)[:50]},
        "config: not UTF-8": {"config.json": b"\xff\xfe{}"},
        "config: of another model": {"config.json": json.dumps(config | {"model_type": ESCAPES})},
        "weights: a header of 2^63 bytes": {
            "model.safetensors": struct.pack("<Q", 1 << 63) + weights[8:]
        },
        "weights: a deep header": {"model.safetensors": _weights(deep.encode())},
        "weights: beyond the end": {
            "model.safetensors": _lie(header, first, weights, data_offsets=[0, 1 << 60])
        },
        "weights: of 10^18 rows": {
            "model.safetensors": _lie(header, first, weights, shape=[10**18, 16])
        },
        "weights: of no kind": {"model.safetensors": _lie(header, first, weights, dtype=ESCAPES)},
        "weights: half": {"model.safetensors": weights[: len(weights) // 2]},
        "weights: nothing": {"model.safetensors": b""},
        "weights: a pickle": {
            "model.safetensors": None,
            "pytorch_model.bin": pickle.dumps(Hostile(target.canary)),
        },
        "weights: elsewhere": {
            "model.safetensors": None,
            "model.safetensors.index.json": json.dumps({"weight_map": {first: "/etc/passwd"}}),
        },
        "weights: an index of lists": {
            "model.safetensors": None,
            "model.safetensors.index.json": json.dumps({"weight_map": [[]]}),
        },
        "tokenizer: half": {"tokenizer.json": tokenizer[: len(tokenizer) // 2]},
        "tokenizer: deep": {"tokenizer.json": deep},
        "tokenizer: nothing": {"tokenizer.json": ""},
        "tokenizer: an id of 10^9": {
            "tokenizer.json": tokenizer.replace('"id": 0', '"id": 1000000000', 1)
        },
        "tokenizer: a pickle": {"tokenizer.json": pickle.dumps(Hostile(target.canary))},
    }
    for name, value in ABSURD.items():
        changes[f"sizes: {name}"] = {"config.json": json.dumps(config | value)}
    for number, (name, files) in enumerate(changes.items()):
        folder = target.place(f"export-{number}")
        shutil.copytree(target.export, folder)
        for file, content in files.items():
            (folder / file).unlink(missing_ok=True)
            if content is not None:
                raw = content.encode() if isinstance(content, str) else content
                (folder / file).write_bytes(raw)
        if name.startswith("tokenizer"):
            yield Attack("export", f"{name} (tokenize)", ["tokenize", "x", f"--tokenizer={folder}"])
        words = [*target.fit, f"--run=of-{number}", f"--model.from_pretrained={folder}"]
        yield Attack("export", f"{name} (fit)", words)


def _weights(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def _lie(header: dict[str, Any], name: str, weights: bytes, **lies: Any) -> bytes:
    """The same weights, of which the header says something else."""
    size = struct.unpack("<Q", weights[:8])[0]
    changed = header | {name: header[name] | lies}
    return _weights(json.dumps(changed).encode(), weights[8 + size :])


# --- a server ---


_HOST = b"Host: 127.0.0.1\r\nContent-Type: application/json\r\n"
_POST = b"POST /v1/completions HTTP/1.1\r\n" + _HOST


def _completion(body: bytes) -> bytes:
    """The request for a completion that has this body."""
    return _POST + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def requests(short: bool) -> dict[str, bytes]:
    """What is sent to a server, byte for byte."""
    much = 300_000 if short else 60_000_000
    good = json.dumps({"prompt": "Bane", "max_tokens": 2}).encode()
    bodies: dict[str, bytes] = {
        "deep JSON": b"[" * 100_000,
        "half of a JSON": good[:10],
        "not UTF-8": b"\xff" * 100,
        "a huge body": json.dumps({"prompt": "x" * much}).encode(),
        "no object": b"7",
        "a list for a number": b'{"prompt": "x", "max_tokens": []}',
        "a number of 10^300": b'{"prompt": "x", "max_tokens": 1' + b"0" * 300 + b"}",
        "NaN": b'{"prompt": "x", "temperature": NaN}',
        "escape sequences": json.dumps({"prompt": ESCAPES, "max_tokens": ESCAPES}).encode(),
        "an unpaired surrogate": b'{"prompt": "\\ud800", "max_tokens": 1}',
        "ids that are none": b'{"prompt": [999999999, -1], "max_tokens": 1}',
        "100,000 prompts": json.dumps({"prompt": ["x"] * (much // 100)}).encode(),
        "many samples": b'{"prompt": "x", "max_tokens": 1, "n": 100000000}',
        "many tokens": b'{"prompt": "x", "max_tokens": 1000000000}',
        "a name for a name": b'{"prompt": "x", "model": {"a": []}}',
        "stops of nothing": b'{"prompt": "x", "max_tokens": 2, "stop": ["", "", "", ""]}',
    }
    sent = {name: _completion(body) for name, body in bodies.items()}
    return sent | {
        "half a header": _POST[:40],
        "a length that lies": _POST + b"Content-Length: 1000000\r\n\r\n{}",
        "a length of 10^30": _POST + b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\n{}",
        "a length below zero": _POST + b"Content-Length: -5\r\n\r\n{}",
        "chunks of nothing": _POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "a long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n",
        "a way out": b"GET /../../../etc/passwd HTTP/1.1\r\n" + _HOST + b"\r\n",
        "many headers": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + _HOST + b"\r\n",
        "another host": b"GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "no HTTP": bytes(range(256)) * 20,
        "no word": b"\r\n" * 1000,
    }


class Served:
    """A server in a process of its own."""

    def __init__(self, target: Target) -> None:
        self.port = free_port()
        self.out = target.folder / "served.txt"
        self.process = os.fork()
        if self.process == 0:
            words = ["serve", f"--port={self.port}", f"--ckpt_path={target.checkpoint}"]
            _be(words, target.folder, self.out)
        last = time.monotonic() + SECONDS
        while not self.is_well():
            assert time.monotonic() < last, "the server does not begin"
            time.sleep(0.1)

    def ask(self, sent: bytes, seconds: float) -> str:
        """The first line of the answer to what is sent; what there was instead if there is none."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(sent)
                answer = connection.recv(1 << 16)
        except TimeoutError:
            return "waits for more"
        except OSError:
            return "hangs up"
        return answer.split(b"\r\n")[0].decode(errors="replace") or "hangs up"

    def is_well(self) -> bool:
        """Whether it answers a good request."""
        sent = _completion(b'{"prompt": "Bane", "max_tokens": 1}')
        return self.ask(sent, SECONDS).startswith("HTTP/1.1 200")

    def megabytes(self) -> float:
        """What it has in memory now, where the system tells."""
        with contextlib.suppress(OSError):
            pages = Path(f"/proc/{self.process}/statm").read_text().split()[1]
            return int(pages) * resource.getpagesize() / 1e6
        return 0.0

    def end(self) -> str:
        """Ends it, and gives what it has printed."""
        os.killpg(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        return self.out.read_text(encoding="utf-8", errors="surrogateescape")


def attack_server(target: Target, short: bool) -> Iterator[tuple[str, End]]:
    """Sends each request, and a good one after it, while others are held open."""
    server = Served(target)
    held: list[socket.socket] = []
    try:
        for name, sent in requests(short).items():
            started = time.monotonic()
            told = server.ask(sent, 0.5 if short else 5)
            is_good = server.is_well() and "HTTP/1.1 5" not in told
            yield name, End(told, is_good, time.monotonic() - started, server.megabytes())
        started = time.monotonic()
        for _ in range(20 if short else 300):
            held.append(socket.create_connection(("127.0.0.1", server.port)))
            held[-1].sendall(b"POST /v1/completions HTTP/1.1\r\nHost: 127")
        well = server.is_well()
        told = "others are served" if well else "others wait"
        yield "many half requests", End(told, well, time.monotonic() - started, server.megabytes())
        started = time.monotonic()
        long = _completion(b'{"prompt": "x", "max_tokens": 500, "stream": true}')
        for _ in range(5 if short else 100):
            server.ask(long, 0.05)
        well = server.is_well()
        told = "others are served" if well else "others wait"
        yield (
            "streams that are left",
            End(told, well, time.monotonic() - started, server.megabytes()),
        )
    finally:
        for connection in held:
            connection.close()
        printed = server.end()
    bad = "Traceback" in printed or RAW.search(printed) is not None
    yield "what it has printed", End("a traceback or raw" if bad else "clean", not bad, 0.0, 0.0)


# --- the table ---


COMMANDS = {
    "pdf": pdf_attacks,
    "text": text_attacks,
    "name": name_attacks,
    "checkpoint": checkpoint_attacks,
    "export": export_attacks,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    kinds = [*COMMANDS, "request"]
    parser.add_argument("--short", action="store_true", help="some attacks of each kind, smaller")
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--folder", type=Path, help="for all that is made, which is then kept")
    options = parser.parse_args()
    torch.set_num_threads(1)  # threads that have worked would not survive a fork
    folder = options.folder or Path(tempfile.mkdtemp(prefix="attacks-"))
    folder.mkdir(parents=True, exist_ok=True)
    num_bad = num_all = 0
    try:
        for kind, name, end in ends(Target(folder.resolve()), options.kinds, options.short):
            num_all, num_bad = num_all + 1, num_bad + (not end.is_good)
            print(row(kind, name, end), flush=True)
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{num_all} attacks, {num_bad} ended badly")
    sys.exit(num_bad > 0)


def ends(target: Target, kinds: list[str], short: bool) -> Iterator[tuple[str, str, End]]:
    """How each attack ended, under its kind and name."""
    for kind in kinds:
        if kind == "request":
            yield from (("request", name, end) for name, end in attack_server(target, short))
            continue
        attacks = list(COMMANDS[kind](target, short))
        if short:  # spread over all of the kind
            attacks = attacks[:: max(1, len(attacks) // FEW)]
        for attack in attacks:
            end = ended(attack.words, target.folder)
            if target.canary.exists():
                target.canary.unlink()
                end = end._replace(how=f"EXECUTED; {end.how}", is_good=False)
            yield kind, attack.name, end


def row(kind: str, name: str, end: End) -> str:
    """A line of the table, in which what a terminal would obey is escaped."""
    how = end.how.encode("unicode_escape").decode()[:90]
    sign = "ok " if end.is_good else "BAD"
    return f"{sign} {kind:<10} {name:<44} {end.seconds:5.1f} s {end.megabytes:6,.0f} MB  {how}"


if __name__ == "__main__":
    main()
