"""The way to the terminal: lines of ours, in which names and words of others command nothing."""

import sys
import unicodedata
from contextlib import nullcontext
from typing import TextIO

from qwen_pl.private import public_address

_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Kinds of characters that turn the direction of what follows, so that a name shows as another."""
_COMMANDS = {"Cc", "Cs", "Zl", "Zp"}
"""Kinds that a terminal obeys, or that are no characters at all: bytes of a name not in UTF-8."""


def tell(*lines: object, file: TextIO | None = None) -> None:
    """Prints each of ``lines`` as one line, past any progress bar.

    Whatever a line names, be it a file, a reason or a value that was refused, stays one line and
    commands nothing: a name may hold what colours, titles or empties a terminal. An address is told
    without the user and the key in it.

    Args:
        file: By default standard output.
    """
    file = file or sys.stdout
    bars = sys.modules.get("tqdm")  # before it is loaded there is no bar
    with nullcontext() if bars is None else bars.tqdm.external_write_mode(file):
        file.write("".join(f"{shown(public_address(str(line)))}\n" for line in lines))
        file.flush()


def show(text: str) -> None:
    """Shows text that was asked for, of any number of lines: on a terminal it commands nothing.

    In a file or a pipe it is as it was written.
    """
    sys.stdout.write(shown(text, keep="\n\t") if sys.stdout.isatty() else text)
    sys.stdout.flush()


def shown(text: object, keep: str = "") -> str:
    r"""Foreign text as a line that commands no terminal, with escapes that bash and Python know.

    Args:
        keep: Characters that stay though they command something.

    >>> print(shown("red\x1b[31m and\ntwo lines"))
    red\x1b[31m and\ntwo lines
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c in keep or _is_harmless(c) else _escaped(c) for c in text)


def _is_harmless(character: str) -> bool:
    is_command = unicodedata.category(character) in _COMMANDS
    return not is_command and unicodedata.bidirectional(character) not in _TURNS


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # Python's sign for a byte that is no UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
