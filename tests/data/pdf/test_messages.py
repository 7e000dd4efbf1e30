"""A reading process may say or do anything: it ends as the status of its file, in a clean line."""

import dataclasses
import json
import random
import time
from pathlib import Path
from typing import Any, get_args

import pytest

from qwen_pl.data.cleaning.clean import clean_pages
from qwen_pl.data.page.line import Line
from qwen_pl.data.pdf import messages
from qwen_pl.data.pdf.child import Status
from qwen_pl.data.pdf.guards import peak_memory_mb
from qwen_pl.data.pdf.read import PdfLimits, PdfText, read_pdf
from qwen_pl.data.report.file_report import describe_file

READY = {"type": "ready"}
OPENED = {"type": "opened", "num_pages": 2, "producer": "p", "caveat": "", "damage": ""}
LINE = ["text", 1.5, 2, 10, 30, "CMR10", 90]
BOX = [0, 0.5, 600, 800]
SHEET = [[LINE, LINE], BOX, [BOX], [BOX, BOX]]
PAGE = {"type": "page", "sheet": SHEET, "error": ""}
FAILED = {"type": "failed", "status": "corrupt", "reason": "why"}
NESTED = b'{"type": "page", "error": "", "sheet": ' + b"[" * 100_000

WORKER = """
import os, sys, signal
says = open({says!r}, "rb").read()
def say(content=says):
    sys.stdout.buffer.write(content)
    sys.stdout.flush()
{deed}
"""


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Reads a file by a process that says what it is told to, does the deed, and ends."""

    def read_with(*says: Any, deed: str = "say()", **limits: float) -> PdfText:
        lines = [m if isinstance(m, bytes) else json.dumps(m).encode() + b"\n" for m in says]
        (tmp_path / "says").write_bytes(b"".join(lines))
        code = WORKER.format(says=str(tmp_path / "says"), deed=deed)
        (tmp_path / "said_worker.py").write_text(code)
        (tmp_path / "some.pdf").touch()
        started = time.monotonic()
        kept = PdfLimits(**{"page_seconds": 4, "file_seconds": 12, **limits})
        pdf = read_pdf(tmp_path / "some.pdf", limits=kept)
        assert time.monotonic() - started < kept.file_seconds + 8
        return pdf

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(messages, "_WORKER", "said_worker")
    return read_with


def check(pdf: PdfText) -> None:
    """That a result is one which all that comes after it can take."""
    assert pdf.status in get_args(Status)
    assert pdf.reason or pdf.status == "ok"
    assert len(pdf.pages) <= max(pdf.num_pages, 0) <= 1_000_000
    if pdf.status in ("ok", "empty"):
        assert len(pdf.pages) == pdf.num_pages
    for text in (pdf.reason, pdf.producer):
        assert text.isprintable()
        assert len(text.encode()) < 1000
    for page in pdf.pages:
        for line in page:
            assert isinstance(line, Line)
            line.text.encode()
            assert all(type(v) is float and abs(v) <= 1e6 for v in line[1:5])
    json.dumps(dataclasses.asdict(pdf), default=str, allow_nan=False)
    clean = clean_pages(pdf.pages)
    json.dumps(describe_file(pdf.path, "0" * 64, pdf, clean).to_json(), allow_nan=False).encode()


def test_a_conversation_as_it_should_be_is_believed(read) -> None:
    pdf = read(READY, OPENED, PAGE, PAGE)
    assert (pdf.status, pdf.reason, pdf.producer) == ("ok", "", "p")
    assert pdf.pages == [[Line(*LINE)] * 2] * 2


def test_pages_that_are_cut_keep_their_lines_and_cost_no_time(read) -> None:
    cut = PAGE | {"error": "too much"}
    deed = "import time\nfor line in says.splitlines(True): say(line); time.sleep(0.5)"
    pdf = read(READY, OPENED | {"num_pages": 4}, *[cut] * 4, deed=deed, page_seconds=0.9)
    assert pdf.pages == [[Line(*LINE)] * 2] * 4
    reason = "page 1: too much; 4 pages lost or cut in all"
    assert (pdf.status, pdf.reason) == ("partial", reason)


ODD = [[], {}, None, 0, -1, True, "x", [[]], {"a": 1}, 1e308, -1e308, 10**12, 10**400, "\ud800"]
ODD += [float("nan"), float("inf"), "\x1b[31m\n", 2.0]


@pytest.mark.parametrize("odd", [*ODD, {"type": []}, {"type": "page"}, {"type": "bye"}], ids=repr)
def test_what_is_no_message_ends_the_reading(read, odd: Any) -> None:
    for before in ([], [READY], [READY, OPENED], [READY, OPENED, PAGE]):
        pdf = read(*before, odd, PAGE, PAGE)
        check(pdf)
        assert pdf.status == ("partial" if PAGE in before else "crashed")
        assert "makes no sense" in pdf.reason


VALUES = [(OPENED, name) for name in ("num_pages", "producer", "caveat", "damage")]
VALUES += [(PAGE, "sheet"), (PAGE, "error"), (FAILED, "status"), (FAILED, "reason")]


@pytest.mark.parametrize(("message", "name"), VALUES, ids=lambda value: str(value)[:12])
def test_a_value_is_what_it_should_be_or_ends_the_reading(read, message: dict, name: str) -> None:
    for odd in ODD:
        said = [READY, *([OPENED, PAGE] if message is PAGE else []), message | {name: odd}]
        pdf = read(*said, PAGE, PAGE)
        check(pdf)
        if type(odd) is not type(message[name]):
            assert "makes no sense" in pdf.reason


@pytest.mark.parametrize("index", range(len(LINE)))
def test_a_line_is_text_and_a_place_or_ends_the_reading(read, index: int) -> None:
    for odd in ODD:
        line = [*LINE[:index], odd, *LINE[index + 1 :]]
        pdf = read(READY, OPENED, PAGE, PAGE | {"sheet": [[LINE, line], *SHEET[1:]]})
        check(pdf)
        is_number = type(odd) in (int, float) and -1e308 < odd < 3
        is_right = isinstance(odd, str) if isinstance(LINE[index], str) else is_number
        if index in (3, 6):  # sizes, and turns by quarters
            is_right = is_right and (odd >= 0 if index == 3 else odd == 0)
        assert pdf.status == ("ok" if is_right else "partial")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ([READY, OPENED, OPENED, PAGE, PAGE], "crashed"),
        ([OPENED, PAGE, PAGE], "crashed"),
        ([READY, PAGE, PAGE], "crashed"),
        ([READY, FAILED, OPENED, PAGE], "corrupt"),
        ([READY, OPENED, PAGE, PAGE, PAGE, FAILED, b"\xff"], "ok"),
        ([READY, OPENED, PAGE, FAILED], "partial"),
        ([READY, OPENED, PAGE], "partial"),
        ([READY, OPENED, PAGE | {"error": "cut"}], "partial"),
        ([READY, OPENED, PAGE | {"more": 1}], "crashed"),
        ([READY, OPENED, b'{"type": "page", "sheet": [], "sheet": [], "error": ""}\n'], "crashed"),
        ([READY, OPENED, b"\xff\xfe\n"], "crashed"),
        ([READY, OPENED, NESTED + b"\n"], "crashed"),
        ([READY, OPENED, NESTED], "crashed"),
        ([READY, OPENED, b"9" * 10_000 + b"\n"], "crashed"),
        ([READY, OPENED | {"num_pages": 10**6}], "crashed"),
        ([READY, FAILED | {"status": "ok"}], "crashed"),
    ],
)
def test_messages_out_of_order_or_form_end_the_reading(read, said: list, status: str) -> None:
    pdf = read(*said)
    check(pdf)
    assert pdf.status == status


def test_what_is_said_of_a_file_is_one_clean_line(read) -> None:
    reason = "two\nlines \x1b[31m\u202e" + "x" * 1_000_000
    pdf = read(READY, FAILED | {"reason": reason})
    assert pdf.reason == f"two lines [31m{'x' * 186}"
    pdf = read(READY, OPENED | {"producer": "a\ud800\x00b"}, PAGE, PAGE)
    assert pdf.producer == "a\ufffdb"


@pytest.mark.parametrize(
    ("deed", "status", "reason"),
    [
        ("os._exit(3)", "crashed", "ended with exit code 3"),
        ("sys.stdin.close(); os._exit(0)", "crashed", "ended with exit code 0"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed", "ended by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGRTMIN + 3)", "crashed", "ended by signal"),
        ("os.close(1); signal.pause()", "crashed", "fallen silent"),
        ("signal.pause()", "timeout", "took more than"),
        ("say(); say(b'x' * 100); signal.pause()", "timeout", "took more than"),
        ("say(); say(b'{'); os._exit(0)", "crashed", "ended with exit code 0"),
        ("say()\nwhile True: say(b'x' * 4096)", "crashed", "too long a message"),
        ("say()\nwhile True: say(b'[]\\n' * 4096)", "crashed", "makes no sense"),
        ("say(); os.fork() or signal.pause(); os._exit(0)", "timeout", "took more than"),
    ],
)
def test_a_process_that_ends_or_hangs_costs_its_file_alone(
    read, monkeypatch: pytest.MonkeyPatch, deed: str, status: str, reason: str
) -> None:
    monkeypatch.setattr(messages, "_START_SECONDS", 0.5)
    pdf = read(READY, OPENED, deed=deed, page_seconds=0.5, file_seconds=6)
    check(pdf)
    assert pdf.status == status
    assert reason in pdf.reason


def test_pages_without_end_do_not_fill_the_memory_of_the_parent(read) -> None:
    before = peak_memory_mb()
    deed = "say()\npage = sys.stdin.buffer.readline() and " + repr(json.dumps(PAGE).encode())
    deed += "\npage = page[:-1] + b' ' * 4_000_000 + b'}\\n'\nwhile True: say(page)"
    pdf = read(READY, OPENED | {"num_pages": 1_000_000}, deed=deed, file_seconds=2)
    assert (pdf.status, pdf.num_pages) == ("timeout", 1_000_000)
    assert peak_memory_mb() < before + 300


def test_a_page_of_ten_million_lines_is_refused(read) -> None:
    deed = 'say(); say(b\'{"type": "page", "error": "", "sheet": [\')\n'
    deed += "for _ in range(1000): say(b'[\"x\", 0, 0, 0], ' * 10_000)"
    before = peak_memory_mb()
    assert read(READY, OPENED, deed=deed).status == "crashed"
    assert peak_memory_mb() < before + 300


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_process_says_its_file_has_a_status(read, seed: int) -> None:
    source = random.Random(seed)
    said: list[Any] = [READY, OPENED, PAGE, PAGE]
    for _ in range(source.randint(1, 3)):
        place = source.randrange(len(said))
        change = source.choice(["odd", "field", "drop", "repeat", "bytes", "text"])
        if change == "odd":
            said[place] = source.choice(ODD)
        elif change == "field" and isinstance(said[place], dict):
            name = source.choice([*said[place], "more"])
            said[place] = said[place] | {name: source.choice([*ODD, "ok", LINE, [LINE]])}
        elif change == "drop":
            said[place] = b""
        elif change == "repeat":
            said[place : place + 1] *= 2
        elif change == "bytes":
            content = bytearray(json.dumps(PAGE).encode() + b"\n")
            for _ in range(source.randint(1, 5)):
                content[source.randrange(len(content))] = source.randrange(256)
            said[place] = bytes(content)
        else:
            text = "".join(chr(source.randrange(0x11000)) for _ in range(20))
            said[place] = PAGE | {"sheet": [[[text, 1, 2, 3, 4, text, 0]], *SHEET[1:]]}
    pdf = read(*said)
    check(pdf)
