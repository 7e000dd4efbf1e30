"""Puts the runs of text that a page shows together to pieces of lines, with the spaces between.

A run is text in one font without a gap as wide as between words. Runs on one baseline are a row;
where a gap in it is wide, as between the cells of a table, it is cut into pieces.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from qwen_pl.data.page.fonts import is_monospaced
from qwen_pl.data.page.line import Box, Line
from qwen_pl.data.page.scripts import has_right_to_left, in_reading_order
from qwen_pl.data.pdf.open_file import raise_number, valid_unicode

_OTHER_LINE = 0.8  # of the smaller size: baselines farther apart are of two lines
_BACK = 1.0  # sizes that the pen may go back within a line, as to set an accent
_SCRIPT_BACK = 3.0  # the same for what is raised or lowered, as the limits of a sum
_SCRIPT = 0.85  # of the size
_WIDE_GAP = 1.2  # sizes
_ALWAYS_WIDE = 2.0  # sizes
_WIDER = 1.6  # times the least word gap of the line
_SAME_PLACE = 0.12  # sizes: text as near to the same text is there to make it bold
_MOST_BESIDE = 100  # times the same text in one line, of which one may be in the same place
_FAR = 2.0  # points that a line may begin outside of the page
_LEADING = 3.5  # sizes: a line that runs off the page goes on with the one above it
_LINES_BEFORE = 40  # among which is the one above, where text stands in columns
_ALIGNED = 0.5  # sizes
_RIGHT_TO_LEFT_GAP = 3.0  # sizes between words that follow each other to the left


class Run(NamedTuple):
    """Text without a word gap in it but those that are characters."""

    text: str
    """From left to right as it stands; it may begin and end with a space."""
    x: float
    """Left end of the first letter."""
    end: float
    """Right end of the last letter."""
    y: float
    size: float
    font: str = ""
    turn: int = 0
    pen: float = 0.0
    """Where the next letter is expected, which letter spacing moves away from ``end``."""
    gap: float = 0.0
    """The least distance of two words, in points."""
    space: float = 0.0
    """The width of the spaces in the text; 0 where there are none."""


def lines_of(runs: Iterable[Run]) -> list[Line]:
    """The pieces of lines of a page, in the order in which they are shown."""
    lines: list[Line] = []
    row: list[Run] = []
    for run in _shown_once(runs):
        if run.text == " ":
            if row:
                row[-1] = row[-1]._replace(text=row[-1].text + " ")
        elif row and _goes_on(row, run):
            row.append(run)
        else:
            lines += _pieces(row)
            row = [run]
    return lines + _pieces(row)


def on_page(lines: Iterable[Line], box: Box) -> list[Line]:
    """The lines that begin on a page, and those that text runs off the page with.

    What stands by itself beside the page, as the marks of a printer, is not meant for readers.
    """
    kept: list[Line] = []
    for line in lines:
        before = kept[-_LINES_BEFORE:]
        if not line.size or _is_on(line, box) or any(_runs_off(each, line) for each in before):
            kept.append(line)
    return kept


def _is_on(line: Line, box: Box) -> bool:
    _, _, width, height = box
    long, high = (height, width) if line.turn % 180 else (width, height)
    left = -long if line.turn in (180, 270) else 0.0
    lower = -high if line.turn in (90, 180) else 0.0
    is_beside = line.x > left + long + _FAR or max(line.x, line.end) < left - _FAR
    return not is_beside and lower - _FAR <= line.y <= lower + high + _FAR


def _runs_off(before: Line, line: Line) -> bool:
    """Whether a line outside of the page is the next of a text, or goes on with a row."""
    size = line.size
    if before.turn != line.turn or abs(before.size - size) > 0.1 * size:
        return False
    if abs(before.y - line.y) < _ALIGNED * size:
        return before.end <= line.x <= before.end + _RIGHT_TO_LEFT_GAP * size
    return abs(before.x - line.x) < _ALIGNED * size and 0 < before.y - line.y < _LEADING * size


def _shown_once(runs: Iterable[Run]) -> Iterable[Run]:
    """Leaves out what is shown again in the same place, as bold letters may be."""
    places: dict[tuple[str, int, float], dict[int, list[Run]]] = {}  # by the height of the line
    for run in runs:
        if run.text == " " or not run.size:
            yield run
            continue
        key = run.text, run.turn, run.size
        near = _SAME_PLACE * run.size
        height = round(run.y / near)
        lines = places.get(key)
        if lines is None:
            places[key] = {height: [run]}
            yield run
            continue
        beside = (*lines.get(height - 1, ()), *lines.get(height, ()), *lines.get(height + 1, ()))
        if any(abs(other.x - run.x) <= near for other in beside[-_MOST_BESIDE:]):
            continue
        lines.setdefault(height, []).append(run)
        yield run


def _goes_on(row: Sequence[Run], run: Run) -> bool:
    """Whether a run is on the line of the runs before it, and behind them."""
    last = row[-1]
    base = row[0] if len(row) == 1 or row[0].size >= last.size else last
    if run.turn != last.turn:
        return False
    if abs(base.y - run.y) > _OTHER_LINE * min(base.size, run.size):
        return False
    size = max(last.size, run.size)
    back = min(last.end, last.pen) - run.x
    if back <= _BACK * size:
        return True
    is_script = run.y != last.y and min(last.size, run.size) < _SCRIPT * base.size
    if is_script and back <= _SCRIPT_BACK * size:
        return True
    left = min(each.x for each in row[-8:])
    is_before = -0.5 * size <= left - run.pen <= _RIGHT_TO_LEFT_GAP * size
    return is_before and (has_right_to_left(run.text) or has_right_to_left(last.text))


def _pieces(row: list[Run]) -> list[Line]:
    if not row:
        return []
    if len(row) == 1:
        return [_line(row, [""])] if row[0].text.strip() else []
    if any(has_right_to_left(run.text) for run in row):
        row = sorted(row, key=lambda run: run.x)
    gaps = [right.x - left.pen for left, right in pairwise(row)]
    least = [max(left.gap, right.gap) for left, right in pairwise(row)]
    apart = [gap for gap, enough in zip(gaps, least, strict=True) if gap >= enough]
    spaces = [run.space for run in row if run.space]
    narrowest = min(apart + spaces, default=0.0)
    is_only = len(apart) + len(spaces) == 1
    lines: list[Line] = []
    piece, before = [row[0]], [""]
    for (left, right), gap, enough in zip(pairwise(row), gaps, least, strict=True):
        size = max(left.size, right.size)
        is_spaced = left.text.endswith(" ") or right.text.startswith(" ")
        space = " " if gap >= enough or is_spaced else ""
        if gap > _WIDE_GAP * size:
            if is_monospaced(left.font) and left.gap and left.font == right.font:
                space = " " * max(1, round(gap / (0.6 * size)))
            elif is_only or gap > _ALWAYS_WIDE * size or gap > _WIDER * narrowest:
                lines.append(_line(piece, before))
                piece, before = [right], [""]
                continue
        piece.append(right)
        before.append(space)
    lines.append(_line(piece, before))
    return [line for line in lines if line.text]


def _line(row: Sequence[Run], before: Sequence[str]) -> Line:
    """One line from its runs, and what stands before each: it starts at the first.

    It has the size that most of its letters have. Raised digits become superscripts, so that "x²"
    is not taken for "x2".
    """
    first = row[0]
    if len(row) == 1:
        text, y, size, font = first.text, first.y, first.size, first.font
    else:
        letters: dict[float, int] = defaultdict(int)
        fonts: dict[str, int] = defaultdict(int)
        for run in row:
            letters[run.size] += len(run.text)
            fonts[run.font] += len(run.text)
        size = max(letters, key=letters.__getitem__)
        font = max(fonts, key=fonts.__getitem__)
        y = next(run.y for run in row if run.size == size)
        scale = size or 1.0
        text = "".join(
            [
                space + raise_number(run.text.strip(" "), run.y - y, run.size / scale)
                for run, space in zip(row, before, strict=True)
            ]
        )
    text = valid_unicode(in_reading_order(text.strip()))
    end = max(run.end for run in row)
    return Line(text, first.x, y, size or 1.0, end, font, first.turn)
