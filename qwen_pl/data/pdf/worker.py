"""The child process that reads one PDF and writes its pages as lines of JSON.

The job is one line of JSON on standard input, which stays open for as long as the parent lives.
The answer is one message a line on standard output, as `messages` expects them. Only text and
numbers travel, so that whatever a hostile file does to this process, the parent has nothing to
execute.
"""

import json
import os
import threading
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from qwen_pl.data.page.line import Box, Line, Sheet
from qwen_pl.data.pdf.guards import (
    LONGEST_MESSAGE,
    OUT_OF_MEMORY_EXIT_CODE,
    answer_pipe,
    exit_with_parent,
    limit_memory,
)
from qwen_pl.data.pdf.open_file import FARTHEST, MOST_DRAWN, MOST_PAGES, NOWHERE, NeedsPassword

_LONGEST_NOTE = 1000  # characters; what the parent keeps of it is less
_LARGEST_TO_REPAIR = 128 << 20  # bytes; they are all held in memory
# pypdf may swallow the error that a limit gives, so that what is watched must be met first; pdfium
# aborts.
_HEADROOM = {"pypdf": 1.25, "pdfium": 1.0, "ocr": 1.0}
READER_MODULES = {
    "pypdf": "qwen_pl.data.pdf.pypdf.file",
    "pdfium": "qwen_pl.data.pdf.pdfium.file",
    "ocr": "qwen_pl.data.pdf.ocr.ocr_file",
}


def main() -> None:
    """Reads the job, guards this process, and sends every page."""
    answer = answer_pipe()
    # Without a buffer no more is taken from the pipe than one line.
    job = json.loads(os.fdopen(0, "rb", buffering=0, closefd=False).readline())
    threading.Thread(target=exit_with_parent, daemon=True).start()
    limit_memory(job["memory_mb"], _HEADROOM[job["reader"]])
    try:
        for message in _messages(job):
            answer.write(message)
            answer.flush()
    except MemoryError:
        os._exit(OUT_OF_MEMORY_EXIT_CODE)  # nothing can be relied upon any more


def _messages(job: dict[str, Any]) -> Iterator[bytes]:
    reader = import_module(READER_MODULES[job["reader"]])  # under the memory limit
    yield _message("ready")
    damage = ""
    try:
        file = reader.open_file(job["path"], job["password"])
        if not file.num_pages:
            raise ValueError("has no pages")
    except MemoryError:
        raise
    except NeedsPassword:
        reason = "the password does not open it" if job["password"] else "needs a password"
        yield _message("failed", status="encrypted", reason=reason)
        return
    except Exception as error:
        damage = f"damaged: {_describe(error)}" if _is_pdf(job["path"]) else "is not a PDF"
        file = _open_repaired(reader, job["path"])
    if file is None:
        yield _message("failed", status="corrupt", reason=damage)
        return
    if file.num_pages > MOST_PAGES:
        reason = f"has {file.num_pages} pages; no more than {MOST_PAGES} are read"
        yield _message("failed", status="timeout", reason=reason)
        return
    notes = {"producer": file.producer[:_LONGEST_NOTE], "caveat": file.caveat, "damage": damage}
    yield _message("opened", num_pages=file.num_pages, **notes)
    pages = range(file.num_pages) if job["pages"] is None else job["pages"]
    for index in pages[job["num_read"] :]:
        try:
            sheet, left_out = file.sheet(index)
            page = _message("page", sheet=_bounded(sheet), error=left_out[:_LONGEST_NOTE])
            if len(page) >= LONGEST_MESSAGE:
                raise ValueError(f"gives more than {LONGEST_MESSAGE >> 20} MB of text")
        except MemoryError:
            raise
        except Exception as error:
            page = _message("page", sheet=Sheet([]), error=_describe(error))
        yield page


def _message(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, **fields}).encode("ascii") + b"\n"


def _bounded(sheet: Sheet) -> Sheet:
    """A page without the places that cannot be meant."""
    lines = [line if _is_near(line[1:5]) else Line(line.text, *NOWHERE) for line in sheet.lines]
    box = sheet.box if _is_near(sheet.box) else Sheet([]).box
    return Sheet(lines, box, _drawn(sheet.rulings), _drawn(sheet.pictures))


def _drawn(boxes: tuple[Box, ...]) -> tuple[Box, ...]:
    return tuple(filter(_is_near, boxes[:MOST_DRAWN]))


def _is_near(numbers: Sequence[float]) -> bool:
    return all(abs(number) <= FARTHEST for number in numbers)


def _open_repaired(reader: Any, path: str) -> Any:
    """What can be saved of a damaged file, or None if that is nothing."""
    from qwen_pl.data.pdf.repair import repaired

    try:
        if not _is_pdf(path) or Path(path).stat().st_size > _LARGEST_TO_REPAIR:
            return None
        content = repaired(Path(path).read_bytes())
        return reader.open_file(content, "") if content else None
    except MemoryError:
        raise
    except Exception:
        return None


def _is_pdf(path: str) -> bool:
    """Whether a file has the header of a PDF, which may come after some junk."""
    try:
        with Path(path).open("rb") as file:
            return b"%PDF-" in file.read(1 << 16)
    except OSError:
        return True  # the reason is another


def _describe(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_NOTE]


if __name__ == "__main__":
    main()
