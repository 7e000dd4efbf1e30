"""Tells in which encoding a text file is, or that nobody can tell, and reads it chunk by chunk."""

import codecs
import io
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

CHUNK_CHARACTERS = 2 << 20
"""Of a text file that are cleaned at once, and up to twice as many."""

_COUNTED_BYTES = 1 << 20  # at once
_NOT_ASCII = bytes(range(0x80, 0x100))
_ASCII_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\v\f\r\x1a"))  # ^Z ended files on DOS
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins like that of UTF-16, so it is looked for first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MOST_HIGH = 0.4  # of the letters; languages that Windows-1252 is for mostly do with those of ASCII
_MOST_ODD = 0.02  # of the characters beyond ASCII
# What text in another encoding shows when taken for Windows-1252: capitals and signs within words.
_ODD = re.compile(
    "(?<=[a-zß-öø-ÿœšž])[À-ÖØ-ÞŒŠŽŸ]"
    "|(?<=[^\\W\\d_])[€‚ƒ„†‡ˆ‰‹›•˜™¡-©¬®-³µ¶¸¹º¼-¿×÷](?=[^\\W\\d_])"
    "|\ufffd"
)


class TextEncoding(NamedTuple):
    """How a file is to be decoded."""

    name: str
    """As ``open`` takes it; empty where it cannot be told."""
    errors: str = "strict"
    """What is done with bytes that do not fit: ``strict`` or ``replace``."""
    status: str = "ok"
    """``ok``; ``partial`` if some bytes do not fit; ``corrupt`` if it is no text that one could
    decode without guessing."""
    reason: str = ""
    """One line, empty if there is no doubt."""


def find_encoding(file: BinaryIO) -> TextEncoding:
    """Reads a file to its end and goes back to its beginning.

    Marks at the beginning are believed. What is UTF-8 is so hardly by chance. Of what is left,
    Windows-1252 is taken for granted where the text looks like it, with a reason to be told. The
    many other encodings differ only in what letters mean, and letters taken for others are worse
    than no text, so they are refused.
    """
    begin = file.read(4)
    file.seek(0)
    for mark, name in _MARKS.items():
        if begin.startswith(mark):
            if damaged := sum(text.count("\ufffd") for _, text in _decoded(file, name)):
                reason = f"{damaged:,} characters are damaged"
                return TextEncoding(name, "replace", "partial", reason)
            return TextEncoding(name)
    counts = _Counts()
    for chunk, text in _decoded(file, "utf-8"):
        counts.add(chunk, text)
    return counts.judge()


def _decoded(file: BinaryIO, name: str) -> Iterator[tuple[bytes, str]]:
    """A file chunk by chunk, with the text of each; then goes back to the beginning."""
    decoder = codecs.getincrementaldecoder(name)(errors="replace")
    while chunk := file.read(_COUNTED_BYTES):
        yield chunk, decoder.decode(chunk)
    yield b"", decoder.decode(b"", final=True)
    file.seek(0)


class _Counts:
    """What stands in a file without a mark."""

    def __init__(self) -> None:
        self.size = self.nulls = self.nulls_even = self.controls = self.high = self.letters = 0
        self.good = self.bad = 0  # characters beyond ASCII, if it were UTF-8
        self.begin = b""

    def add(self, chunk: bytes, text: str) -> None:
        replaced = max(text.count("\ufffd") - chunk.count("\ufffd".encode()), 0)
        self.bad += replaced
        self.good += sum(map(len, re.findall("[^\x00-\x7f]+", text))) - replaced
        self.nulls_even += chunk[self.size % 2 :: 2].count(0)
        self.nulls += chunk.count(0)
        self.size += len(chunk)
        self.high += len(chunk) - len(chunk.translate(None, _NOT_ASCII))
        self.controls += len(chunk) - len(chunk.translate(None, _CONTROLS))
        self.letters += len(chunk) - len(chunk.translate(None, _ASCII_LETTERS))
        self.begin = self.begin or chunk

    def judge(self) -> TextEncoding:
        if self.nulls > 0.2 * self.size and self.size % 2 == 0:
            share = self.nulls_even / self.nulls
            if not 0.05 < share < 0.95:  # the other byte of letters of ASCII
                return TextEncoding("utf-16-be" if share > 0.5 else "utf-16-le", "replace")
        if self.controls > 0.01 * self.size:
            return TextEncoding("", status="corrupt", reason="is not text")
        if not self.bad:
            return TextEncoding("utf-8")
        if self.good > 4 * self.bad:
            reason = f"{self.bad:,} of its characters are not UTF-8"
            return TextEncoding("utf-8", "replace", "partial", reason)
        text = self.begin.decode("cp1252", "replace")
        odd = len(_ODD.findall(text)) / max(sum(c > "\x7f" for c in text), 1)
        if self.high > _MOST_HIGH * (self.letters + self.high) or odd > _MOST_ODD:
            reason = "its encoding is not known: save it as UTF-8"
            return TextEncoding("", status="corrupt", reason=reason)
        return TextEncoding("cp1252", "replace", "ok", "is not UTF-8, taken for Windows-1252")


def read_chunks(path: Path, encoding: TextEncoding, characters: int) -> Iterator[str]:
    """The text of a file, whatever its size, cut between paragraphs; "" if it is not decoded.

    Newlines are plain, and all that was read comes: the chunks put together are the text. None has
    more than twice as many ``characters``.
    """
    if not encoding.name:
        yield ""
        return
    with path.open("rb") as file:
        decoded = io.TextIOWrapper(file, encoding.name, encoding.errors, newline=None)
        rest = ""
        while read := decoded.read(characters):
            rest += read
            if len(rest) >= characters:
                cut = _place_to_cut(rest)
                yield rest[:cut]
                rest = rest[cut:]
        yield rest


def _place_to_cut(text: str) -> int:
    """Behind the last blank line; or else the last line, sentence or word.

    Text with none of these is cut before its last letter, to which marks may follow.
    """
    for separator in ("\n\n", "\n", ". ", "。", " "):
        if (found := text.rfind(separator)) > 0:
            return found + len(separator)
    last = len(text) - 1
    while last and unicodedata.category(text[last])[0] == "M":
        last -= 1
    return last or len(text)
