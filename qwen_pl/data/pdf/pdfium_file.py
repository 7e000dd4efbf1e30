"""Opens a PDF with pdfium; imported by the child process only."""

from pathlib import Path

import pypdfium2

from qwen_pl.data.pdf.open_file import NeedsPassword, OpenFile
from qwen_pl.data.pdf.pdfium_lines import page_lines
from qwen_pl.data.pdf.places import valid_unicode


def open_file(source: str | bytes, password: str) -> OpenFile:
    """Opens a file by its path, or from its content.

    Raises:
        NeedsPassword: If the password does not open it.
        Exception: If it is damaged.
    """
    try:
        source = Path(source) if isinstance(source, str) else source
        document = pypdfium2.PdfDocument(source, password=password)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise NeedsPassword from None
        raise
    return OpenFile(
        num_pages=len(document),
        producer=valid_unicode(document.get_metadata_value("Producer")),
        lines=lambda index: page_lines(document, index),
    )
