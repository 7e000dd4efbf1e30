"""Opens a PDF with pypdf; imported by the child process only."""

import logging
import warnings
from io import BytesIO

import pypdf

from qwen_pl.data.pdf.open_file import NeedsPassword, OpenFile
from qwen_pl.data.pdf.places import valid_unicode
from qwen_pl.data.pdf.pypdf_fonts import remember_fonts
from qwen_pl.data.pdf.pypdf_lines import page_lines
from qwen_pl.data.pdf.pypdf_spaces import mend_word_spaces

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
pypdf.overwrite_configuration(disable_legacy_handling=True, jbig2dec_binary=None)
remember_fonts()
_CAVEAT = "" if mend_word_spaces() else "this version of pypdf may lose spaces between words"


def open_file(source: str | bytes, password: str) -> OpenFile:
    """Opens a file by its path, or from its content.

    Raises:
        NeedsPassword: If the password does not open it.
        Exception: If it is damaged; pypdf lets ``ValueError``, ``RecursionError`` and others
            through.
    """
    source = BytesIO(source) if isinstance(source, bytes) else source
    reader = pypdf.PdfReader(source, strict=False)
    if reader.is_encrypted and not reader.decrypt(password):
        raise NeedsPassword
    return OpenFile(
        num_pages=len(reader.pages),
        producer=valid_unicode(_producer(reader)),
        lines=lambda index: page_lines(reader.pages[index]),
        caveat=_CAVEAT,
    )


def _producer(reader: pypdf.PdfReader) -> str:
    try:
        return str((reader.metadata or {}).get("/Producer", ""))
    except MemoryError:
        raise
    except Exception:
        return ""  # damaged metadata says nothing about the pages
