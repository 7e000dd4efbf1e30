"""Signs that a text is not what its page shows: lost spaces, characters that fonts do not tell."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from math import log2

from qwen_pl.data.page.languages import (
    COMMON_SIGN,
    RARE_SIGN,
    UNUSUAL,
    PairTable,
    known_languages,
    letter_pairs,
    signs,
    words_of,
)
from qwen_pl.data.page.line import LineIndex, Page
from qwen_pl.data.page.scripts import UNSPACED

MAYBE_GLUED = 0.02
"""Glued ratio of a document above which another reader is worth its time: in order it is near 0."""
SURELY_GLUED = 0.05
"""Glued ratio above which a document or page is reported: long chemical names or addresses come
near it, and a false alarm costs a person's look."""

_BORDER = -9.3
"""Mean logarithm of the share of a language's pairs of letters, between languages and what is none:
text in a language of the table is above -8.8, other letters in their places below -10.4."""
_MARGIN = 5.0  # by the square root of the number of pairs: what few pairs may be off by chance
_LEAST_EVIDENCE = 60.0  # bits, of lines that are looked at closely
_FEWEST_PAIRS = 80
_LEAST_WORDS = 0.5  # of the signs of a text are in words of three letters and more
_SURE = 15.0  # bits, for a line to be in a language
_FEWEST_SURE = 3000  # pairs of such lines that say how the document is
_SAMPLE = 1000  # lines that tell a document's languages
_NEAREST = 2  # languages of each script
# Names of glyphs and numbers of their codes, controls, private codes and those of no character.
_UNKNOWN = re.compile(
    r"\(cid:\d+\)|(?<!\w)/(?:g|G|glyph|uni|cid|C)\d+\b|(?<!\w)/\w+(?:slant|display|big{1,2}|Big{1,2})\b"
    "|[\x00-\x08\x0e-\x1f\x81\x8d\x8f\x90\x9d\ue000-\uf8e4\uf8ff\ufdd0-\ufdef\ufff0-\ufff8\ufffd-\uffff"
    "\U000e0080-\U000e00ff\U000f0000-\U0010ffff]"
)
_WORD = re.compile(r"[^\W\d_]+")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_LONGEST_WORD = 24
_FEWEST_LETTERS = 200


def with_unknown_marked(text: str) -> str:
    """A text with U+FFFD in the place of each character that a font's map did not tell."""
    if text.isascii() and text.isprintable() and "/" not in text and "(cid:" not in text:
        return text
    return _UNKNOWN.sub("\ufffd", text)


def unknown_characters(text: str) -> int:
    """How many characters of a text stand for what a font's map did not tell.

    >>> unknown_characters("a (cid:12) /g3 b")
    11
    """
    marked = with_unknown_marked(text)
    return len(text) - len(marked) + marked.count("\ufffd")


def is_private(character: str) -> bool:
    """Whether a character has a code that each font may give another meaning."""
    return "\ue000" <= character <= "\uf8ff"


def unreadable_shares(pages: Sequence[Page]) -> list[float]:
    """For each page the share of its characters that no one can read, or that are other ones.

    A bullet of a private code, which begins a line, is known for what it is.
    """
    wrong = wrong_lines(pages)
    shares = []
    for number, page in enumerate(pages):
        unreadable = sum(
            len(line.text)
            if (number, index) in wrong
            else unknown_characters(line.text[is_private(line.text[:1]) :])
            for index, line in enumerate(page)
        )
        shares.append(unreadable / max(1, sum(len(line.text) for line in page)))
    return shares


def wrong_lines(pages: Sequence[Page]) -> set[LineIndex]:
    """The lines whose characters are not those that the page shows: no language has such words.

    Fonts that have a wrong map to Unicode give letters for letters ("7KH PLOO" for "The mill"), and
    encodings that are taken for another give accents, syllables or characters that are rare. Runs
    of lines in one font, on a page and in the whole document, are compared with the languages that
    the document is most like, and where they seem to be in none of these with all that are known,
    and with the rest of the document. Code, formulas, tables and names are unlike any language,
    too, but not as much: how far from it lines must be, is measured by ``benchmarks.legibility``.
    """
    evidence = _Evidence(pages)
    found: set[LineIndex] = set()
    for run in evidence.suspicious_runs():
        if evidence.is_wrong(run):
            found.update(place for place in run if not evidence.is_sure(place))
    return found


