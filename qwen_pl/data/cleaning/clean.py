"""Turns the lines of a document's pages into its paragraphs, without what only the paper needed."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from qwen_pl.data.cleaning.characters import fix_characters, read_tex_codes
from qwen_pl.data.cleaning.clean_text import EVERY_STEP, Cleaning, CleanText, Paragraph
from qwen_pl.data.cleaning.contents import find_contents
from qwen_pl.data.cleaning.drop_caps import join_initial, place_drop_caps, stands_beside
from qwen_pl.data.cleaning.footnotes import Note, find_note_beginnings, take_footnotes
from qwen_pl.data.cleaning.hyphens import LineJoiner, joined_text
from qwen_pl.data.cleaning.measures import PlacedLine, usual_size
from qwen_pl.data.cleaning.paragraphs import group_paragraphs
from qwen_pl.data.cleaning.plain_text import group_lines
from qwen_pl.data.cleaning.running_heads import find_running_heads
from qwen_pl.data.page.legibility import garbage_ratio, glued_ratio
from qwen_pl.data.page.line import LineIndex, Page, Sheet

CLEANING_VERSION = 2
"""Changes whenever the same pages could give other paragraphs."""

_MOST_GARBAGE = 0.3


def clean_sheets(sheets: Sequence[Sheet], cleaning: Cleaning = EVERY_STEP) -> CleanText:
    """Finds the paragraphs of a document.

    It needs all pages, in order, since what repeats tells head from text.
    """
    return clean_pages([sheet.lines for sheet in sheets], cleaning)


def clean_pages(pages: Sequence[Page], cleaning: Cleaning = EVERY_STEP) -> CleanText:
    """The same for pages of which nothing is known but their lines."""
    result = CleanText()
    if cleaning.characters:
        pages = read_tex_codes(list(pages))
    fix = fix_characters if cleaning.characters else _on_one_line
    pages = [[line._replace(text=fix(line.text)) for line in page] for page in pages]
    pages = [[line for line in page if line.text] for page in pages]
    pages = _drop_garbage(pages, cleaning, result)
    if cleaning.running_heads:
        heads = find_running_heads(pages) - find_note_beginnings(pages, usual_size(pages))
        names = [re.sub(r"\d+", "#", pages[p][i].text) for p, i in sorted(heads)]
        result.running_heads = Counter(names)
        pages = _without(pages, heads)
    if cleaning.contents:
        contents = find_contents(pages)
        result.num_contents_lines = len(contents)
        pages = _without(pages, contents)
    if cleaning.drop_caps:
        pages = [place_drop_caps(page) for page in pages]
    joiner = LineJoiner((line.text for page in pages for line in page), cleaning.hyphens)
    notes: dict[LineIndex, list[Note]] = {}
    if cleaning.footnotes:
        footnotes = take_footnotes(pages, usual_size(pages))
        pages, notes = footnotes.pages, footnotes.called_by
    for lines in group_paragraphs(pages):
        result.paragraphs.append(Paragraph(_join(lines, joiner, cleaning), lines[0].page + 1))
        for line in lines:
            for note in notes.get((line.page, line.index), []):
                text = joined_text(note.lines[0], note.lines[1:], joiner.join)
                result.paragraphs.append(Paragraph(text, line.page + 1))
    result.num_footnotes = sum(map(len, notes.values()))
    _measure(result, joiner)
    return result


def clean_plain_text(text: str, cleaning: Cleaning = EVERY_STEP) -> CleanText:
    """Finds the paragraphs of a text or Markdown file and joins their wrapped lines.

    A form feed begins a new page. The steps about pages do not apply.
    """
    result = CleanText()
    fix = fix_characters if cleaning.characters else _on_one_line
    pages = [page.splitlines() for page in text.split("\f")]
    joiner = LineJoiner((fix(line) for page in pages for line in page), cleaning.hyphens)
    for number, page in enumerate(pages, start=1):
        for group in group_lines(page):
            if group.is_code:
                result.paragraphs.append(Paragraph(group.lines[0], number))
            elif lines := [fixed for line in group.lines if (fixed := fix(line))]:
                text = joined_text(lines[0], lines[1:], joiner.join)
                result.paragraphs.append(Paragraph(text, number))
    _measure(result, joiner)
    return result


def _measure(result: CleanText, joiner: LineJoiner) -> None:
    text = " ".join(paragraph.text for paragraph in result.paragraphs)
    result.num_dehyphenated = joiner.num_dehyphenated
    result.glued_ratio = glued_ratio(text)


def _on_one_line(text: str) -> str:
    return " ".join(text.splitlines()).strip()


def _drop_garbage(pages: list[Page], cleaning: Cleaning, result: CleanText) -> list[Page]:
    texts = ["\n".join(line.text for line in page) for page in pages]
    result.garbage_ratio = garbage_ratio("\n".join(texts))
    if not cleaning.garbage_pages:
        return pages
    bad = {number for number, text in enumerate(texts) if garbage_ratio(text) > _MOST_GARBAGE}
    result.garbage_pages = [number + 1 for number in sorted(bad)]
    return [[] if number in bad else page for number, page in enumerate(pages)]


def _without(pages: list[Page], lines: set[LineIndex]) -> list[Page]:
    return [
        [line for index, line in enumerate(page) if (number, index) not in lines]
        for number, page in enumerate(pages)
    ]


def _join(lines: list[PlacedLine], joiner: LineJoiner, cleaning: Cleaning) -> str:
    """The text of one paragraph."""

    def join(text: str, pair: tuple[PlacedLine, PlacedLine]) -> str:
        before, line = pair
        if cleaning.drop_caps and stands_beside(line, before):
            return join_initial(text, line.text, joiner)
        return joiner.join(text, line.text)

    return joined_text(lines[0].text, pairwise(lines), join)
