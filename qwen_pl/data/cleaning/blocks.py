"""Writes what is apart from the text, as tables and captions, as paragraphs of its own."""

from collections.abc import Iterator, Sequence

from qwen_pl.data.cleaning.clean_text import Paragraph, lines_as_they_are
from qwen_pl.data.cleaning.hyphens import LineJoiner, joined_text
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import Row

APART = frozenset({Role.TABLE, Role.CAPTION, Role.CODE, Role.FIGURE, Role.FORM})
"""Roles of blocks that come behind the paragraph which they stand in or beside."""


def block_paragraphs(
    role: Role, rows: Sequence[Row], page: int, joiner: LineJoiner
) -> Iterator[Paragraph]:
    """The paragraphs of one block; the ``page`` counts from 1."""
    if role is Role.TABLE:
        texts = [" | ".join(piece.text for piece in row.pieces) for row in rows]
        yield Paragraph("\n".join(texts), page, role=role)
    elif role is Role.CODE:
        for paragraph in lines_as_they_are([row.text for row in rows], page):
            yield paragraph._replace(role=role)
    else:
        first, *others = [row.text for row in rows]
        yield Paragraph(joined_text(first, others, joiner.join), page, role=role)
