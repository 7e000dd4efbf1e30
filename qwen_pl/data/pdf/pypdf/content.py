"""Parts the content of a page into its operators, each with the operands before it.

What is no content is passed over, however long it is; every byte is looked at a few times at most.
Source: ISO 32000-2:2020, 7.2 (tokens), 7.3 (objects), 7.8.2 (content), 8.9.7 (inline images).
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

_DEEPEST = 100  # of arrays and dictionaries in one another
_MOST_OPERANDS = 1000  # of one operator

_BLANK = rb"[\0\t\n\f\r ]"
_REGULAR = rb"[^\0\t\n\f\r ()<>\[\]{}/%]"
_STRING = rb"\([^()\\]*(?:\\.[^()\\]*)*\)"  # without brackets in it
_HEX = rb"<[0-9A-Fa-f\0\t\n\f\r ]*>"
_NUMBER = rb"[-+]?[\d.]+"
_BESIDE = rb"[^()<>\[\]{}/%]*"  # in an array: numbers and blanks
_OPERATION = re.compile(
    b"|".join(
        [
            rb"((?:%b%b+){0,6})([A-Za-z'\"][A-Za-z0-9*]*)" % (_NUMBER, _BLANK),
            rb"\[(%b(?:(?:%b|%b)%b)*)\]" % (_BESIDE, _STRING, _HEX, _BESIDE),
            rb"(%b)" % _STRING,
            rb"(%b)" % _HEX,
            rb"(/%b*)" % _REGULAR,
            rb"(%b)" % _NUMBER,
            rb"%[^\r\n]*",
            rb"([\[(<])",
        ]
    ),
    re.DOTALL,
)
_OPERATOR, _ARRAY, _SHOWN, _DIGITS, _NAME, _ALONE, _NESTED = range(2, 9)
_ELEMENT = re.compile(
    rb"\(([^()\\]*(?:\\.[^()\\]*)*)\)|<([^>]*)>|(%b)" % _NUMBER,
    re.DOTALL,
)
_TOKEN = re.compile(
    rb"(%b)|(%b)|(/%b*)|(%b(?!%b))|%%[^\r\n]*|(<<|>>|[\[\](])|%b+"
    % (_STRING, _HEX, _REGULAR, _NUMBER, _REGULAR, _REGULAR),
    re.DOTALL,
)
_BRACKET = re.compile(rb"\\.|[()]", re.DOTALL)
_ESCAPED = re.compile(rb"\\(\r\n|[0-7]{1,3}|.)|\r\n?", re.DOTALL)
_MEANT = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_MEANT |= dict.fromkeys([b"\r\n", b"\n", b"\r"], b"")
_NAMED = re.compile(rb"#([0-9A-Fa-f]{2})")
_IMAGE_DATA = re.compile(rb"(?<![^\0\t\n\f\r />)\]])ID[\0\t\n\f\r ]")
_IMAGE_END = re.compile(
    rb"[\0\t\n\f\r ]EI(?=[\0\t\n\f\r ][\t\n\f\r -~]{0,12}(?:[\t\n\f\r -~]|$)|$)"
)
_LENIENT = re.compile(rb"[-+]?\d*\.?\d*")


class Damaged(ValueError):
    """What follows cannot be read."""


def operations(data: bytes, wanted: Collection[bytes]) -> Iterator[tuple[bytes, list[Any]]]:
    """Yields those operators that are wanted.

    Operands are floats, bytes (strings), texts with a ``/`` (names), lists and dictionaries. An
    inline image is ``BI`` without operands.

    >>> list(operations(b"/F1 9.5 Tf [(a\\\\051) -20 <62>] TJ", [b"Tf", b"TJ"]))
    [(b'Tf', ['/F1', 9.5]), (b'TJ', [[b'a)', -20.0, b'b']])]

    Raises:
        Damaged: If an object does not end.
    """
    operands: list[Any] = []
    at = 0
    while at < len(data):
        start, at = at, len(data)
        for match in _OPERATION.finditer(data, start):
            kind = match.lastindex
            if kind == _OPERATOR:
                operator = match[_OPERATOR]
                if operator == b"BI":
                    yield operator, []
                    at = _image_end(data, match.end())
                    break
                if operator in wanted:
                    if match[1]:
                        operands.extend(map(_number, match[1].split()))
                    yield operator, operands
                    operands = []
                elif operands:
                    operands = []
            elif kind == _ARRAY:
                operands.append(_elements(match[_ARRAY]))
            elif kind == _NESTED:
                value, at = _nested(data, match.start())
                operands.append(value)
                break
            elif kind is not None:
                operands.append(_simple(kind, match[kind]))
                if len(operands) > _MOST_OPERANDS:
                    operands = []


def _simple(kind: int, token: bytes) -> Any:
    if kind == _SHOWN:
        return _unescaped(token[1:-1])
    if kind == _DIGITS:
        return _bytes_of(token[1:-1])
    return _name(token) if kind == _NAME else _number(token)


def _elements(body: bytes) -> list[Any]:
    """Strings and numbers of an array."""
    return [
        _number(number) if number else _bytes_of(digits) if digits else _unescaped(string)
        for string, digits, number in _ELEMENT.findall(body)
    ]


def _number(token: bytes) -> float:
    try:
        return float(token)
    except ValueError:  # "1.2.3", "."
        match = _LENIENT.match(token)
        digits = match[0] if match else b""
        return float(digits) if digits.strip(b"+-.") else 0.0


def _name(token: bytes) -> str:
    if b"#" in token:
        token = _NAMED.sub(lambda match: bytes([int(match[1], 16)]), token)
    return token.decode("utf-8", "replace")


def _unescaped(string: bytes) -> bytes:
    if b"\\" not in string and b"\r" not in string:
        return string
    return _ESCAPED.sub(_meant, string)


def _meant(match: re.Match[bytes]) -> bytes:
    escaped = match[1]
    if escaped is None:
        return b"\n"
    if escaped.isdigit():
        return bytes([int(escaped, 8) & 0xFF]) if escaped < b"8" else escaped
    return _MEANT.get(escaped, escaped)


def _bytes_of(digits: bytes) -> bytes:
    digits = b"".join(digits.split())
    try:
        return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("latin-1"))
    except ValueError:
        return b""


def _nested(data: bytes, at: int, depth: int = 0) -> tuple[Any, int]:
    """A string, an array or a dictionary with others in it, and where it ends."""
    if data[at : at + 1] == b"(":
        return _long_string(data, at)
    is_dictionary = data[at : at + 2] == b"<<"
    if depth > _DEEPEST:
        raise Damaged(f"has more than {_DEEPEST} arrays in one another")
    if not is_dictionary and data[at : at + 1] == b"<":
        return b"", at + 1
    values: list[Any] = []
    at += 1 + is_dictionary
    while match := _TOKEN.search(data, at):
        at = match.end()
        string, digits, name, number, bracket = match.groups()
        if bracket in (b"]", b">>"):
            return (
                dict(zip(values[::2], values[1::2], strict=False)) if is_dictionary else values
            ), at
        if bracket:
            value, at = _nested(data, match.start(), depth + 1)
        elif string is not None:
            value = _unescaped(string[1:-1])
        elif digits is not None:
            value = _bytes_of(digits[1:-1])
        elif name is not None:
            value = _name(name)
        elif number is not None:
            value = _number(number)
        elif match[0].startswith(b"%"):
            continue
        else:
            value = None
        if not isinstance(value, list | dict) or not is_dictionary or len(values) % 2:
            values.append(value)
    raise Damaged("ends within an array")


def _long_string(data: bytes, at: int) -> tuple[bytes, int]:
    """A string with brackets in it, and where it ends."""
    depth = 0
    for match in _BRACKET.finditer(data, at):
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        if not depth:
            return _unescaped(data[at + 1 : match.start()]), match.end()
    raise Damaged("ends within a text")


def _image_end(data: bytes, at: int) -> int:
    """Where an inline image ends whose ``BI`` ends here."""
    begins = _IMAGE_DATA.search(data, at)
    ends = begins and _IMAGE_END.search(data, begins.end() - 1)
    if not ends:
        raise Damaged("ends within an image")
    return ends.end()
