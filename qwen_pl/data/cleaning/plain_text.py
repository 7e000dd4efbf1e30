"""Finds the paragraphs of text and Markdown files, in which lines may be wrapped."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_FENCE = re.compile(r"\s*(```|~~~)")
_ITEM = re.compile(r"\s*([-*+•–]|\d{1,3}[.)])\s+\S")
_STANDS_ALONE = re.compile(r"\s*(#{1,6}\s|\||[-*_=]{3,}\s*$)")  # heading, table row, rule
_HARD_BREAK = re.compile(r"( {2}|\\)$")
_CODE_INDENT = re.compile(r" {4}|\t")
_LONGEST_WRAPPED = 120  # letters; with longer lines, each line is a paragraph


class Passage(NamedTuple):
    """Lines that make one paragraph, or one line of code."""

    lines: list[str]
    is_code: bool = False


def find_passages(lines: Iterable[str]) -> Iterator[Passage]:
    """Groups lines to paragraphs, which blank lines, list items and headings part.

    Code, fenced or set in by four spaces after a blank line, stays as it is, line by line.

    >>> [passage.lines for passage in find_passages(["# Cats", "They", "purr.", "- one", "- two"])]
    [['# Cats'], ['They', 'purr.'], ['- one'], ['- two']]
    """
    block: list[str] = []
    in_fence = False
    for line in lines:
        if _FENCE.match(line):
            yield from _split_block(block)
            block = []
            in_fence = not in_fence
            yield Passage([line.rstrip()], is_code=True)
        elif in_fence:
            if line.strip():
                yield Passage([line.rstrip()], is_code=True)
        elif line.strip():
            block.append(line)
        else:
            yield from _split_block(block)
            block = []
    yield from _split_block(block)


def _split_block(block: list[str]) -> Iterator[Passage]:
    """The passages of lines without a blank one between them."""
    if block and all(_CODE_INDENT.match(line) for line in block) and not _ITEM.match(block[0]):
        for line in block:
            yield Passage([line.rstrip()], is_code=True)
        return
    is_wrapped = max(map(len, block), default=0) <= _LONGEST_WRAPPED
    passage: list[str] = []
    for line in block:
        if passage and (not is_wrapped or _begins(line, passage)):
            yield Passage(passage)
            passage = []
        passage.append(line)
    if passage:
        yield Passage(passage)


def _begins(line: str, passage: list[str]) -> bool:
    """Whether a line begins a paragraph within a block."""
    before = passage[-1]
    if _ITEM.match(line) or _STANDS_ALONE.match(line):
        return True
    if _STANDS_ALONE.match(before) or _HARD_BREAK.search(before):
        return True
    is_set_in = line[0].isspace() and not passage[0][0].isspace()
    return is_set_in and not _ITEM.match(passage[0])
