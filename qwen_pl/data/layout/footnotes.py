"""Takes footnotes out of their pages and finds the lines that call them."""

import math
import re
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

from qwen_pl.data.layout.measures import usual_leading
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import LaidPage, Placed, Row
from qwen_pl.data.page.line import LineIndex, is_large_initial, parted

_SMALLER = 0.95  # of the size of the text
_THIN = 2.0  # points: a ruling across
_SHORTEST = 20.0  # points that a ruling above notes is long, and shorter than the column
_SAME_PLACE = 4.0  # points
_MOST_RULINGS = 50  # of a page, the last: what is drawn earlier is of tables and drawings
_TIGHTER = 0.92  # of the distance of the lines of the text
_FULL = 0.8  # of the letters of the longest line
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_SIGNS = "*†‡§¶‖"
_TO_PLAIN = str.maketrans(_RAISED + "∗∥", "0123456789*‖")
_TO_RAISED = str.maketrans("0123456789", _RAISED)
_MARKS = rf"[{_RAISED}]{{1,3}}|\d{{1,3}}|[{_SIGNS}∗∥]{{1,3}}"
# A plain number is followed by a letter, since "12 000 men" is none.
_MARK = re.compile(
    rf"([{_RAISED}]{{1,3}})[.)]?\s*(?=\S)"
    rf"|(\d{{1,3}}|[{_SIGNS}∗∥]{{1,3}})[.)]?\s*(?=\W{{,200}}[^\W\d])"
)
_MARK_ALONE = re.compile(rf"({_MARKS})[.)]?")
_MARKS_IN_ROW = re.compile(rf"(?:[{_RAISED}{_SIGNS}]|(?![0-9])\d)+")
_MARK_IN_FOOT = re.compile(rf"^(?:{_MARKS})|(?<=\s)[{_RAISED}]{{1,3}}")
_RAISED_MARK = re.compile(rf"(?<=\s)[{_RAISED}]{{1,3}}\s?(?=\S)")
_NOTE_END = re.compile(r"[.!?…。][”’»\"')\]]*$")  # a note seldom ends with a colon
_CLOSING = ".,;:!?”’»)\\]\"'"
_NUMBER = rf"(?<![\d{_RAISED}])([\d{_RAISED}]{{1,3}})(?![\d{_RAISED}])"
_CLOSED = rf"(?=[\s{_CLOSING}]|$)"
_STOP = r"(?<=[.,;!?”’»)\]\"'])"
# How a call may look. Digits in the text are none in "2.1", "V:1" or "F1".
_SIGN_CALL = re.compile(rf"(?<=[\w{_CLOSING}]) ?([{_SIGNS}∗∥]{{1,3}})(?![\w∗∥{_SIGNS}])")
_RAISED_CALL = re.compile(rf" ?{_NUMBER}{_CLOSED}|{_NUMBER}")
_DIGIT_CALL = re.compile(
    rf"(?<!\d[.,])(?:{_STOP}(\d{{1,3}})|(?<=[a-zß-öø-ÿа-яё])(\d{{1,3}})|{_STOP} (\d{{1,3}}))"
    rf"{_CLOSED}"
)
_CERTAINTIES = range(4)  # of a sign or raised number, and of the three ways of digits
_LONGEST_LINE = 10_000  # letters; what is longer is no line of print, and calls no note
_COMPARED_LINES = 100  # of a note, its last ones, that tell how long a full line is


@dataclass
class Note:
    """A footnote: its mark, as plain digits or signs, and its lines without the mark."""

    mark: str
    lines: list[str]

    def goes_on_with(self, lines: list[str]) -> bool:
        """Whether lines at the next foot, without a mark, may be of this note."""
        is_finished = _NOTE_END.search(self.lines[-1]) is not None
        longest = max(map(len, [*self.lines[-_COMPARED_LINES:], *lines]))
        is_full = len(self.lines[-1]) >= _FULL * longest
        return not is_finished or lines[0][:1].islower() or is_full


