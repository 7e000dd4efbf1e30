"""What pypdf and pdfium give alike of a PDF that they have opened."""

from collections.abc import Callable
from typing import NamedTuple

from qwen_pl.data.pdf.places import Placed


class NeedsPassword(Exception):
    """The file is encrypted, and the password given does not open it."""


class OpenFile(NamedTuple):
    """A PDF that has been opened."""

    num_pages: int
    producer: str
    """The program that wrote the file, as far as the file says."""
    lines: Callable[[int], list[Placed]]
    """The lines of a page, counted from 0; any exception may come of it."""
    caveat: str = ""
    """What must be said of text read this way."""
