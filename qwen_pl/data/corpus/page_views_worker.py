"""The child process that lays out a PDF and renders some of its pages, as ``page_views`` asks it.

It is told one job, then each page as a reader gave it. The answer is ``ready``, then a ``view`` for
each page asked for.
"""

import base64
import json
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qwen_pl.data.pdf.guards import (
    OUT_OF_MEMORY_EXIT_CODE,
    answer_pipe,
    exit_with_parent,
    limit_memory,
)

if TYPE_CHECKING:
    from qwen_pl.data.layout.row import Row

_SCALE = 1.6  # pixels for each point, where the page is not too large
_LONGEST_SIDE = 1600  # pixels
_MOST_ROWS = 5000
_MOST_TEXT = 200  # characters of a row


def main() -> None:
    answer = answer_pipe()
    jobs = os.fdopen(0, "rb", closefd=False)
    job = json.loads(jobs.readline())
    sheets = [json.loads(jobs.readline())["sheet"] for _ in range(job["num_pages"])]
    threading.Thread(target=exit_with_parent, daemon=True).start()
    limit_memory(job["memory_mb"], 1.0)
    try:
        for message in _messages(job, sheets):
            answer.write(json.dumps(message).encode("ascii") + b"\n")
            answer.flush()
    except MemoryError:
        os._exit(OUT_OF_MEMORY_EXIT_CODE)


def _messages(job: dict[str, Any], sheets: list[Any]) -> Iterator[dict[str, Any]]:
    from qwen_pl.data.cleaning.clean import laid_out
    from qwen_pl.data.cleaning.clean_text import Cleaning, CleanText
    from qwen_pl.data.page.line import sheet_of
    from qwen_pl.data.pdf.pdfium.file import open_document

    yield {"type": "ready"}
    layout = laid_out(list(map(sheet_of, sheets)), Cleaning(**job["cleaning"]), CleanText())
    document = open_document(job["path"], job["password"])

    for number in job["pages"]:
        laid = layout.pages[number - 1]
        yield {
            "type": "view",
            "page": number,
            "box": laid.box,
            "picture": base64.b64encode(_png(document, number - 1)).decode(),
            "rows": list(map(_row, laid.rows[:_MOST_ROWS])),
        }


def _row(row: "Row") -> list[Any]:
    """A row's role and block, what it covers of the page as it is shown, and its text."""
    # Letters reach some four fifths of their size above the baseline.
    left, lower, right, upper = row.x, row.y - 0.25 * row.size, row.end, row.y + 0.8 * row.size
    turn = row.pieces[0].turn if row.pieces else 0
    if turn == 90:
        left, lower, right, upper = -upper, left, -lower, right
    elif turn == 180:
        left, lower, right, upper = -right, -upper, -left, -lower
    elif turn == 270:
        left, lower, right, upper = lower, -right, upper, -left
    box = (left, lower, max(left, right), max(lower, upper))
    return [row.role.value, row.block, *box, row.text[:_MOST_TEXT]]


def _png(document: Any, index: int) -> bytes:
    """The picture of a page, in grey; pypdfium2 writes none without a package more."""
    page = document[index]
    scale = min(_SCALE, _LONGEST_SIDE / max(1.0, *page.get_size()))
    bitmap = page.render(scale=scale, grayscale=True)
    width, height, stride = bitmap.width, bitmap.height, bitmap.stride
    content, step = bytes(bitmap.buffer), bitmap.n_channels
    rows = (content[y * stride : y * stride + width * step : step] for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    # Eight bits of grey; each row begins with the number of its filter, which is none.
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 6)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


if __name__ == "__main__":
    main()
