"""Groups of lines of a text file, and the paragraphs that they make."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from itertools import chain
from typing import NamedTuple, Protocol

from qwen_pl.data.cleaning.characters import fix_characters, on_one_line
from qwen_pl.data.cleaning.clean_text import Cleaning, CleanText, Paragraph, lines_as_they_are
from qwen_pl.data.cleaning.hyphens import LineJoiner, joined_text
from qwen_pl.data.layout.roles import Role

_CLOSE_WORDS = re.compile(r"\S+(?: \S+)*")


class Kind(Enum):
    """What is done with the lines of a group."""

    JOINED = 1
    """They are the wrapped lines of one paragraph."""
    KEPT = 2
    """They stay lines with their spaces, as those of verse; characters are put right."""
    CODE = 3
    """Everything stays as it is."""


class LineGroup(NamedTuple):
    """Lines that make one paragraph."""

    kind: Kind
    lines: list[str]
    page: int
    newlines: int
    """Before the group."""
    indent: str = ""
    """Before its first line, where that is to stay."""
    role: Role = Role.PROSE
    level: int = 0
    """As a paragraph's."""


class LineReader(Protocol):
    """Finds groups in a text that comes in chunks, which end where lines end, if there are any."""

    def groups(self, chunk: str, *, is_last: bool) -> list[LineGroup]:
        """Those that the chunk ends; what its end leaves open comes with the next one."""


def clean_groups(groups: Sequence[LineGroup], cleaning: Cleaning) -> CleanText:
    """Joins the lines that are to be joined, as the words of all of them suggest."""
    result = CleanText()
    fix = fix_characters if cleaning.characters else on_one_line
    prose = (group.lines for group in groups if group.kind is not Kind.CODE)
    joiner = LineJoiner((fix(line) for lines in prose for line in (*lines, "")), cleaning.hyphens)
    for kind, lines, page, newlines, indent, role, level in groups:
        if kind is Kind.CODE:
            result.paragraphs += lines_as_they_are(lines, page, newlines, role)
        elif kind is Kind.KEPT:
            kept = lines if not cleaning.characters else [_with_spaces(line, fix) for line in lines]
            result.paragraphs += lines_as_they_are(kept, page, newlines, role)
        elif fixed := list(filter(None, map(fix, lines))):
            text = joined_text(fixed[0], fixed[1:], joiner.join)
            result.paragraphs.append(Paragraph(indent + text, page, newlines, role, level))
    result.measure(joiner.num_dehyphenated)
    return result


def clean_chunks(
    chunks: Iterable[str], reader: LineReader, cleaning: Cleaning
) -> Iterator[CleanText]:
    """What each chunk of a text gives, whatever goes on from one to the next."""
    before: str | None = None
    for chunk in chain(chunks, [None]):
        if before is not None:
            yield clean_groups(reader.groups(before, is_last=chunk is None), cleaning)
        before = chunk


def _with_spaces(line: str, fix: Callable[[str], str]) -> str:
    """A line whose characters are put right, with all the spaces that it had."""
    return _CLOSE_WORDS.sub(lambda words: fix(words[0]), line)
