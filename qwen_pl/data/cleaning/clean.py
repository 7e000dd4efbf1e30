"""Turns the lines of a document's pages into its paragraphs, without what only the paper needed."""

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Sequence
from itertools import pairwise

from qwen_pl.data.cleaning.block_policy import USUAL_BLOCKS, Blocks
from qwen_pl.data.cleaning.blocks import APART, block_paragraphs, formula_text
from qwen_pl.data.cleaning.characters import (
    fix_characters,
    fix_code,
    in_logical_order,
    on_one_line,
    read_tex_codes,
)
from qwen_pl.data.cleaning.clean_text import EVERY_STEP, Cleaning, CleanText, Paragraph
from qwen_pl.data.cleaning.hyphens import LineJoiner, join_initial, joined_text
from qwen_pl.data.cleaning.items import item_levels
from qwen_pl.data.cleaning.paragraphs import group_paragraphs
from qwen_pl.data.cleaning.unreadable import with_bullets, without_unreadable
from qwen_pl.data.layout.drop_caps import stands_beside
from qwen_pl.data.layout.lay_out import Layout, lay_out
from qwen_pl.data.layout.measures import PlacedLine
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import Row
from qwen_pl.data.page.fonts import is_monospaced
from qwen_pl.data.page.line import LineIndex, Page, Sheet

CLEANING_VERSION = 5
"""Changes whenever the same pages could give other paragraphs."""

_NO_WORDS = (Role.MARGIN, Role.RUNNING_HEAD, Role.CONTENTS, Role.FIGURE)
"""Roles of rows that tell nothing of the words of the text."""


def clean_sheets(
    sheets: Sequence[Sheet], cleaning: Cleaning = EVERY_STEP, blocks: Blocks = USUAL_BLOCKS
) -> CleanText:
    """Finds the paragraphs of a document.

    It needs all pages, in order, since what repeats tells head from text.
    """
    result = CleanText()
    _write_paragraphs(laid_out(sheets, cleaning, result), cleaning, blocks, result)
    return result


def laid_out(sheets: Sequence[Sheet], cleaning: Cleaning, result: CleanText) -> Layout:
    """The layout of a document whose characters are right; ``result`` says what was unreadable."""
    pages = [sheet.lines for sheet in sheets]
    if cleaning.characters:
        pages = in_logical_order(read_tex_codes(pages))
        pages = [[with_bullets(line) for line in page] for page in pages]
    if cleaning.garbage_pages:
        pages, result.garbage_pages, result.garbage_ratio = without_unreadable(pages)
    pages = _fixed(pages, cleaning)
    pages = [[line for line in page if line.text] for page in pages]
    return lay_out([s._replace(lines=page) for s, page in zip(sheets, pages, strict=True)])


def _fixed(pages: Sequence[Page], cleaning: Cleaning) -> list[Page]:
    """Pages with every character right, those of code as they are; a document may all be typed."""
    letters = Counter[bool]()
    for page in pages:
        for line in page:
            letters[is_monospaced(line.font)] += len(line.text)
    is_typed = letters[True] > letters[False]
    fix = fix_characters if cleaning.characters else on_one_line
    fix_typed = fix_code if cleaning.characters and not is_typed else fix
    return [
        [
            line._replace(text=(fix_typed if is_monospaced(line.font) else fix)(line.text))
            for line in page
        ]
        for page in pages
    ]


def clean_pages(pages: Sequence[Page], cleaning: Cleaning = EVERY_STEP) -> CleanText:
    """The same for pages of which nothing is known but their lines."""
    return clean_sheets([Sheet(page) for page in pages], cleaning)


