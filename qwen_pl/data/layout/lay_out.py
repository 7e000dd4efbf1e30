"""Gives every line of a document its role, and each page its lines in the order of reading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qwen_pl.data.layout.captions import find_captions
from qwen_pl.data.layout.code import find_code
from qwen_pl.data.layout.columns import reading_order
from qwen_pl.data.layout.contents import find_contents
from qwen_pl.data.layout.drop_caps import place_drop_caps
from qwen_pl.data.layout.figures import find_figures
from qwen_pl.data.layout.footnotes import Note, find_note_beginnings, take_footnotes
from qwen_pl.data.layout.formulas import find_formulas
from qwen_pl.data.layout.margins import find_line_numbers, find_turned, without_numbers
from qwen_pl.data.layout.measures import usual_size
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import LaidPage, Row, row_of
from qwen_pl.data.layout.ruled_areas import ruled_areas
from qwen_pl.data.layout.running_heads import find_running_heads
from qwen_pl.data.layout.tables import find_tables
from qwen_pl.data.page.line import Line, LineIndex, Sheet

IN_TEXT = (Role.HEADING, Role.PROSE, Role.ITEM, Role.FORMULA, Role.BIBLIOGRAPHY)
"""Roles of rows that paragraphs are made of, one after another."""


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
    figures = find_figures(sheets)
    drawn = [_figure_rows(n, sheet, figures) for n, sheet in enumerate(sheets)]
    sheets = [
        sheet._replace(lines=[each for i, each in enumerate(sheet.lines) if (n, i) not in figures])
        for n, sheet in enumerate(sheets)
    ]
    sheets, margins = _without_margins(sheets)
    lines = [sheet.lines for sheet in sheets]
    size = usual_size(lines)
    aside: dict[LineIndex, Role] = {}
    heads = find_running_heads(lines) - find_note_beginnings(lines, size)
    aside.update(dict.fromkeys(heads, Role.RUNNING_HEAD))
    pages = [_laid(n, sheet, drawn[n] + margins[n], aside) for n, sheet in enumerate(sheets)]
    layout = Layout(pages)
    _give(pages, Role.CONTENTS, dict.fromkeys(find_contents([page.rows for page in pages]), 0))
    _give(pages, Role.TABLE, find_tables(pages))
    _give(pages, Role.CAPTION, find_captions(pages))
    _give(pages, Role.CODE, find_code(pages))
    _give(pages, Role.FORMULA, find_formulas(pages))
    _take_notes(layout, size)
    return layout


def _give(pages: list[LaidPage], role: Role, blocks: Mapping[LineIndex, int]) -> None:
    """Gives rows a role, and the number of their block, unless they have another role."""
    for (page, index), block in blocks.items():
        rows = pages[page].rows
        if rows[index].role is Role.PROSE:
            rows[index] = rows[index]._replace(role=role, block=block)


def _figure_rows(number: int, sheet: Sheet, figures: Mapping[LineIndex, int]) -> list[Row]:
    """The lines of a page that belong to drawings."""
    rows = [(figures.get((number, i)), row_of([line])) for i, line in enumerate(sheet.lines)]
    return [row._replace(role=Role.FIGURE, block=b) for b, row in rows if b is not None]


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


def _laid(number: int, sheet: Sheet, below: list[Row], aside: Mapping[LineIndex, Role]) -> LaidPage:
    """A page in the order of reading; what some lines are is known already."""
    text: list[Line] = []
    above: list[Row] = []
    height = sheet.lines[len(sheet.lines) // 2].y if sheet.lines else 0.0
    for index, line in enumerate(sheet.lines):
        role = aside.get((number, index))
        if role is None:
            text.append(line)
        else:
            row = row_of([line])._replace(role=role)
            (above if line.y > height else below).append(row)
    areas = ruled_areas(sheet._replace(lines=text))
    rows = [*above, *place_drop_caps(reading_order(text, sheet.rulings, areas)), *below]
    return LaidPage(rows, sheet.box, sheet.rulings, sheet.pictures)


def _take_notes(layout: Layout, size: float) -> None:
    """Finds the footnotes among the rows of the text."""
    pages = layout.pages
    indices = [[i for i, row in enumerate(page.rows) if row.role in IN_TEXT] for page in pages]
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