class _WordBits(dict[str, float]):
    """How much more unusual words are than wrong ones must be, in bits; most come many times."""

    def __init__(self, pairs: PairTable) -> None:
        self._pairs = pairs

    def __missing__(self, word: str) -> float:
        pairs = letter_pairs([word])
        self[word] = bits = _BORDER * len(pairs) - sum(map(self._pairs.__getitem__, pairs))
        return bits


class _Evidence:
    """What speaks for and against the lines of a document being in a language."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._languages = known_languages()
        self._lines = [
            (number, index) for number, page in enumerate(pages) for index in range(len(page))
        ]
        self._text = {place: pages[place[0]][place[1]].text for place in self._lines}
        self._font = {place: pages[place[0]][place[1]].font for place in self._lines}
        sample = self._lines[:: 1 + len(self._lines) // _SAMPLE]
        counts = Counter(
            pair for place in sample for pair in letter_pairs(words_of(self._text[place]))
        )
        self._bits = _WordBits(self._languages.nearest(counts, _NEAREST))
        self._against = {place: self._evidence(self._text[place]) for place in self._lines}

    def _evidence(self, text: str) -> float:
        """How much more unusual a line is than wrong text must be, in bits; negative if less."""
        bits = sum(map(self._bits.__getitem__, words_of(text)))
        if not text.isascii():
            common = self._languages.common_signs
            for sign in signs(text):
                bits += _BORDER - (COMMON_SIGN if sign in common else RARE_SIGN)
        return bits

    def suspicious_runs(self) -> Iterator[list[LineIndex]]:
        """Lines of one font, of a page or of the document, that together look wrong."""
        by_font: dict[str, list[LineIndex]] = {}
        by_page: dict[tuple[int, str], list[LineIndex]] = {}
        for place in self._lines:
            by_font.setdefault(self._font[place], []).append(place)
            by_page.setdefault((place[0], self._font[place]), []).append(place)
        for lines in by_font.values():
            if sum(self._against[place] for place in lines) > _LEAST_EVIDENCE:
                yield lines
        for lines in by_page.values():
            start = 0
            total = highest = 0.0
            end = 0
            for at, place in enumerate(lines):
                if total <= 0.0:
                    if highest > _LEAST_EVIDENCE:
                        yield lines[start:end]
                    start, total, highest = at, 0.0, 0.0
                total += self._against[place]
                if total > highest:
                    highest, end = total, at + 1
            if highest > _LEAST_EVIDENCE:
                yield lines[start:end]

    def is_wrong(self, run: Sequence[LineIndex]) -> bool:
        """Whether the lines are in no language, nor like the rest of the document."""
        texts = [self._text[place] for place in run]
        words = [word for text in texts for word in words_of(text)]
        counts = Counter(letter_pairs(set(words)))  # each once, as names stand often in a table
        found = [sign for text in texts for sign in signs(text)]
        total = counts.total() * self._languages.usualness(counts, [self._rest])
        rare = sum(sign not in self._languages.common_signs for sign in found)
        total += COMMON_SIGN * (len(found) - rare) + RARE_SIGN * rare
        number = counts.total() + len(found)
        letters, all_signs = (
            sum(map(len, words)) + len(found),
            sum(map(len, "".join(texts).split())),
        )
        if letters < _LEAST_WORDS * all_signs:
            return False  # formulas
        return number >= _FEWEST_PAIRS and total / number < _BORDER - _MARGIN / number**0.5

    def is_sure(self, place: LineIndex) -> bool:
        """Whether a line is by itself known to be in a language."""
        return self._against[place] < -_SURE

    @cached_property
    def _rest(self) -> PairTable:
        """The pairs of those lines of the document that are surely in a language."""
        counts = Counter(
            pair
            for place in self._lines
            if self.is_sure(place)
            for pair in letter_pairs(words_of(self._text[place]))
        )
        if counts.total() < _FEWEST_SURE:
            return PairTable()
        shares = {pair: log2(count / counts.total()) for pair, count in counts.items()}
        return PairTable({pair: share for pair, share in shares.items() if share > UNUSUAL})


def glued_ratio(text: str) -> float:
    """Share of the letters that stand in words of more than 24 letters: a sign of lost spaces.

    Words of scripts that are written without spaces do not count, and fewer than 200 letters say
    nothing.
    """
    words = [word for word in _WORD.findall(text) if not _UNSPACED.search(word)]
    letters = sum(map(len, words))
    if letters < _FEWEST_LETTERS:
        return 0.0
    return sum(len(word) for word in words if len(word) > _LONGEST_WORD) / letters
