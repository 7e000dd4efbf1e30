"""Turns the lines of a document's pages into its paragraphs, without what only the paper needed."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from qwen_pl.data.cleaning.characters import fix_characters, on_one_line, read_tex_codes
from qwen_pl.data.cleaning.clean_text import EVERY_STEP, Cleaning, CleanText, Paragraph
from qwen_pl.data.cleaning.hyphens import LineJoiner, join_initial, joined_text
from qwen_pl.data.cleaning.paragraphs import group_paragraphs
from qwen_pl.data.layout.drop_caps import stands_beside
from qwen_pl.data.layout.lay_out import Layout, lay_out
from qwen_pl.data.layout.measures import PlacedLine
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.page.legibility import garbage_ratio
from qwen_pl.data.page.line import Page, Sheet

CLEANING_VERSION = 3
"""Changes whenever the same pages could give other paragraphs."""

_MOST_GARBAGE = 0.3
_NO_WORDS = (Role.MARGIN, Role.RUNNING_HEAD, Role.CONTENTS, Role.FIGURE)
"""Roles of rows that tell nothing of the words of the text."""


def clean_sheets(sheets: Sequence[Sheet], cleaning: Cleaning = EVERY_STEP) -> CleanText:
    """Finds the paragraphs of a document.

    It needs all pages, in order, since what repeats tells head from text.
    """
    result = CleanText()
    pages = [sheet.lines for sheet in sheets]
    if cleaning.characters:
        pages = read_tex_codes(pages)
    fix = fix_characters if cleaning.characters else on_one_line
    pages = [[line._replace(text=fix(line.text)) for line in page] for page in pages]
    pages = [[line for line in page if line.text] for page in pages]
    pages = _drop_garbage(pages, cleaning, result)
    layout = lay_out([s._replace(lines=page) for s, page in zip(sheets, pages, strict=True)])
    _write_paragraphs(layout, cleaning, result)
    return result


def clean_pages(pages: Sequence[Page], cleaning: Cleaning = EVERY_STEP) -> CleanText:
    """The same for pages of which nothing is known but their lines."""
    return clean_sheets([Sheet(page) for page in pages], cleaning)


def _write_paragraphs(layout: Layout, cleaning: Cleaning, result: CleanText) -> None:
    """Makes paragraphs of the rows of a document, as their roles and the steps ask for."""
    dropped = {Role.MARGIN}
    dropped |= {Role.RUNNING_HEAD} if cleaning.running_heads else set()
    dropped |= {Role.CONTENTS} if cleaning.contents else set()
    dropped |= {Role.FOOTNOTE} if cleaning.footnotes else set()
    heads: Counter[str] = Counter()
    indices, pages = [], []
    for number, page in enumerate(layout.pages):
        own = [i for i, row in enumerate(page.rows) if row.role not in dropped]
        texts = layout.without_calls if cleaning.footnotes else {}
        rows = [(page.rows[i], texts.get((number, i))) for i in own]
        pages.append([row if text is None else row._replace(text=text) for row, text in rows])
        indices.append(own)
        roles = Counter(row.role for row in page.rows)
        result.num_contents_lines += roles[Role.CONTENTS] if cleaning.contents else 0
        heads.update(
            re.sub(r"\d+", "#", row.text) for row in page.rows if row.role is Role.RUNNING_HEAD
        )
    result.running_heads = heads if cleaning.running_heads else Counter()
    joiner = LineJoiner(
        (row.text for page in layout.pages for row in page.rows if row.role not in _NO_WORDS),
        cleaning.hyphens,
    )
    for lines in group_paragraphs(pages):
        result.paragraphs.append(Paragraph(_join(lines, joiner, cleaning), lines[0].page + 1))
        for line in lines:
            for note in layout.notes.get((line.page, indices[line.page][line.index]), ()):
                if cleaning.footnotes:
                    text = joined_text(note.lines[0], note.lines[1:], joiner.join)
                    result.paragraphs.append(Paragraph(text, line.page + 1, role=Role.FOOTNOTE))
    result.num_footnotes = sum(p.role is Role.FOOTNOTE for p in result.paragraphs)
    result.measure(joiner.num_dehyphenated)


def _drop_garbage(pages: list[Page], cleaning: Cleaning, result: CleanText) -> list[Page]:
    texts = ["\n".join(line.text for line in page) for page in pages]
    result.garbage_ratio = garbage_ratio("\n".join(texts))
    if not cleaning.garbage_pages:
        return pages
    bad = {number for number, text in enumerate(texts) if garbage_ratio(text) > _MOST_GARBAGE}
    result.garbage_pages = [number + 1 for number in sorted(bad)]
    return [[] if number in bad else page for number, page in enumerate(pages)]


def _join(lines: list[PlacedLine], joiner: LineJoiner, cleaning: Cleaning) -> str:
    """The text of one paragraph."""

    def join(text: str, pair: tuple[PlacedLine, PlacedLine]) -> str:
        before, line = pair
        if cleaning.drop_caps and stands_beside(line.line, before.line):
            return join_initial(text, line.text, joiner)
        return joiner.join(text, line.text)

    return joined_text(lines[0].text, pairwise(lines), join)
