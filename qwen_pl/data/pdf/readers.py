"""The programs that can read a PDF: their names, whether they are there, and their versions."""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from qwen_pl.errors import InputError

READERS = ("pypdf", "pdfium", "auto")
"""``auto`` is pdfium, and pypdf for pages that pdfium does not read well."""

OCR = ("auto", "never", "always")
"""Which pages are read as pictures: those without legible text, none, or all."""
OCR_INSTALL = 'pip install "rapidocr>=3.10,<3.11" onnxruntime'

_PACKAGES = {
    "pypdf": "pypdf",
    "pdfium": "pypdfium2",
    "fonttools": "fonttools",
    "rapidocr": "rapidocr",
    "pyarrow": "pyarrow",
    "onnxruntime": "onnxruntime",
}
_OCR_PACKAGES = ("rapidocr", "onnxruntime", "pdfium")
_REVISION = 4  # of this package's own part in reading


def check_reader(reader: str) -> None:
    """Makes sure that a reader can be used, before any file is.

    Raises:
        InputError: If there is no such reader, or if it is not installed.
    """
    if reader not in READERS:
        raise InputError(f"reader: {reader!r} is not one of {', '.join(READERS)}")
    if reader == "pdfium" and not installed_version("pdfium"):
        raise InputError("reader: pdfium needs a package more: pip install pypdfium2")


def check_ocr(ocr: str) -> None:
    """Makes sure that pages can be read as pictures where all have to be.

    Raises:
        InputError: If that is no choice, or if what it needs is not installed.
    """
    if ocr not in OCR:
        raise InputError(f"ocr: {ocr!r} is not one of {', '.join(OCR)}")
    if ocr == "always" and not has_ocr():
        raise InputError(f"ocr: always needs some packages more: {OCR_INSTALL}")


def has_ocr() -> bool:
    """Whether all that reading pages as pictures needs is installed."""
    return all(map(installed_version, _OCR_PACKAGES))


def reader_version(reader: str, ocr: str = "never") -> str:
    """Changes whenever a reader could give other pages of the same file; fit for a file name."""
    readers = ["pypdf", "pdfium"] if reader == "auto" else [reader]
    names = [*readers, "fonttools"]  # which tells what the glyphs of fonts show
    parts = [f"{name}-{installed}" for name in names if (installed := installed_version(name))]
    if ocr != "never" and has_ocr():
        parts += [f"ocr-{ocr}", *(f"{name}-{installed_version(name)}" for name in _OCR_PACKAGES)]
    return "+".join([*(["auto"] if reader == "auto" else []), *parts, str(_REVISION)])


@lru_cache
def installed_version(name: str) -> str:
    """The version of the package of a reader, or of what OCR needs; empty if it is not there."""
    try:
        return version(_PACKAGES[name])
    except PackageNotFoundError:
        return ""
