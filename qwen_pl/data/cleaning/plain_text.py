"""Finds the paragraphs of text and Markdown files, in which lines may be wrapped."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from qwen_pl.data.page.line import parted

_FENCE = re.compile(r"\s*(```|~~~)")
_ITEM = re.compile(r"\s*([-*+•–]|\d{1,3}[.)])\s+\S")
_STANDS_ALONE = re.compile(r"\s*(#{1,6}\s|\||[-*_=]{3,}\s*$)")  # heading, table row, rule
_HARD_BREAK = re.compile(r"( {2}|\\)$")
_CODE_INDENT = re.compile(r" {4}|\t")
_LONGEST_WRAPPED = 120  # letters; with longer lines, each line is a paragraph


class LineGroup(NamedTuple):
    """Lines that make one paragraph, or one line of code."""

    lines: list[str]
    is_code: bool = False


def group_lines(lines: Iterable[str]) -> Iterator[LineGroup]:
    """Groups lines to paragraphs, which blank lines, list items and headings part.

    Code, fenced or set in by four spaces after a blank line, stays as it is, line by line.

    >>> [group.lines for group in group_lines(["# Cats", "They", "purr.", "- one", "- two"])]
    [['# Cats'], ['They', 'purr.'], ['- one'], ['- two']]
    """
    block: list[str] = []
    in_fence = False
    for line in lines:
        if not line and not block:
            continue
        is_fence = _FENCE.match(line) is not None
        if line.strip() and not (is_fence or in_fence):
            block.append(line)
            continue
        yield from _split_block(block)
        block = []
        if line.strip():
            yield LineGroup([line.rstrip()], is_code=True)
        in_fence ^= is_fence
    yield from _split_block(block)


def _split_block(block: list[str]) -> Iterator[LineGroup]:
    """The groups of lines without a blank one between them."""
    if block and all(_CODE_INDENT.match(line) for line in block) and not _ITEM.match(block[0]):
        for line in block:
            yield LineGroup([line.rstrip()], is_code=True)
        return
    is_wrapped = max(map(len, block), default=0) <= _LONGEST_WRAPPED
    begins = _begins if is_wrapped else lambda *_: True
    yield from map(LineGroup, parted(block, begins))


def _begins(group: list[str], line: str) -> bool:
    """Whether a line begins a paragraph within a block."""
    before = group[-1]
    if _ITEM.match(line) or _STANDS_ALONE.match(line):
        return True
    if _STANDS_ALONE.match(before) or _HARD_BREAK.search(before):
        return True
    is_set_in = line[0].isspace() and not group[0][0].isspace()
    return is_set_in and not _ITEM.match(group[0])
