"""A cleaned document as Markdown, by the roles of its paragraphs: headings, lists, code, tables."""

import re
from collections.abc import Iterable, Iterator

from qwen_pl.data.cleaning.clean_text import Paragraph
from qwen_pl.data.layout.roles import Role
from qwen_pl.markdown import fenced

_DEEPEST = 6  # heading that Markdown has
_USUAL_LEVEL = 2  # of a heading of which nothing tells the level: the title has the first
_BULLET = re.compile(r"[•‣◦▪▫■□●○∙⁃➢►✓*–—-]\s+")
_NUMBER = re.compile(r"\d{1,9}[.)]\s+")
# What would be markup within a line, and what would be at its beginning.
_MARK = re.compile(r"([\\`*\[\]<|]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)|~~)")
_OPENING = re.compile(r"(#{1,6}(?=\s|$)|[-+](?=\s|$)|>|=+\s*$|-{3,}\s*$)")
_NUMBERED = re.compile(r"(\d{1,9})([.)])(?=\s|$)")


def markdown(paragraphs: Iterable[Paragraph]) -> Iterator[str]:
    """The parts of a text in Markdown, to be written one after another.

    >>> cats = Paragraph("Cats", 1, role=Role.HEADING), Paragraph("They *purr*.", 1)
    >>> print("".join(markdown(cats)))
    ## Cats
    <BLANKLINE>
    They \\*purr\\*.
    """
    before: Paragraph | None = None
    for paragraph in paragraphs:
        if before is not None:
            is_list = before.role is paragraph.role is Role.ITEM
            yield "\n" if is_list else "\n\n"
        yield _block(paragraph)
        before = paragraph


def _block(paragraph: Paragraph) -> str:
    text = paragraph.text
    if paragraph.role is Role.HEADING:
        level = min(paragraph.level or _USUAL_LEVEL, _DEEPEST)
        return "#" * level + " " + _inline(" ".join(text.split()))
    if paragraph.role is Role.CODE:
        return fenced(text)
    if paragraph.role is Role.TABLE:
        return _table(text)
    if paragraph.role is Role.ITEM:
        return _item(text.lstrip(), max(paragraph.level, 1))
    return "  \n".join(map(_plain, text.split("\n")))  # two spaces keep the end of a line


def _inline(text: str) -> str:
    return _MARK.sub(r"\\\1", text.strip())


def _plain(text: str) -> str:
    """A line that shows what it is, whatever signs are in it.

    >>> _plain("1. a_b is *not* <b>"), _plain("# x"), _plain("snake_case")
    ('1\\\\. a_b is \\\\*not\\\\* \\\\<b>', '\\\\# x', 'snake_case')
    """
    text = _inline(text)
    if _OPENING.match(text):
        return "\\" + text
    if number := _NUMBERED.match(text):
        return f"{number[1]}\\{number[2]}{text[number.end() :]}"
    return text


def _item(text: str, level: int) -> str:
    """An item with Markdown's own bullet, or with its number if that is one of Markdown's."""
    if number := _NUMBER.match(text):
        bullet, text = " ".join(number[0].split()), text[number.end() :]
    else:
        bullet, text = "-", _BULLET.sub("", text, count=1) if _BULLET.match(text) else text
    margin = "  " * (level - 1)
    inner = "\n" + margin + " " * (len(bullet) + 1)
    return f"{margin}{bullet} " + inner.join(map(_plain, text.split("\n")))


def _table(text: str) -> str:
    """A table, whose first row is taken for its head, since Markdown wants one."""
    rows = [[_inline(cell) for cell in line.split(" | ")] for line in text.split("\n")]
    width = max(map(len, rows))
    rows = [row + [""] * (width - len(row)) for row in rows]
    head, *others = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + " --- |" * width, *others])