@dataclass
class Footnotes:
    """Pages without footnotes, and the notes by the line that calls them."""

    pages: list[list[Row]] = field(default_factory=list)
    called_by: dict[LineIndex, list[Note]] = field(default_factory=lambda: defaultdict(list))


def take_footnotes(pages: list[list[Row]], body_size: float) -> Footnotes:
    """Separates the notes at the foot of pages and columns from the text.

    Small lines at the foot are notes if they begin with a mark that the text calls; the mark is
    then removed in both places. Small lines before the first mark go on with the last note of the
    column or page before, if that may be unfinished.

    Lines come stripped and not empty. ``body_size`` is the font size of the text, in points.
    """
    leading = usual_leading(pages, body_size)
    result = Footnotes()
    unfinished: Note | None = None
    early: list[Note] = []
    before = _Calls([])
    for page, next_page in zip(pages, [*pages[1:], []], strict=False):
        columns = [_split_foot(part, body_size, leading) for part in parted(page, _begins_column)]
        text, after = _Calls([line for part, _ in columns for line in part]), _Calls(next_page)
        is_called = partial(_is_called, text, before, after)
        lines, notes, unfinished = _take_notes(columns, is_called, unfinished)
        body = _Calls(lines)
        result.pages.append(lines)
        early = _attach(early + notes, result.called_by, len(result.pages) - 1, before, body, after)
        before = body
    return result


def find_note_beginnings(pages: Sequence[Sequence[Placed]], body_size: float) -> set[LineIndex]:
    """The indices of small lines that begin with a mark which is raised above them.

    They are no running feet, although the numbers of notes grow from page to page.
    """
    found = set()
    for number, page in enumerate(pages):
        begun = [
            (index, _mark_of(match).translate(_TO_RAISED))
            for index, line in enumerate(page)
            if line.size < _SMALLER * body_size and (match := _MARK.match(line.text))
        ]
        highest = _highest_marks(page) if begun else {}
        for index, raised in begun:
            if highest.get(raised, -math.inf) > page[index].y:
                found.add((number, index))
    return found


def find_ruled_notes(page: LaidPage, body_size: float) -> list[int]:
    """The indices of small rows at the foot of a column below a short ruling, in order.

    They are notes, whether or not the text calls them: the addresses of authors have no mark.
    """
    found: set[int] = set()
    middle = (page.box[1] + page.box[3]) / 2
    for left, lower, right, upper in page.rulings[-_MOST_RULINGS:]:
        if upper - lower > _THIN or not right - left > _SHORTEST or lower > middle:
            continue
        column = [
            (index, row)
            for index, row in enumerate(page.rows)
            if row.right > 0 and abs(row.left - left) < _SAME_PLACE and row.y < lower
        ]
        is_short = all(right < row.right - _SHORTEST for _, row in column)
        is_small = all(row.size < _SMALLER * body_size for _, row in column)
        if is_short and is_small:
            found.update(index for index, row in column if row.role is Role.PROSE)
    return sorted(found)


def _highest_marks(page: Sequence[Placed]) -> dict[str, float]:
    """How high on a page the highest line is that has a raised mark, as a part of another too."""
    heights: dict[str, float] = {}
    for line in page:
        for row in _MARKS_IN_ROW.findall(line.text):
            for mark in {row[i : i + n] for n in (1, 2, 3) for i in range(len(row) - n + 1)}:
                heights[mark] = max(heights.get(mark, -math.inf), line.y)
    return heights


def _begins_column(column: list[Row], line: Row) -> bool:
    """Whether a line stands higher than the one before, if that is no large initial."""
    before = column[-1]
    is_higher = line.y > before.y + 1.0
    return is_higher and not is_large_initial(before.text, before.size, line.size)


