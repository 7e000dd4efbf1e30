"""Takes footnotes out of their pages and finds the lines that call them."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from qwen_pl.data.cleaning.measures import usual_leading
from qwen_pl.data.page.line import Line, LineIndex, Page, is_large_initial, parted

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
_MARK_ALONE = re.compile(rf"({_MARKS})[.)]?")
_RAISED_MARK = re.compile(rf"(?<=\s)[{_RAISED}]{{1,3}}\s?(?=\S)")
_NOTE_END = re.compile(r"[.!?…。][”’»\"')\]]*$")  # a note seldom ends with a colon
_CLOSING = ".,;:!?”’»)\\]\"'"


@dataclass
class Note:
    """A footnote: its mark, as plain digits or signs, and its lines without the mark."""

    mark: str
    lines: list[str]

    def goes_on_with(self, lines: list[str]) -> bool:
        """Whether lines at the next foot, without a mark, may be of this note."""
        is_finished = _NOTE_END.search(self.lines[-1]) is not None
        is_full = len(self.lines[-1]) >= _FULL * max(map(len, [*self.lines, *lines]))
        return not is_finished or lines[0][:1].islower() or is_full


@dataclass
class Footnotes:
    """Pages without footnotes, and the notes by the line that calls them."""

    pages: list[Page] = field(default_factory=list)
    called_by: dict[LineIndex, list[Note]] = field(default_factory=lambda: defaultdict(list))


def take_footnotes(pages: list[Page], body_size: float) -> Footnotes:
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
    for page, next_page in zip(pages, [*pages[1:], []], strict=False):
        columns = [_split_foot(part, body_size, leading) for part in parted(page, _begins_column)]
        around = [before[-len(before) // 3 :] for before in result.pages[-1:]]
        around.append(next_page[: len(next_page) // 3])
        body, notes, unfinished = _take_notes(columns, around, unfinished)
        result.pages.append(body)
        early = _attach(early + notes, result, next_page)
    return result


def find_note_beginnings(pages: list[Page], body_size: float) -> set[LineIndex]:
    """The indices of small lines that begin with a mark which is raised above them.

    They are no running feet, although the numbers of notes grow from page to page.
    """
    found = set()
    for number, page in enumerate(pages):
        for index, line in enumerate(page):
            if line.size < _SMALLER * body_size and (match := _MARK.match(line.text)):
                raised = _mark_of(match).translate(_TO_RAISED)
                if any(other.y > line.y and raised in other.text for other in page):
                    found.add((number, index))
    return found


def _begins_column(column: Page, line: Line) -> bool:
    """Whether a line stands higher than the one before, if that is no large initial."""
    before = column[-1]
    is_higher = line.y > before.y + 1.0
    return is_higher and not is_large_initial(before.text, before.size, line.size)


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


def _take_notes(
    columns: list[tuple[Page, Page]], around: list[Page], unfinished: Note | None
) -> tuple[Page, list[Note], Note | None]:
    """The text of one page, its notes, and the note that may go on at the next foot.

    Parts of the pages ``around`` may call its notes; ``unfinished`` may go on at its first foot.
    """
    texts = [[line for text, _ in columns for line in text], *around]
    body: Page = []
    notes: list[Note] = []
    for text, foot in columns:
        lead, found = _split_notes(foot, _called_marks(foot, texts))
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


def _called_marks(foot: Page, texts: list[Page]) -> set[str]:
    """The marks in a foot that one of the texts calls."""
    at_beginning_or_raised = re.compile(rf"^(?:{_MARKS})|(?<=\s)[{_RAISED}]{{1,3}}")
    found = {mark for line in foot for mark in at_beginning_or_raised.findall(line.text)}
    marks = {mark.translate(_TO_PLAIN) for mark in found}
    return {mark for mark in marks if any(_find_call(text, mark) for text in texts)}


def _split_notes(foot: Page, called: set[str]) -> tuple[Page, list[Note]]:
    """Lines before the first mark, and notes.

    >>> lines = ["went on.", "³ See there.", "⁴ And here,", "12 lines on."]
    >>> _split_notes([Line(text, 0, 0, 8) for text in lines], {"3", "4"})[1]
    [Note(mark='3', lines=['See there.']), Note(mark='4', lines=['And here,', '12 lines on.'])]
    """
    lead: Page = []
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


def _opening(line: Line, after: Line | None) -> re.Match[str] | None:
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


def _attach(notes: list[Note], result: Footnotes, next_page: Page) -> list[Note]:
    """Takes the marks of the last page's notes out of the text, in order.

    What comes back is called on the next page: columns may be balanced after notes are set.
    """
    early = []
    number = len(result.pages) - 1
    body = result.pages[number]
    first = 0
    for note in notes:
        if call := _find_call(body, note.mark, first) or _find_call(body, note.mark):
            first = call[0]
            _remove_call(result, number, note, call)
        elif number and (call := _find_call(result.pages[number - 1], note.mark)):
            _remove_call(result, number - 1, note, call)
        elif _find_call(next_page, note.mark):
            early.append(note)
        else:
            result.called_by[number, max(len(body) - 1, 0)].append(note)
    return early


def _remove_call(result: Footnotes, page: int, note: Note, call: tuple[int, int, int]) -> None:
    index, start, end = call
    line = result.pages[page][index]
    if left := (line.text[:start] + line.text[end:]).strip():
        result.pages[page][index] = line._replace(text=left)
    result.called_by[page, index].append(note)


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