def _write_paragraphs(
    layout: Layout, cleaning: Cleaning, blocks: Blocks, result: CleanText
) -> None:
    """Makes paragraphs of the rows of a document, as their roles, the steps and the policy ask for.

    What is apart from the text comes behind the paragraph that it stands in or beside.
    """
    steps = {
        Role.RUNNING_HEAD: cleaning.running_heads,
        Role.CONTENTS: cleaning.contents,
        Role.FOOTNOTE: cleaning.footnotes,
    }
    not_sought = {role for role, is_taken in steps.items() if not is_taken}  # it is text as other
    apart = (APART | {Role.MARGIN, *steps}) - not_sought
    moves_notes = cleaning.footnotes and blocks.footnote != "keep"
    joiner = LineJoiner(
        (row.text for page in layout.pages for row in page.rows if row.role not in _NO_WORDS),
        cleaning.hyphens,
    )
    pages: list[list[Row]] = []
    behind: defaultdict[LineIndex, list[Paragraph]] = defaultdict(list)
    last = (0, -1)  # row of the text
    listing: list[Row] = []  # the last one's rows, on the last page that has some
    for number, page in enumerate(layout.pages):
        pages.append([])
        for role, rows in _blocks(page.rows, APART):
            is_moved = role is Role.FOOTNOTE and moves_notes
            if role not in not_sought and (is_moved or blocks.fate(role) == "drop"):
                result.blocks[role] += 0 if is_moved else 1
                continue
            if role in apart:
                own = [row for _, row in rows]
                is_open = bool(listing) and (role, own[0].block) == (Role.CODE, listing[0].block)
                before = listing if is_open else ()
                behind[last] += block_paragraphs(role, own, number + 1, joiner, before)
                listing = own if role is Role.CODE else listing
                continue
            for index, row in rows:
                last = (number, len(pages[-1]))
                if role in not_sought:
                    row = row._replace(role=Role.PROSE)
                if moves_notes and (number, index) in layout.without_calls:
                    row = row._replace(text=layout.without_calls[number, index])
                pages[-1].append(row)
                for note in layout.notes.get((number, index), ()) if moves_notes else ():
                    text = joined_text(note.lines[0], note.lines[1:], joiner.join)
                    behind[last].append(Paragraph(text, number + 1, role=Role.FOOTNOTE))
    result.paragraphs += behind[0, -1]
    grouped = group_paragraphs(pages)
    for lines, depth in zip(grouped, item_levels(grouped), strict=True):
        first = lines[0]
        if first.line.role is Role.FORMULA:
            text = formula_text([line.line for line in lines])
        else:
            text = _join(lines, joiner, cleaning)
        role, level = (Role.ITEM, depth) if depth else (first.line.role, first.line.level)
        result.paragraphs.append(Paragraph(text, first.page + 1, role=role, level=level))
        for line in lines:
            result.paragraphs += behind[line.page, line.index]
    blocks.sift(result)
    _count(layout, cleaning, result)
    result.measure(joiner.num_dehyphenated)


def _count(layout: Layout, cleaning: Cleaning, result: CleanText) -> None:
    """Tells what the steps have found in a document."""
    result.num_footnotes = sum(map(len, layout.notes.values())) if cleaning.footnotes else 0
    rows_of_all = [row for page in layout.pages for row in page.rows]
    if cleaning.running_heads:
        heads = [row.text for row in rows_of_all if row.role is Role.RUNNING_HEAD]
        result.running_heads = Counter(re.sub(r"\d+", "#", text) for text in heads)
    if cleaning.contents:
        result.num_contents_lines = sum(row.role is Role.CONTENTS for row in rows_of_all)


def _blocks(
    rows: Sequence[Row], apart: Container[Role]
) -> Iterator[tuple[Role, list[tuple[int, Row]]]]:
    """The rows of a page with their index, those of one block apart from the text together."""
    blocks: dict[tuple[Role, int], list[tuple[int, Row]]] = {}
    for index, row in enumerate(rows):
        own = (row.role, row.block if row.role in apart else -index)
        blocks.setdefault(own, []).append((index, row))
    for (role, _), own_rows in blocks.items():
        yield role, own_rows


def _join(lines: list[PlacedLine], joiner: LineJoiner, cleaning: Cleaning) -> str:
    """The text of one paragraph."""

    def join(text: str, pair: tuple[PlacedLine, PlacedLine]) -> str:
        before, line = pair
        if cleaning.drop_caps and stands_beside(line.line, before.line):
            return join_initial(text, line.text, joiner)
        return joiner.join(text, line.text)

    return joined_text(lines[0].text, pairwise(lines), join)
