"""Makes documents of a corpus as reading them would leave them on the disk."""

from collections.abc import Sequence
from pathlib import Path

from qwen_pl.data.cleaning.clean_text import Paragraph
from qwen_pl.data.corpus.document import Document, written_document


def make_document(
    folder: Path,
    name: str,
    paragraphs: Sequence[str],
    pages: Sequence[int] | None = None,
    newlines: Sequence[int] | None = None,
    **more,
) -> Document:
    """A document of these paragraphs, by default all on page 1 and with blank lines between."""
    text_file = folder / f"{name}.txt"
    pages, newlines = pages or [1] * len(paragraphs), newlines or [2] * len(paragraphs)
    with written_document(text_file) as writer:
        writer.write([*map(Paragraph, paragraphs, pages, newlines)])
    num_bytes = sum(len(paragraph.encode()) for paragraph in paragraphs)
    return Document(f"{name}.pdf", name, writer.text, len(paragraphs), num_bytes, **more)
