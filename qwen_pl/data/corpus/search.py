"""Finds a sentence in the text of a corpus, however its white space and its lines are set."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import numpy as np

from qwen_pl.data.corpus.document import Document

_CONTEXT = 60  # characters on either side of a hit
_CHUNK_BYTES = 1 << 20
_CHUNK_PARAGRAPHS = 1 << 16

# What a keyboard has one key for and a book several signs.
_ALIKE = ("'‘’‚‛", '"“”„‟', "-‐‑‒–—―")


@dataclass(frozen=True)
class Hit:
    """A place where the sentence was found."""

    document: int
    """The number of the document in the corpus."""
    paragraph: int
    """That the sentence begins in."""
    page: int
    """From 1, that this paragraph begins on."""
    last_page: int
    """That the paragraph after the sentence begins on: what a paragraph has of the pages it runs
    over is not known."""
    context: str
    """The sentence with some words on either side."""


def find_text(documents: Sequence[Document], text: str, *, exact: bool) -> Iterator[Hit]:
    """Yields where ``text`` occurs, in order; a sentence may go on in the next paragraph.

    White space counts as one blank, and characters that are made up of several as one; capitals,
    and the kinds of quotation marks and dashes, count only if it is to be exact. The text of the
    corpus is read a chunk at a time and never in memory as a whole.
    """
    wanted = normal(text)
    alike = "".join(map(_any_alike, wanted))
    pattern = re.compile(re.escape(wanted)) if exact else re.compile(alike, re.IGNORECASE)
    for number, document in enumerate(documents):
        yield from _find(document, number, pattern, len(wanted))


def normal(text: str) -> str:
    """NFC, with one blank for any white space."""
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _any_alike(character: str) -> str:
    alike = next((alike for alike in _ALIKE if character in alike), None)
    return re.escape(character) if alike is None else f"[{re.escape(alike)}]"


def _find(document: Document, number: int, pattern: re.Pattern[str], length: int) -> Iterator[Hit]:
    text = ""  # what is looked through now: a chunk, and the end of the one before
    starts: list[int] = []  # of the paragraphs in it
    places: list[list[int]] = []  # their numbers and pages
    searched = 0  # all that begins before this character has been found
    for chunk in chain(_chunks(document), [None]):
        contents = [f"{normal(content)} " for *_, content in chunk or ()]
        starts += accumulate(map(len, contents[:-1]), initial=len(text)) if contents else []
        places += [place for *place, _ in chunk or ()]
        text += "".join(contents)
        # What begins near the end may go on in the next chunk.
        end = len(text) if chunk is None else len(text) - length - _CONTEXT
        for match in pattern.finditer(text, searched):
            if match.start() >= end:
                break
            paragraph, page, _ = places[bisect_right(starts, match.start()) - 1]
            *_, last_page = places[bisect_right(starts, match.end() - 1) - 1]
            context = _context(text, *match.span())
            yield Hit(number, paragraph, page, max(page, last_page), context)
            searched = match.end()
        searched = max(searched, end)
        cut = max(0, searched - _CONTEXT)
        first = max(0, bisect_right(starts, cut) - 1)
        text, searched, places = text[cut:], searched - cut, places[first:]
        starts = [start - cut for start in starts[first:]]


def _chunks(document: Document) -> Iterator[list[tuple[int, int, int, str]]]:
    """About a megabyte at a time: each paragraph's number, page, next one's page, and text."""
    index = document.index
    for first, end in document.kept():
        while first < end:
            sizes = np.cumsum(index["num_bytes"][first : min(end, first + _CHUNK_PARAGRAPHS)])
            stop = first + max(1, int(np.searchsorted(sizes, _CHUNK_BYTES, side="right")))
            pages = index["page"][first : stop + 1].tolist()
            following = [*pages[1:], pages[-1]]
            texts = document.text.read_texts(index[first:stop])
            yield list(zip(range(first, stop), pages, following, texts, strict=False))
            first = stop


def _context(text: str, start: int, end: int) -> str:
    before, after = text[max(0, start - _CONTEXT) : start], text[end : end + _CONTEXT]
    if start > _CONTEXT:
        before = before.partition(" ")[2]
    if end + _CONTEXT < len(text):
        after = after.rpartition(" ")[0]
    return f"…{before}{text[start:end]}{after.rstrip()}…"
