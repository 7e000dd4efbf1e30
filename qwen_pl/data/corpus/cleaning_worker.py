"""The child process that cleans one file after another, within limits, as ``cleaned`` asks it to.

Jobs come on standard input, one JSON object a line: for a text file the job alone, for a PDF the
job and then each of its pages. The answer is ``ready`` once, then for each job what was cleaned,
piece by piece, and ``done``; or ``failed`` in place of that.
"""

import json
import os
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from qwen_pl.data.cleaning.block_policy import Blocks
from qwen_pl.data.cleaning.clean import clean_sheets
from qwen_pl.data.cleaning.clean_text import Cleaning, Paragraph
from qwen_pl.data.page.line import sheet_of
from qwen_pl.data.pdf.guards import (
    OUT_OF_MEMORY_EXIT_CODE,
    answer_pipe,
    limit_memory,
    peak_memory_mb,
)
from qwen_pl.data.pdf.read import PdfText
from qwen_pl.data.report.file_report import describe_file
from qwen_pl.data.texts.text_file import TextJob, read_text_file

_CHARACTERS_AT_ONCE = 250_000  # in one message: as JSON one may take 12 bytes
_HEADROOM = 1.25  # what is watched is met first, and said


def main() -> None:
    """Guards this process and answers jobs until standard input is closed."""
    answer = answer_pipe()
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_take_jobs, args=(jobs,), daemon=True).start()
    memory_mb = json.loads(jobs.get())["memory_mb"]
    limit_memory(memory_mb, _HEADROOM)
    try:
        _say(answer, {"type": "ready"})
        while True:
            for message in _answers(json.loads(jobs.get()), jobs):
                _say(answer, message)
            # What memory it has had once is what it is judged by.
            _say(answer, {"type": "done", "has_grown": peak_memory_mb() > memory_mb / 4})
    except MemoryError:
        os._exit(OUT_OF_MEMORY_EXIT_CODE)


def _take_jobs(jobs: "queue.SimpleQueue[bytes]") -> None:
    """Ends this process when standard input closes, whatever it is at."""
    with os.fdopen(0, "rb", closefd=False) as lines:
        for line in lines:
            jobs.put(line)
    os._exit(1)


def _say(answer: Any, message: dict[str, Any]) -> None:
    answer.write(json.dumps(message).encode("ascii") + b"\n")
    answer.flush()


def _answers(job: dict[str, Any], jobs: "queue.SimpleQueue[bytes]") -> Iterator[dict[str, Any]]:
    pages = [json.loads(jobs.get())["sheet"] for _ in range(job["num_pages"])]
    try:
        yield from _cleaned(job, pages)
    except MemoryError:
        raise
    except Exception as error:
        yield {"type": "failed", "reason": f"{type(error).__name__}: {error}"[:1000]}


def _cleaned(job: dict[str, Any], pages: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """What is told of each piece: its paragraphs, then the report on it."""
    path, cleaning, blocks = Path(job["path"]), Cleaning(**job["cleaning"]), Blocks(**job["blocks"])
    if job["pdf"] is not None:
        pdf = PdfText(path, list(map(sheet_of, pages)), **job["pdf"])
        clean = clean_sheets(pdf.sheets, cleaning, blocks)
        yield from _told(clean.paragraphs)
        yield {"type": "cleaned", "report": describe_file(path, "", pdf, clean).to_json()}
        return
    for clean in read_text_file(TextJob(*job["text"]), cleaning):
        blocks.sift(clean)
        yield from _told(clean.paragraphs)
        yield {"type": "cleaned", "report": describe_file(path, "", None, clean).to_json()}


def _told(paragraphs: Iterable[Paragraph]) -> Iterator[dict[str, Any]]:
    """Paragraphs as ``[text, ... level, whether it is the rest of the one before]``."""
    batch, size = [], 0
    for text, *rest in paragraphs:
        for start in range(0, len(text), _CHARACTERS_AT_ONCE):
            part = text[start : start + _CHARACTERS_AT_ONCE]
            batch.append([part, *rest, start > 0])
            size += len(part) + 1
            if size >= _CHARACTERS_AT_ONCE:
                yield {"type": "paragraphs", "paragraphs": batch}
                batch, size = [], 0
    yield {"type": "paragraphs", "paragraphs": batch}


if __name__ == "__main__":
    main()