def _split_foot(column: list[Row], body_size: float, leading: float) -> tuple[list[Row], list[Row]]:
    """A column without the lines at its foot that are small or close together, and those."""
    start = first_small = len(column)
    while start:
        line = column[start - 1]
        is_small = line.size < _SMALLER * body_size
        is_tight = start > 1 and 0 < column[start - 2].y - line.y < _TIGHTER * leading
        if not (is_small or is_tight):
            break
        start -= 1
        if is_small:
            first_small = start
    return column[:first_small], column[first_small:]


def _is_called(text: "_Calls", before: "_Calls", after: "_Calls", mark: str) -> bool:
    """Whether a page's text, the last third before it, or the first third after it calls a note."""
    last_third = len(before.page) - math.ceil(len(before.page) / 3)
    return bool(
        text.find(mark)
        or before.find(mark, last_third)
        or after.find(mark, end=len(after.page) // 3)
    )


def _take_notes(
    columns: list[tuple[list[Row], list[Row]]],
    is_called: Callable[[str], bool],
    unfinished: Note | None,
) -> tuple[list[Row], list[Note], Note | None]:
    """The text of one page, its notes, and the note that may go on at the next foot.

    The text here or near it says which marks it calls; ``unfinished`` may go on at the first foot.
    """
    body: list[Row] = []
    notes: list[Note] = []
    for text, foot in columns:
        found_marks = {mark for line in foot for mark in _MARK_IN_FOOT.findall(line.text)}
        marks = {mark.translate(_TO_PLAIN) for mark in found_marks}
        lead, found = _split_notes(foot, set(filter(is_called, marks)))
        body += text
        lead_texts = [line.text for line in lead]
        if lead and unfinished is not None and unfinished.goes_on_with(lead_texts):
            unfinished.lines += lead_texts
        else:
            body += lead
        notes += found
        unfinished = found[-1] if found else unfinished
    has_foot = any(foot for _, foot in columns)
    return body, notes, unfinished if has_foot else None


def _split_notes(foot: list[Row], called: set[str]) -> tuple[list[Row], list[Note]]:
    """Lines before the first mark, and notes.

    >>> from qwen_pl.data.layout.row import rows_of
    >>> from qwen_pl.data.page.line import Line
    >>> lines = ["went on.", "³ See there.", "⁴ And here,", "12 lines on."]
    >>> _split_notes(rows_of([Line(text, 0, 0, 8) for text in lines]), {"3", "4"})[1]
    [Note(mark='3', lines=['See there.']), Note(mark='4', lines=['And here,', '12 lines on.'])]
    """
    lead: list[Row] = []
    notes: list[Note] = []
    must_be_raised = False  # as the marks before in this foot are
    lines = iter(zip(foot, [*foot[1:], None], strict=False))
    for line, after in lines:
        opening = _opening(line, after)
        is_raised = opening is not None and opening[0][0] in _RAISED
        mark = _mark_of(opening) if opening and (is_raised or not must_be_raised) else ""
        if opening and (_follows(notes[-1].mark, mark) if notes else mark in called):
            must_be_raised = is_raised
            if opening.end() == len(line.text):  # what it marks stands beside it
                beside, _ = next(lines)
                notes.append(Note(mark, [beside.text]))
                continue
            notes.append(Note(mark, [line.text[opening.end() :]]))
        elif notes:
            notes[-1].lines.append(line.text)
        else:
            lead.append(line)
            continue
        notes += _split_line(notes[-1], called)
    return lead, notes


def _opening(line: Row, after: Row | None) -> re.Match[str] | None:
    """A mark at the beginning of a line, which may open a note, or alone with a line beside it."""
    is_beside = after and after.x > line.x and abs(after.y - line.y) < 0.7 * after.size
    return _MARK.match(line.text) or (_MARK_ALONE.fullmatch(line.text) if is_beside else None)


def _mark_of(match: re.Match[str]) -> str:
    """A mark as plain digits or signs."""
    return (match[1] or match[2]).translate(_TO_PLAIN)


def _split_line(note: Note, called: set[str]) -> list[Note]:
    """Parts the last line of a note where other notes begin in its midst."""
    found: list[Note] = []
    for match in _RAISED_MARK.finditer(note.lines[-1]):
        mark = match[0].strip().translate(_TO_PLAIN)
        last = found[-1] if found else note
        if mark in called and _follows(last.mark, mark):
            end = len(last.lines[-1]) - (len(match.string) - match.start())
            last.lines[-1] = last.lines[-1][:end].rstrip()
            found.append(Note(mark, [match.string[match.end() :]]))
    return found


def _follows(before: str, mark: str) -> bool:
    """Whether one mark can come right after another."""
    if before.isdigit() and mark.isdigit():
        return int(mark) == int(before) + 1
    return bool(mark) and before != mark and not mark.isdigit()


def _attach(
    notes: list[Note],
    called_by: dict[LineIndex, list[Note]],
    number: int,
    before: "_Calls",
    body: "_Calls",
    after: "_Calls",
) -> list[Note]:
    """Takes the marks of the notes of a page, by its ``number``, out of the text, in order.

    What comes back is called on the next page: columns may be balanced after notes are set.
    """
    early = []
    first = 0
    for note in notes:
        if call := body.find(note.mark, first) or body.find(note.mark):
            first = call[0]
            body.remove(call)
            called_by[number, first].append(note)
        elif call := before.find(note.mark):
            before.remove(call)
            called_by[number - 1, call[0]].append(note)
        elif after.find(note.mark):
            early.append(note)
        else:
            called_by[number, max(len(body.page) - 1, 0)].append(note)
    return early


_Call = tuple[int, int, int]
"""Where a text calls a note: line index, start, and end, with the space before the mark."""


class _Calls:
    """Where the lines of a page call notes."""

    def __init__(self, page: list[Row]) -> None:
        self.page = page

    @cached_property
    def _lines(self) -> dict[tuple[str, int], list[int]]:
        """The lines, in order, that call a mark with some certainty."""
        lines: dict[tuple[str, int], list[int]] = defaultdict(list)
        for index, line in enumerate(self.page):
            for key in _calls_in(line.text):
                lines[key].append(index)
        return lines

    def find(self, mark: str, first: int = 0, end: int | None = None) -> _Call | None:
        """The most certain call of a note in the lines ``[first, end)``, the first of these."""
        end = len(self.page) if end is None else end
        for certainty in _CERTAINTIES:
            lines = self._lines.get((mark, certainty), [])
            at = bisect_left(lines, first)
            if at < len(lines) and lines[at] < end:
                return lines[at], *_calls_in(self.page[lines[at]].text)[mark, certainty]
        return None

    def remove(self, call: _Call) -> None:
        """Takes a call out of its line, unless there is nothing else in it."""
        index, start, end = call
        line = self.page[index]
        if left := (line.text[:start] + line.text[end:]).strip():
            self.page[index] = line._replace(text=left)
            had, has = _calls_in(line.text).keys(), _calls_in(left).keys()
            for key in had - has:
                del self._lines[key][bisect_left(self._lines[key], index)]
            for key in has - had:
                insort(self._lines[key], index)


def _calls_in(text: str) -> dict[tuple[str, int], tuple[int, int]]:
    """The first call of each mark in a line, by mark and certainty: 0 is the most certain.

    >>> _calls_in("one,1 two 2 and “three.”³")
    {('3', 0): (24, 25), ('1', 1): (4, 5)}
    """
    calls: dict[tuple[str, int], tuple[int, int]] = {}
    if len(text) > _LONGEST_LINE:
        return calls
    for match in _SIGN_CALL.finditer(text):
        calls.setdefault((match[1].translate(_TO_PLAIN), 0), match.span())
    for match in _RAISED_CALL.finditer(text):
        mark = match[1] or match[2]
        if not mark.isdecimal():
            calls.setdefault((mark.translate(_TO_PLAIN), 0), match.span())
    for match in _DIGIT_CALL.finditer(text):
        assert match.lastindex is not None  # one of the groups has matched
        calls.setdefault((match[match.lastindex], match.lastindex), match.span())
    return calls
