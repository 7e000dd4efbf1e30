"""Picks the pages of a PDF that came out worst, to be shown before and after cleaning."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from qwen_pl.data.cleaning.characters import fix_characters
from qwen_pl.data.cleaning.clean_text import CleanText
from qwen_pl.data.page.legibility import SURELY_GLUED, glued_ratio
from qwen_pl.data.page.line import Page

EXCERPT_CHARACTERS = 1200
"""About how much of a page is shown."""

"""Share of characters that nobody can read above which it is said of a file or a page."""

_FEW_LETTERS = 100  # fewer are lost on any page, with its head and its number
_LOST = 0.15
_KINDS = ["unreadable", "glued", "lost", "contents", "empty"]  # of trouble, worst first
_ONCE_IS_ENOUGH = ("contents", "empty")
_SHORT = 12  # letters; the "Page" of "Page 69" alone may be found by chance
_LINES_BEFORE = 3  # kept lines shown above the first that was removed
_MOST_WORK = 10**8  # lines of a page times characters of its text
_NOT_LETTERS = re.compile(r"[\W\d_¹²³⁰-₉]+")  # nor raised digits, which are marks of footnotes


@dataclass
class Excerpt:
    """One page before and after cleaning."""

    page: int
    """Counted from 1."""
    before: str
    """The lines as they were read."""
    after: str
    """The paragraphs made of them, with a blank line between."""
    trouble: str
    """Why this page was chosen, in one short phrase."""
    removed: list[int] = field(default_factory=list)
    """The lines of ``before``, counted from 0, that are in no paragraph."""


class PageFate(NamedTuple):
    """What became of the lines of one page."""

    number: int
    """Counted from 1."""
    lines: list[str]
    removed: list[int]
    """Indices of the lines that are in no paragraph."""
    after: str
    """The paragraphs that begin on the page, behind those of the page before."""
    start: int
    """Where in ``after`` the first paragraph begins that begins on the page."""
    letters: int
    letters_lost: int


def follow_pages(pages: Sequence[Page], clean: CleanText) -> Iterator[PageFate]:
    """Tells of every page which of its lines are found again in the cleaned paragraphs.

    A line is found by its letters alone, since cleaning changes spaces, hyphens and digits of
    footnote marks; a short one has to stand there as it was. A paragraph may go on over a page's
    end, so that the text of a page may also stand in what begins on the last page before it that
    has a beginning.
    """
    beginning: dict[int, list[str]] = defaultdict(list)
    for paragraph in clean.paragraphs:
        beginning[paragraph.page].append(paragraph.text)
    before = ""
    kept = _KeptText("")
    for number, page in enumerate(pages, start=1):
        here = "\n\n".join(beginning[number])
        after = f"{before}\n\n{here}" if before and here else before + here
        if after != kept.text:  # else a paragraph goes on over several pages
            kept = _KeptText(after)
        lines = [" ".join(line.text.split()) for line in page]
        removed = kept.lacks(lines) if page else []
        lost = sum(len(_letters(lines[index])) for index in removed)
        start = len(after) - len(here)
        yield PageFate(number, lines, removed, after, start, len(_letters("".join(lines))), lost)
        before = here or before


def _letters(text: str) -> str:
    return _NOT_LETTERS.sub("", text).casefold()


class _KeptText:
    """The cleaned text in which the lines of a page are looked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._letters = _letters(text)
        self._place = 0  # of the line found last, behind which the next one mostly is

    def lacks(self, lines: list[str]) -> list[int]:
        """The indices of the lines that it does not have."""
        if len(lines) * len(self.text) > _MOST_WORK:
            return []
        # Most lines need no correction of their characters to be found, which costs the most.
        return [
            index
            for index, line in enumerate(lines)
            if not self._has(line) and not self._has(fix_characters(line))
        ]

    def _has(self, line: str) -> bool:
        letters = _letters(line)
        if len(letters) <= _SHORT:
            return line.rstrip("-‐\u00ad") in self.text
        found = self._letters.find(letters, self._place)
        found = found if found >= 0 else self._letters.find(letters)
        self._place = found if found >= 0 else self._place
        return found >= 0


