"""Reads JSON Lines and Parquet row by row, each row a text of its own, whatever the file's size."""

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from qwen_pl.data.cleaning.clean_text import Cleaning, CleanText
from qwen_pl.data.texts.line_groups import clean_chunks
from qwen_pl.data.texts.plain_lines import PlainLines
from qwen_pl.data.texts.unreadable import Unreadable

_NEEDS_PYARROW = "needs a package more: pip install pyarrow"
_LONGEST_ROW = 64 << 20  # bytes of JSON
_ROWS_AT_ONCE = 64
_MOST_UNPACKED = 200  # times the size of a packed file; and a gigabyte
_HOPELESS = 1000  # bad rows and no good one: the others will not be better
_SHOWN = 40  # characters of what was met
_SURROGATE = re.compile("[\ud800-\udfff]")


class _BadRow(Exception):
    """What was met in place of a text."""


def read_rows(
    path: Path, suffix: str, column: str, cleaning: Cleaning, at_once: int
) -> Iterator[CleanText]:
    """A piece for some rows at a time; a row's number, from 1, is its page.

    Args:
        column: What the text of a row is called.
        at_once: Characters from which rows make a piece.

    Raises:
        Unreadable: If no row of the file can be read.
    """
    rows = _parquet_rows(path, column) if suffix == ".parquet" else _json_rows(path, suffix)
    piece, size, number = CleanText(), 0, 0
    num_read, num_bad, first_bad = 0, 0, ""
    try:
        for number, row in enumerate(rows, start=1):
            try:
                text = _text(row, column)
            except _BadRow as met:
                num_bad, first_bad = num_bad + 1, first_bad or f"row {number:,} {met}"
                if num_bad >= _HOPELESS and not num_read:
                    break
                continue
            num_read += text != ""
            size += len(text)
            for clean in clean_chunks([text], PlainLines(), cleaning):
                piece.paragraphs += [each._replace(page=number) for each in clean.paragraphs]
                piece.num_dehyphenated += clean.num_dehyphenated
            if size >= at_once:
                piece.measure(piece.num_dehyphenated)
                yield piece
                piece, size = CleanText(), 0
    except Unreadable as error:
        if not num_read:
            raise
        first_bad = f"{error} behind row {number:,}"
    if first_bad and not num_read:
        raise Unreadable(first_bad)
    if first_bad:
        more = f" ({num_bad:,} rows left out in all)" if num_bad > 1 else ""
        piece.status, piece.reason = "partial", first_bad + more
    piece.measure(piece.num_dehyphenated)
    yield piece


def _text(row: Any, column: str) -> str:
    """The text of a row; a row that has none is empty."""
    if row == b"":
        return ""
    if isinstance(row, bytes):
        row = _parsed(row)
    if not isinstance(row, dict):
        raise _BadRow(f"is no object with names: met {_shown(row)}")
    if column not in row:
        names = ", ".join(map(repr, list(row)[:5])) or "nothing"
        raise _BadRow(f"has no {column!r}, but {names[:200]}: set data.text_column")
    text = row[column]
    if text is None:
        return ""
    if not isinstance(text, str):
        raise _BadRow(f"has no text as its {column!r}: met {_shown(text)}")
    return _SURROGATE.sub("\ufffd", text).replace("\r\n", "\n").replace("\r", "\n")


def _parsed(line: bytes) -> Any:
    if len(line) > _LONGEST_ROW:
        raise _BadRow(f"is longer than {_LONGEST_ROW >> 20} MB")
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError:
        raise _BadRow(f"is not UTF-8: met {_shown(line)}") from None
    except (ValueError, RecursionError):
        raise _BadRow(f"is no JSON: met {_shown(line.decode())}") from None


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return repr(text[:_SHOWN] + "…" if len(text) > _SHOWN else text) if value != "" else "nothing"


def _json_rows(path: Path, suffix: str) -> Iterator[bytes]:
    """The lines of a file but for blank ones, which count; of one too long, what shows that."""
    with ExitStack() as opened:
        packed = opened.enter_context(path.open("rb"))
        most, lines, unpacked = float("inf"), packed, 0
        if suffix != ".jsonl":
            most = max(1 << 30, _MOST_UNPACKED * path.stat().st_size)
            lines = opened.enter_context(_unpacked(packed, suffix))
        while True:
            try:
                line = lines.readline(_LONGEST_ROW + 1)
                end = line
                while len(end) > _LONGEST_ROW and not end.endswith(b"\n"):
                    end = lines.readline(_LONGEST_ROW + 1)
            except (EOFError, OSError, ValueError, zlib.error) as error:
                raise Unreadable(f"cannot be unpacked ({error})") from None
            if not line:
                return
            unpacked += len(line)
            if unpacked > most:
                raise Unreadable(f"unpacks to more than {_MOST_UNPACKED} times its size")
            yield line.removeprefix(b"\xef\xbb\xbf").strip()


def _unpacked(packed: Any, suffix: str) -> Any:
    if suffix == ".jsonl.gz":
        return gzip.GzipFile(fileobj=packed)
    try:
        import pyarrow
    except ImportError:
        raise Unreadable(_NEEDS_PYARROW) from None
    return io.BufferedReader(pyarrow.CompressedInputStream(pyarrow.PythonFile(packed, "r"), "zstd"))


def _parquet_rows(path: Path, column: str) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Unreadable(_NEEDS_PYARROW) from None
    try:
        file = pyarrow.parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Unreadable(f"is no Parquet ({_first_line(error)})") from None
    with file:
        schema = file.schema_arrow
        if column not in schema.names:
            names = ", ".join(map(repr, schema.names[:5])) or "nothing"
            raise Unreadable(f"has no column {column!r}, but {names}: set data.text_column")
        kind = schema.field(column).type
        if pyarrow.types.is_dictionary(kind):
            kind = kind.value_type
        if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
            raise Unreadable(f"has {kind} in its column {column!r}, no text: set data.text_column")
        try:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=[column], use_threads=False):
                for text in batch.column(0).to_pylist():
                    yield {column: text}
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise Unreadable(f"is damaged ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:100]
