"""Gives every line of a document its role, and each page its lines in the order of reading."""

from bisect import bisect_left, bisect_right
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

from qwen_pl.data.layout.bibliography import find_bibliography
from qwen_pl.data.layout.captions import find_captions
from qwen_pl.data.layout.code import find_code, find_continuations
from qwen_pl.data.layout.columns import level_rows, reading_order
from qwen_pl.data.layout.contents import find_contents
from qwen_pl.data.layout.drop_caps import place_drop_caps
from qwen_pl.data.layout.figures import find_figures
from qwen_pl.data.layout.footnotes import (
    Note,
    find_note_beginnings,
    find_ruled_notes,
    take_footnotes,
)
from qwen_pl.data.layout.formulas import find_formulas
from qwen_pl.data.layout.headings import find_headings
from qwen_pl.data.layout.margins import find_line_numbers, find_turned, without_numbers
from qwen_pl.data.layout.measures import usual_size
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import LaidPage, Row, row_of
from qwen_pl.data.layout.ruled_areas import ruled_areas
from qwen_pl.data.layout.running_heads import find_running_heads
from qwen_pl.data.layout.tables import find_tables
from qwen_pl.data.page.line import Line, LineIndex, Sheet

FORM_FONT = "@form"
"""Where a reader says that a line has been filled into a form, or written upon the page."""
_LABEL_REACH = 0.7  # times the size: a value within this of a label's height is on its row
_FARTHEST_VALUE = 150.0  # points that a value may stand behind its label
_CALLING = (Role.PROSE, Role.FORMULA)
"""Roles of rows that may call footnotes, or be some."""

_FULL = 0.95  # of the way to the right end of the column, from the left edge of the page


@dataclass
class Layout:
    """The pages of a document, in order, with the roles of their rows."""

    pages: list[LaidPage]
    notes: dict[LineIndex, list[Note]] = field(default_factory=dict)
    """Footnotes by the row that calls them."""
    without_calls: dict[LineIndex, str] = field(default_factory=dict)
    """The texts of rows that call footnotes, without the marks of these."""


def lay_out(sheets: Sequence[Sheet]) -> Layout:
    """Finds the role of every line, and the order in which lines are read.

    It needs all pages of a document, since what repeats tells head from text. Lines come stripped
    and not empty. Heads come before the columns of their page, feet and what is beside the columns
    behind them.
    """
    sheets = list(map(_with_values_beside_labels, sheets))
    forms = {
        (n, i): i
        for n, sheet in enumerate(sheets)
        for i, line in enumerate(sheet.lines)
        if line.font == FORM_FONT
    }
    sheets, filled_in = _without(sheets, forms, Role.FORM)
    sheets, drawn = _without(sheets, find_figures(sheets), Role.FIGURE)
    sheets, margins = _without_margins(sheets)
    lines = [sheet.lines for sheet in sheets]
    size = usual_size(lines)
    heads = find_running_heads(lines) - find_note_beginnings(lines, size)
    below = [[*each[0], *each[1], *each[2]] for each in zip(drawn, margins, filled_in, strict=True)]
    pages = [_laid(n, sheet, below[n], heads) for n, sheet in enumerate(sheets)]
    layout = Layout(pages)
    _give(pages, Role.CONTENTS, dict.fromkeys(find_contents([page.rows for page in pages]), 0))
    _give(pages, Role.TABLE, find_tables(pages))
    _give(pages, Role.CAPTION, find_captions(pages))
    _give(pages, Role.RUNNING_HEAD, find_continuations(pages))
    _give(pages, Role.CODE, find_code(pages))
    _give(pages, Role.FORMULA, find_formulas(pages))
    _give(pages, Role.BIBLIOGRAPHY, find_bibliography(pages))
    _take_notes(layout, size)
    headings = find_headings(pages, size)
    _give(pages, Role.HEADING, {where: heading.number for where, heading in headings.items()})
    for (page, index), heading in headings.items():
        rows = pages[page].rows
        rows[index] = rows[index]._replace(level=heading.level)
    return layout


def _give(pages: list[LaidPage], role: Role, blocks: Mapping[LineIndex, int]) -> None:
    """Gives rows a role, and the number of their block, unless they have another role."""
    for (page, index), block in blocks.items():
        rows = pages[page].rows
        if rows[index].role is Role.PROSE:
            rows[index] = rows[index]._replace(role=role, block=block)


