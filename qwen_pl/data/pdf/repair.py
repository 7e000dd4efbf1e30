"""Gives a PDF that has lost its list of objects or of pages new ones, from what is left in it."""

import re
import zlib
from collections.abc import Iterator
from contextlib import suppress

_OBJECT = re.compile(rb"(?<!\d)(\d{1,7})[ \r\n]+(\d{1,5})[ \r\n]+obj\b")
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_OBJECT_STREAM = re.compile(rb"/Type\s*/ObjStm\b")
_COUNT = re.compile(rb"/N\s+(\d{1,6})(?!\s+\d+\s+R)")
_FIRST = re.compile(rb"/First\s+(\d{1,8})(?!\s+\d+\s+R)")
_STREAM = re.compile(rb"stream\r?\n")
_LONGEST_DICTIONARY = 1 << 16
_MOST_UNPACKED = 64 << 20  # bytes, of all object streams
_INFLATE_STEP = 256  # bytes; that much may be lost before an error


def repaired(content: bytes) -> bytes | None:
    """A PDF with the pages that can still be found, in the order in which they are stored.

    Objects are found by the words around them. Those packed in object streams are unpacked and
    added at the end, with a new list of pages and a new table of all objects. None if there are no
    pages to be found, or if they are encrypted.
    """
    if b"/Encrypt" in content:
        return None
    offsets = {int(match[1]): match.start() for match in _OBJECT.finditer(content)}
    pages: dict[int, None] = {}  # numbers of the page objects, without repetition
    out = bytearray(content)
    for number, offset in sorted(offsets.items(), key=lambda item: item[1]):
        dictionary = _dictionary(content, offset)
        if _PAGE.search(dictionary):
            pages[number] = None
        elif _OBJECT_STREAM.search(dictionary):
            for inner, body in _unpack(content, offset, dictionary):
                if _PAGE.search(body):
                    pages[inner] = None
                offsets[inner] = _append(out, inner, body)
            if len(out) - len(content) > _MOST_UNPACKED:
                return None
    if not pages:
        return None
    root = max(offsets) + 1
    kids = b" ".join(b"%d 0 R" % number for number in pages)
    tree = b"<< /Type /Pages /Count %d /Kids [%b] >>" % (len(pages), kids)
    offsets[root] = _append(out, root, b"<< /Type /Catalog /Pages %d 0 R >>" % (root + 1))
    offsets[root + 1] = _append(out, root + 1, tree)
    return bytes(out) + _table(offsets, len(out), root)


def _dictionary(content: bytes, offset: int) -> bytes:
    """The bytes of an object up to its stream or its end."""
    start = content.index(b"obj", offset) + 3
    part = content[start : start + _LONGEST_DICTIONARY]
    return re.split(rb"\bstream\b|\bendobj\b", part, maxsplit=1)[0]


def _unpack(content: bytes, offset: int, dictionary: bytes) -> Iterator[tuple[int, bytes]]:
    """The objects in an object stream with their numbers, as far as it can be read."""
    count, first = _COUNT.search(dictionary), _FIRST.search(dictionary)
    stream = _STREAM.search(content, offset)
    if not (count and first and stream) or b"/DecodeParms" in dictionary:
        return
    end = content.find(b"endstream", stream.end())
    data = content[stream.end() : end if end >= 0 else None]
    if b"/FlateDecode" in dictionary:
        data = _inflate(data)
    numbers = [int(word) for word in data[: int(first[1])].split() if word.isdigit()]
    numbers = numbers[: 2 * int(count[1])]
    starts = [int(first[1]) + start for start in numbers[1::2]]
    for number, start, end in zip(numbers[::2], starts, [*starts[1:], len(data)], strict=False):
        yield number, data[start:end]


def _inflate(data: bytes) -> bytes:
    """What comes out before the first error."""
    inflater, out = zlib.decompressobj(), b""
    with suppress(zlib.error):
        for start in range(0, len(data), _INFLATE_STEP):
            out += inflater.decompress(data[start : start + _INFLATE_STEP], _MOST_UNPACKED)
            if len(out) > _MOST_UNPACKED:
                break
    return out


def _append(out: bytearray, number: int, body: bytes) -> int:
    """Adds an object and returns where it begins."""
    out += b"\n"
    offset = len(out)
    out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    return offset


def _table(offsets: dict[int, int], start: int, root: int) -> bytes:
    """The table of all objects and the trailer; ``start`` is where they will stand."""
    entries = b"".join(b"%d 1\n%010d 00000 n \n" % entry for entry in sorted(offsets.items()))
    table = b"xref\n0 1\n0000000000 65535 f \n%b" % entries
    trailer = b"trailer\n<< /Size %d /Root %d 0 R >>\n" % (max(offsets) + 1, root)
    return table + trailer + b"startxref\n%d\n%%%%EOF\n" % start
