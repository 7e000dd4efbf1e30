"""Takes footnotes out of their pages and finds the lines that call them."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from qwen_pl.data.page.line import Line, Page

_SMALLER = 0.95  # of the size of the text
_TIGHTER = 0.92  # of the distance of the lines of the text
_FULL = 0.8  # of the letters of the longest line
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_SIGNS = "*†‡§¶‖"
_TO_PLAIN = str.maketrans(_RAISED + "∗∥", "0123456789*‖")
_TO_RAISED = str.maketrans("0123456789", _RAISED)
_MARKS = rf"[{_RAISED}]{{1,3}}|\d{{1,3}}|[{_SIGNS}∗∥]{{1,3}}"
# A plain number is followed by a letter, since "12 000 men" is none.
_MARK = re.compile(
    rf"([{_RAISED}]{{1,3}})[.)]?\s*(?=\S)|(\d{{1,3}}|[{_SIGNS}∗∥]{{1,3}})[.)]?\s*(?=\W*[^\W\d])"
)
_MARK_ALONE = re.compile(rf"({_MARKS})()[.)]?")
_RAISED_MARK = re.compile(rf"(?<=\s)[{_RAISED}]{{1,3}}\s?(?=\S)")
_SENTENCE_END = re.compile(r"[.!?…。][”’»\"')\]]*$")
_CLOSING = ".,;:!?”’»)\\]\"'"


@dataclass
class Note:
    """A footnote: its mark, as plain digits or signs, and its lines without the mark."""

    mark: str
    lines: list[str]

    def goes_on_with(self, lines: list[str]) -> bool:
        """Whether lines at the next foot, without a mark, may be of this note."""
        is_finished = _SENTENCE_END.search(self.lines[-1]) is not None
        is_full = len(self.lines[-1]) >= _FULL * max(map(len, [*self.lines, *lines]))
        return not is_finished or lines[0][:1].islower() or is_full


@dataclass
class Footnotes:
    """Pages without footnotes, and the notes by the line that calls them."""

    pages: list[Page] = field(default_factory=list)
    called_by: dict[tuple[int, int], list[Note]] = field(default_factory=lambda: defaultdict(list))
    """Notes by ``(page index, line index)`` in ``pages``."""


def take_footnotes(pages: list[Page], body_size: float) -> Footnotes:
    """Separates the notes at the foot of pages and columns from the text.

    Small lines at the foot are notes if they begin with a mark that the text calls; the mark is
    then removed in both places. Small lines before the first mark go on with the last note of the
    column or page before, if that may be unfinished.

    Args:
        pages: Pages of lines, stripped and not empty.
        body_size: Font size of the text, in points.
    """
    taking = _Taking(body_size, _usual_drop(pages, body_size))
    for page, next_page in zip(pages, [*pages[1:], []], strict=False):
        taking.take(page, next_page)
    return taking.result


def find_note_beginnings(pages: list[Page], body_size: float) -> set[tuple[int, int]]:
    """Small lines that begin with a mark raised above them, as ``(page index, line index)``.

    They are no running feet, although the numbers of notes grow from page to page.
    """
    found = set()
    for number, page in enumerate(pages):
        for index, line in enumerate(page):
            match = _MARK.match(line.text)
            if match is None or not line.size < _SMALLER * body_size:
                continue
            raised = _mark_of(match).translate(_TO_RAISED)
            if any(other.y > line.y and raised in other.text for other in page):
                found.add((number, index))
    return found


class _Taking:
    """The notes found so far, and what the next page may go on with."""

    def __init__(self, body_size: float, leading: float) -> None:
        self.result = Footnotes()
        self._body_size = body_size
        self._leading = leading
        self._last: Note | None = None  # on this page or the one before
        self._early: list[Note] = []  # called by the next page

    def take(self, page: Page, next_page: Page) -> None:
        """Adds a page to the result."""
        parts = [_split_foot(column, self._body_size, self._leading) for column in _columns(page)]
        text = [line for lines, _ in parts for line in lines]
        before = self._last
        body: Page = []
        notes: list[Note] = []
        for lines, foot in parts:
            body += lines
            lead, found = _split_notes(foot, self._called_marks(text, foot, next_page))
            lead_texts = [line.text for line in lead]
            if lead and self._last is not None and self._last.goes_on_with(lead_texts):
                self._last.lines += lead_texts
            else:
                body += lead
            notes += found
            self._last = found[-1] if found else self._last
        if self._last is before and not any(foot for _, foot in parts):
            self._last = None
        self.result.pages.append(body)
        notes = self._early + notes
        self._early = []
        self._attach(notes, next_page)

    def _called_marks(self, text: Page, foot: Page, next_page: Page) -> set[str]:
        """The marks in a foot that this page calls, or those around it where they are near."""
        texts = [text, *(page[-len(page) // 3 :] for page in self.result.pages[-1:])]
        texts.append(next_page[: len(next_page) // 3])
        marks = {match[0].translate(_TO_PLAIN) for line in foot for match in _marks_in(line.text)}
        return {mark for mark in marks if any(_find_call(page, mark) for page in texts)}

    def _attach(self, notes: list[Note], next_page: Page) -> None:
        """Takes the marks of a page's notes out of its text, in order."""
        number = len(self.result.pages) - 1
        body = self.result.pages[number]
        first = 0
        for note in notes:
            if call := _find_call(body, note.mark, first) or _find_call(body, note.mark):
                first = call[0]
                self._remove_call(number, note, *call)
            elif number and (call := _find_call(self.result.pages[number - 1], note.mark)):
                self._remove_call(number - 1, note, *call)
            elif _find_call(next_page, note.mark):  # columns may be balanced after notes are set
                self._early.append(note)
            else:
                self.result.called_by[number, max(len(body) - 1, 0)].append(note)

    def _remove_call(self, page: int, note: Note, index: int, start: int, end: int) -> None:
        line = self.result.pages[page][index]
        if left := (line.text[:start] + line.text[end:]).strip():
            self.result.pages[page][index] = line._replace(text=left)
        self.result.called_by[page, index].append(note)


