"""Takes footnotes out of their pages and finds the lines that call them."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from qwen_pl.data.pdf import Page

_SMALLER = 0.95  # of the size of the text
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_TO_DIGITS = str.maketrans(_RAISED, "0123456789")
_MARK = re.compile(rf"([{_RAISED}\d]{{1,3}}|[*†‡§¶]{{1,3}})[.)]?\s*(?=\W*[^\W\d])")
_SENTENCE_END = re.compile(r"[.!?…。][”’»\"')\]]*$")
_CLOSING = ".,;:!?”’»)\\]\"'"


@dataclass
class Note:
    """A footnote: its mark, in plain digits, and its lines without the mark."""

    mark: str
    lines: list[str]

    @property
    def is_finished(self) -> bool:
        return _SENTENCE_END.search(self.lines[-1]) is not None


@dataclass
class Footnotes:
    """Pages without footnotes, and the notes by the line that calls them."""

    pages: list[Page] = field(default_factory=list)
    called_by: dict[tuple[int, int], list[Note]] = field(default_factory=lambda: defaultdict(list))
    """Notes by ``(page index, line index)`` in ``pages``."""


def take_footnotes(pages: list[Page], body_size: float) -> Footnotes:
    """Separates the notes at the foot of pages and columns from the text.

    Small lines at the foot are notes if they begin with a mark that the text of the page calls; the
    mark is then removed in both places. Small lines before the first mark go on with the last note
    of the page before, if that broke off in mid-sentence.

    Args:
        pages: Pages of lines, stripped and not empty.
        body_size: Font size of the text, in points.
    """
    result = Footnotes()
    unfinished: Note | None = None
    for page_index, page in enumerate(pages):
        body, lead, notes = _separate(page, body_size, goes_on=unfinished is not None)
        if lead and unfinished is not None:
            unfinished.lines += lead
        for note in notes:
            result.called_by[page_index, _remove_call(body, note.mark)].append(note)
        last = notes[-1] if notes else unfinished
        unfinished = None if last is None or last.is_finished else last
        result.pages.append(body)
    return result


def _separate(page: Page, body_size: float, goes_on: bool) -> tuple[Page, list[str], list[Note]]:
    """The text of a page, the end of a note of the page before if that goes on, and its notes."""
    blocks = list(_blocks(page, body_size))
    text = [line for block, is_foot in blocks if not is_foot for line in block]
    if not text:
        return page, [], []
    body: Page = []
    end: list[str] = []
    notes: list[Note] = []
    for block, is_foot in blocks:
        lead, found = _split_notes([line.text for line in block]) if is_foot else ([], [])
        is_end = goes_on and bool(lead) and not notes and not end
        is_called = any(_find_call(text, note.mark) for note in found)
        if is_called or (is_end and not found):
            notes += found
            if is_end:
                end = lead
            else:
                body += block[: len(lead)]
        else:
            body += block
    return body, end, notes


def _blocks(page: Page, body_size: float) -> Iterator[tuple[Page, bool]]:
    """Lines of one page, small ones and others apart, and whether they are small and at a foot."""
    groups = [
        (is_small, list(lines))
        for is_small, lines in groupby(page, lambda line: line.size < _SMALLER * body_size)
    ]
    for number, (is_small, lines) in enumerate(groups):
        is_last = number == len(groups) - 1
        is_foot = is_small and (is_last or groups[number + 1][1][0].y > lines[-1].y)
        yield lines, is_foot


def _split_notes(lines: list[str]) -> tuple[list[str], list[Note]]:
    """Lines before the first mark, and notes.

    >>> _split_notes(["went on.", "³ See there.", "⁴ And here,", "12 lines on."])[1]
    [Note(mark='3', lines=['See there.']), Note(mark='4', lines=['And here,', '12 lines on.'])]
    """
    lead: list[str] = []
    notes: list[Note] = []
    for line in lines:
        match = _MARK.match(line)
        mark = match[1].translate(_TO_DIGITS) if match else ""
        if match and (not notes or _follows(notes[-1].mark, mark)):
            notes.append(Note(mark, [line[match.end() :]]))
        elif notes:
            notes[-1].lines.append(line)
        else:
            lead.append(line)
    return lead, notes


def _follows(before: str, mark: str) -> bool:
    """Whether one mark can come right after another."""
    if before.isdigit() and mark.isdigit():
        return int(mark) == int(before) + 1
    return before != mark and not mark.isdigit()


def _find_call(page: Page, mark: str) -> tuple[int, int, int] | None:
    """Where the text calls a note: line index, start, and end, with the space before the mark."""
    for pattern in _call_patterns(mark):
        for index, line in enumerate(page):
            if match := pattern.search(line.text):
                return index, match.start(), match.end()
    return None


def _call_patterns(mark: str) -> Iterator[re.Pattern[str]]:
    """How a call may look, the most certain first."""
    if not mark.isdigit():
        yield re.compile(rf"(?<=[\w{_CLOSING}]) ?{re.escape(mark)}(?![\w*†‡§¶])")
        return
    either = "".join(f"[{digit}{_RAISED[int(digit)]}]" for digit in mark)
    raised = rf"(?=\d*[{_RAISED}])(?<![\d{_RAISED}]){either}(?![\d{_RAISED}])"
    yield re.compile(rf" ?{raised}(?=[\s{_CLOSING}]|$)|{raised}")
    # Not "2.1", "V:1" or "F1".
    stop = r"(?<=[.,;!?”’»)\]\"'])"
    for before in (stop, r"(?<=[a-zß-öø-ÿа-яё])", stop + " "):
        yield re.compile(rf"(?<!\d[.,]){before}{mark}(?=[\s{_CLOSING}]|$)")


def _remove_call(page: Page, mark: str) -> int:
    """Takes a mark out of the text and returns the line where it was, or else the last one."""
    call = _find_call(page, mark)
    if call is None:
        return len(page) - 1
    index, start, end = call
    text = page[index].text[:start] + page[index].text[end:]
    if text.strip():
        page[index] = page[index]._replace(text=text.strip())
    return index
