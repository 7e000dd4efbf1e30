"""The programs that can read a PDF: their names, whether they are there, and their versions."""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from qwen_pl.errors import InputError

READERS = ("pypdf", "pdfium", "auto")
"""``auto`` is pypdf, and pdfium for what pypdf does not read well."""

_PACKAGES = {"pypdf": "pypdf", "pdfium": "pypdfium2"}
_REVISION = 2  # of this package's own part in reading


def check_reader(reader: str) -> None:
    """Makes sure that a reader can be used, before any file is.

    Raises:
        InputError: If there is no such reader, or if it is not installed.
    """
    if reader not in READERS:
        raise InputError(f"reader: {reader!r} is not one of {', '.join(READERS)}")
    if reader == "pdfium" and not installed_version("pdfium"):
        raise InputError("reader: pdfium needs a package more: pip install pypdfium2")


def reader_version(reader: str) -> str:
    """Changes whenever a reader could give other pages of the same file; fit for a file name."""
    names = ("pypdf", "pdfium") if reader == "auto" else (reader,)
    parts = [f"{name}-{installed}" for name in names if (installed := installed_version(name))]
    return "+".join([*(["auto"] if reader == "auto" else []), *parts, str(_REVISION)])


@lru_cache
def installed_version(name: str) -> str:
    """The version of ``pypdf`` or of the package of ``pdfium``; empty if it is not installed."""
    try:
        return version(_PACKAGES[name])
    except PackageNotFoundError:
        return ""