def _usual_drop(pages: list[Page], body_size: float) -> float:
    """The usual distance of the lines of the text, in points; 0 if it is not known."""
    drops = Counter(
        round(before.y - line.y, 1)
        for page in pages
        for before, line in pairwise(page)
        if 0.8 * body_size < before.y - line.y < 3 * body_size
    )
    return drops.most_common(1)[0][0] if drops else 0.0


def _columns(page: Page) -> Iterator[Page]:
    """Parts a page where a line stands higher than the one before, but for a large initial."""
    column: Page = []
    for line in page:
        if column and line.y > column[-1].y + 1.0:
            is_initial = len(column[-1].text) <= 2 and column[-1].size > 1.5 * line.size
            if not is_initial:
                yield column
                column = []
        column.append(line)
    if column:
        yield column


def _split_foot(column: Page, body_size: float, leading: float) -> tuple[Page, Page]:
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


def _marks_in(line: str) -> Iterator[re.Match[str]]:
    """What may be marks of notes in a line of notes: at its beginning, or raised."""
    if match := re.match(_MARKS, line):
        yield match
    yield from re.finditer(rf"(?<=\s)[{_RAISED}]{{1,3}}", line)


def _split_notes(foot: Page, called: set[str]) -> tuple[Page, list[Note]]:
    """Lines before the first mark, and notes.

    >>> lines = ["went on.", "³ See there.", "⁴ And here,", "12 lines on."]
    >>> _split_notes([Line(text, 0, 0, 8) for text in lines], {"3", "4"})[1]
    [Note(mark='3', lines=['See there.']), Note(mark='4', lines=['And here,', '12 lines on.'])]
    """
    lead: Page = []
    notes: list[Note] = []
    is_raised = False  # the marks of this foot
    beside_mark = ""
    for line, after in zip(foot, [*foot[1:], None], strict=False):
        if beside_mark:
            notes.append(Note(beside_mark, [line.text]))
            beside_mark = ""
            continue
        match = _MARK.match(line.text)
        alone = _MARK_ALONE.fullmatch(line.text) if after and _is_beside(line, after) else None
        found = match or alone
        mark = _mark_of(found) if found else ""
        is_next = _follows(notes[-1].mark, mark) if notes else mark in called
        if is_raised and mark and found[0][0] not in _RAISED:
            is_next = False
        if found and is_next:
            is_raised = found[0][0] in _RAISED
            if match:
                notes.append(Note(mark, [line.text[match.end() :]]))
            else:
                beside_mark = mark
        elif notes:
            notes[-1].lines.append(line.text)
        else:
            lead.append(line)
        if notes and not beside_mark:
            notes += _split_line(notes[-1], called)
    return lead, notes


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


def _is_beside(mark: Line, line: Line) -> bool:
    """Whether a line goes on to the right of a mark that stands alone."""
    return line.x > mark.x and abs(line.y - mark.y) < 0.7 * line.size


def _follows(before: str, mark: str) -> bool:
    """Whether one mark can come right after another."""
    if before.isdigit() and mark.isdigit():
        return int(mark) == int(before) + 1
    return bool(mark) and before != mark and not mark.isdigit()


def _find_call(page: Page, mark: str, first: int = 0) -> tuple[int, int, int] | None:
    """Where the text calls a note: line index, start, and end, with the space before the mark."""
    for pattern in _call_patterns(mark):
        for index in range(first, len(page)):
            if match := pattern.search(page[index].text):
                return index, match.start(), match.end()
    return None


def _call_patterns(mark: str) -> Iterator[re.Pattern[str]]:
    """How a call may look, the most certain first."""
    if not mark.isdigit():
        either = "".join({"*": "[*∗]", "‖": "[‖∥]"}.get(sign, sign) for sign in mark)
        yield re.compile(rf"(?<=[\w{_CLOSING}]) ?{either}(?![\w∗∥{_SIGNS}])")
        return
    either = "".join(f"[{digit}{_RAISED[int(digit)]}]" for digit in mark)
    raised = rf"(?=\d*[{_RAISED}])(?<![\d{_RAISED}]){either}(?![\d{_RAISED}])"
    yield re.compile(rf" ?{raised}(?=[\s{_CLOSING}]|$)|{raised}")
    # Not "2.1", "V:1" or "F1".
    stop = r"(?<=[.,;!?”’»)\]\"'])"
    for before in (stop, r"(?<=[a-zß-öø-ÿа-яё])", stop + " "):
        yield re.compile(rf"(?<!\d[.,]){before}{mark}(?=[\s{_CLOSING}]|$)")