def _with_values_beside_labels(sheet: Sheet) -> Sheet:
    """A page on which what is filled in behind a label, on its row, is text like the label."""
    if all(line.font != FORM_FONT for line in sheet.lines):
        return sheet
    labels = sorted(
        (line for line in sheet.lines if line.font != FORM_FONT), key=lambda each: each.y
    )
    heights = [label.y for label in labels]
    lines = []
    for line in sheet.lines:
        if line.font == FORM_FONT:
            reach = _LABEL_REACH * line.size
            beside = slice(
                bisect_left(heights, line.y - reach), bisect_right(heights, line.y + reach)
            )
            before = [label for label in labels[beside] if label.end <= line.x + reach]
            label = max(before, key=lambda label: label.end, default=None)
            if label is not None and line.x - label.end < _FARTHEST_VALUE:
                line = line._replace(y=label.y, font=label.font)
        lines.append(line)
    return sheet._replace(lines=lines)


def _without(
    sheets: Sequence[Sheet], blocks: Mapping[LineIndex, int], role: Role
) -> tuple[list[Sheet], list[list[Row]]]:
    """Pages without lines whose role is known, and rows of these, numbered by their blocks."""
    left: list[Sheet] = []
    taken: list[list[Row]] = []
    for number, sheet in enumerate(sheets):
        left.append(sheet._replace(lines=[]))
        taken.append([])
        for index, line in enumerate(sheet.lines):
            block = blocks.get((number, index))
            if block is None:
                left[-1].lines.append(line)
            else:
                taken[-1].append(row_of([line])._replace(role=role, block=block))
    return left, taken


def _without_margins(sheets: Sequence[Sheet]) -> tuple[list[Sheet], list[list[Row]]]:
    """Pages without what is in their margins, and that."""
    pages = [sheet.lines for sheet in sheets]
    turned, numbers = find_turned(pages), find_line_numbers(pages)
    lengths: list[dict[int, int]] = [{} for _ in pages]
    for page, index in turned:
        lengths[page][index] = len(pages[page][index].text)
    for (page, index), length in numbers.items():
        lengths[page].setdefault(index, length)
    parts = [without_numbers(page, each) for page, each in zip(pages, lengths, strict=True)]
    left = [sheet._replace(lines=part[0]) for sheet, part in zip(sheets, parts, strict=True)]
    return left, [[row_of([line])._replace(role=Role.MARGIN) for line in part[1]] for part in parts]


def _laid(
    number: int, sheet: Sheet, below: list[Row], running_heads: Container[LineIndex]
) -> LaidPage:
    """A page in the order of reading, with what comes ``below`` the columns."""
    text: list[Line] = []
    heads: dict[bool, list[Line]] = {True: [], False: []}  # by whether they are above the text
    height = sheet.lines[len(sheet.lines) // 2].y if sheet.lines else 0.0
    for index, line in enumerate(sheet.lines):
        (heads[line.y > height] if (number, index) in running_heads else text).append(line)
    above, feet = (
        [row._replace(role=Role.RUNNING_HEAD) for row in level_rows(heads[is_above])]
        for is_above in (True, False)
    )
    areas = ruled_areas(sheet._replace(lines=text))
    rows = [*above, *place_drop_caps(reading_order(text, sheet.rulings, areas)), *feet, *below]
    return LaidPage(rows, sheet.box, sheet.rulings, sheet.pictures)


def _take_notes(layout: Layout, size: float) -> None:
    """Finds the footnotes among the rows of the text."""
    pages = layout.pages
    indices = [[i for i, row in enumerate(page.rows) if row.role in _CALLING] for page in pages]
    text = [[page.rows[i] for i in own] for page, own in zip(pages, indices, strict=True)]
    footnotes = take_footnotes(text, size)
    places: list[list[int]] = []  # of the rows that are left, in their pages
    for number, (own, left) in enumerate(zip(indices, footnotes.pages, strict=True)):
        rows = pages[number].rows
        kept = {id(row.pieces): row.text for row in left}  # a row has its pieces still
        places.append([index for index in own if id(rows[index].pieces) in kept])
        for index in own:
            row = rows[index]
            if id(row.pieces) not in kept:
                rows[index] = row._replace(role=Role.FOOTNOTE)
            elif kept[id(row.pieces)] != row.text:
                layout.without_calls[number, index] = kept[id(row.pieces)]
    for (number, place), notes in footnotes.called_by.items():
        layout.notes[number, places[number][place] if places[number] else 0] = notes
    for number, page in enumerate(pages):
        found = set(find_ruled_notes(page, size))
        caller = 0
        for index, row in enumerate(page.rows):
            if index not in found:
                caller = index if row.role in _CALLING else caller
                continue
            page.rows[index] = row._replace(role=Role.FOOTNOTE)
            notes = layout.notes.setdefault((number, caller), [])
            is_next = index > 0 and page.rows[index - 1].role is Role.FOOTNOTE and notes
            if is_next and page.rows[index - 1].end > _FULL * row.right:
                notes[-1].lines.append(row.text)
            else:
                notes.append(Note("", [row.text]))