def worst_pages(fates: Sequence[PageFate], clean: CleanText, most: int = 3) -> list[Excerpt]:
    """The pages of ``fates`` with the most trouble, worst first, and one from the middle.

    Each kind of trouble has its worst page shown before any has a second one. The page from the
    middle lets a reader judge what no measure tells, as whether columns come in their order.
    """
    unreadable = set(clean.garbage_pages)
    found = (_trouble(fate, clean, fate.number in unreadable) for fate in fates)
    troubled = [trouble for trouble in found if trouble is not None]
    if empty := [fate for fate in fates if not fate.lines]:
        others = f", as {len(empty) - 1:,} others" if len(empty) > 1 else ""
        troubled.append(_Trouble("empty", 0, f"gave no text{others}", empty[0]))
    troubled.sort(key=lambda trouble: (_KINDS.index(trouble.kind), -trouble.share))
    first_of_kind = list({t.kind: t for t in reversed(troubled)}.values())[::-1]
    chosen = first_of_kind + [
        t for t in troubled if t not in first_of_kind and t.kind not in _ONCE_IS_ENOUGH
    ]
    full = [fate for fate in fates if fate.letters > _FEW_LETTERS and fate.after]
    if full and (middle := full[len(full) // 2]) not in [trouble.fate for trouble in chosen]:
        chosen.append(_Trouble("ordinary", 0, "a page from the middle", middle))
    return [_excerpt(trouble) for trouble in chosen[:most]]


class _Trouble(NamedTuple):
    kind: str
    share: float
    phrase: str
    fate: PageFate


def _trouble(fate: PageFate, clean: CleanText, is_unreadable: bool) -> _Trouble | None:
    text = "\n".join(fate.lines)
    lost = fate.letters_lost / max(fate.letters, 1)
    if is_unreadable:
        phrase = f"some of it cannot be read by anyone; {lost:.0%} of its letters are left out"
        return _Trouble("unreadable", lost, phrase, fate)
    if clean.glued_ratio and (glued := glued_ratio(text)) > SURELY_GLUED:
        phrase = f"spaces are missing: {glued:.0%} of its letters are in overlong words"
        return _Trouble("glued", glued, phrase, fate)
    if fate.letters_lost < _FEW_LETTERS or lost < _LOST:
        return None
    gone = [fate.lines[index] for index in fate.removed]
    how_much = "all" if lost > 0.99 else f"{lost:.0%}"
    if 2 * sum(line[-1:].isdigit() for line in gone) > len(gone):
        phrase = f"cleaning removed {how_much} of it, as a table of contents by its looks"
        return _Trouble("contents", lost, phrase, fate)
    return _Trouble("lost", lost, f"cleaning removed {how_much} of its letters", fate)


def _excerpt(trouble: _Trouble) -> Excerpt:
    fate = trouble.fate
    lengths = [len(line) + 1 for line in fate.lines]
    first = 0
    if trouble.kind in ("lost", "contents"):
        gone = _longest_row(fate.removed)
        if sum(lengths[:gone]) > EXCERPT_CHARACTERS / 2:
            first = max(gone - _LINES_BEFORE, 0)
    last = first
    while last < len(lengths) and sum(lengths[first:last]) < EXCERPT_CHARACTERS:
        last += 1
    before = [line[:EXCERPT_CHARACTERS] for line in fate.lines[first:last]]
    removed = [index - first for index in fate.removed if first <= index < last]
    gone_lines = set(fate.removed)
    kept = [line for i, line in enumerate(fate.lines[first:], first) if i not in gone_lines]
    before += ["…"] if last < len(lengths) else []
    if first:
        before.insert(0, "…")
        removed = [index + 1 for index in removed]
    after = _after(fate, kept)
    return Excerpt(fate.number, storable("\n".join(before)), after, trouble.phrase, removed)


def _longest_row(numbers: Sequence[int]) -> int:
    """The first of the longest row of numbers that follow each other."""
    rows = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    return max((list(row) for _, row in rows), key=len, default=[(0, 0)])[0][1]


def _after(fate: PageFate, kept: list[str]) -> str:
    """The cleaned text from the first of the lines that were kept."""
    if not kept:
        return ""
    opening = fix_characters(kept[0])[:30]
    start = fate.after.find(opening) if opening else -1
    if start < 0:
        start = fate.start
    text = fate.after[start : start + EXCERPT_CHARACTERS]
    goes_on = start + len(text) < len(fate.after)
    begins_before = start > 0 and not fate.after[:start].endswith("\n\n")
    return storable(("… " if begins_before else "") + text + (" …" if goes_on else ""))


def storable(text: str) -> str:
    """Text without halves of surrogate pairs, which no file in UTF-8 can hold."""
    return text.encode("utf-8", "backslashreplace").decode()
