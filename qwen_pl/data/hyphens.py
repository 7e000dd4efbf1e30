"""Joins the lines of a paragraph, and the words that were broken between them."""

import re
from collections import Counter
from collections.abc import Iterable

HYPHENS = "-\u2010\u00ad"
"""Hyphen-minus, hyphen, and soft hyphen."""

_LETTER = r"[^\W\d_]"
_WORD = re.compile(rf"{_LETTER}+(?:[’'\-‐]{_LETTER}+)*")
_LAST_WORD = re.compile(rf"({_LETTER}+(?:[’'\-‐]{_LETTER}+)*)[{HYPHENS}]$")
# "Ein- und Ausgang": the hyphen stands for what follows later.
_CONJUNCTIONS = {"und", "oder", "bzw", "and", "or", "et", "ou", "og", "och", "en", "y", "e", "и"}
_RARE = 2
_OPENING = "“‘„([{¿¡"
_BROKEN_URL = re.compile(r"(https?:|(https?://|www)\S*[/.?=&_])$")
_URL_GOES_ON = re.compile(r"[a-z0-9/_]")
# Scripts that are written without spaces between words, with their punctuation.
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_ENDS_UNSPACED = re.compile(rf"[{_UNSPACED}]$")
_STARTS_UNSPACED = re.compile(rf"[{_UNSPACED}]")


class LineJoiner:
    """Puts lines together as the document's own words and habits suggest.

    Args:
        lines: All lines of the document, in order; their words are the vocabulary.
        dehyphenate: Whether hyphens at line ends are looked at; otherwise they stay.
    """

    def __init__(self, lines: Iterable[str], dehyphenate: bool = True) -> None:
        lines = list(lines)
        self.dehyphenate = dehyphenate
        self.num_dehyphenated = 0
        self._vocabulary = _count_words(lines)
        text = "\n".join(lines)
        self._dashes_are_closed = len(re.findall(r"\S—\S", text)) > len(re.findall(" — ", text))
        closed, open_ = len(re.findall("—[“‘]", text)), len(re.findall("— [“‘]", text))
        self._quotes_follow_dashes = closed > open_

    def join(self, before: str, after: str) -> str:
        """One line from two, both stripped.

        >>> joiner = LineJoiner(["a well-known fact", "well-", "known, a neighbour-", "hood"])
        >>> joiner.join("a neighbour-", "hood"), joiner.join("well-", "known")
        ('a neighbourhood', 'well-known')
        >>> joiner.join("天地玄", "黄"), joiner.join("1939–", "1945"), joiner.join("one", "line")
        ('天地玄黄', '1939–1945', 'one line')
        """
        if before[-1] in HYPHENS and self.dehyphenate:
            return self._join_hyphen(before, after)
        return before + self._separator(before, after) + after

    def counts(self, word: str) -> int:
        """How often the document has a word, in any case, unbroken by a line's end."""
        return self._vocabulary[word.lower()]

    def _separator(self, before: str, after: str) -> str:
        if _ENDS_UNSPACED.search(before) and _STARTS_UNSPACED.match(after):
            return ""
        if before[-1] in _OPENING or (_BROKEN_URL.search(before) and _URL_GOES_ON.match(after)):
            return ""
        if before[-1] == "–" and before[-2:-1].isdigit() and after[0].isdigit():
            return ""
        if self._dashes_are_closed:
            if before[-1] == "—" and (after[0] not in '“‘"' or self._quotes_follow_dashes):
                return ""
            if after[0] == "—" and after[:2] != "——":
                return ""
        return " "

    def _join_hyphen(self, before: str, after: str) -> str:
        if before[-1] == "\u00ad":  # a soft hyphen is only ever seen where a word is broken
            self.num_dehyphenated += 1
            return before[:-1] + after
        first, second = _LAST_WORD.search(before), _WORD.match(after)
        if first is None or second is None:
            # "-5", "x86-\n64", but a lone dash keeps its spaces
            return before + ("" if before[-2:-1].isalnum() else " ") + after
        if second[0].lower() in _CONJUNCTIONS and not self.counts(first[1] + second[0]):
            return before + " " + after
        if self._is_broken(first[1], second[0]):
            self.num_dehyphenated += 1
            return before[:-1] + after
        return before + after

    def _is_broken(self, first: str, second: str) -> bool:
        """Whether two parts are one word without a hyphen."""
        if second[0].isupper() and not first.isupper():
            return False  # South-American
        stem = re.sub(r"[’']s?$", "", second)
        joined = self.counts(first + second) or self.counts(first + stem)
        hyphenated = self.counts(f"{first}-{second}") or self.counts(f"{first}-{stem}")
        if joined or hyphenated:
            return joined >= hyphenated
        left, right = re.split("[-‐]", first)[-1], re.split("[-‐]", second)[0]
        both = min(self.counts(left), self.counts(right))
        if (left, right) != (first, second) and both:
            return False  # three-and-twenty
        is_compound = both >= _RARE and min(len(left), len(right)) > 2
        return not is_compound


def _count_words(lines: list[str]) -> Counter[str]:
    """Words in lower case and the parts of hyphenated ones; those broken between lines are out."""
    words: Counter[str] = Counter()
    broken = False
    for line in lines:
        found = [word.lower() for word in _WORD.findall(line)]
        if broken:
            found = found[1:]
        broken = line[-1:] != "" and line[-1] in HYPHENS
        if broken:
            found = found[:-1]
        words.update(found)
        for word in found:
            if "-" in word or "‐" in word:
                words.update(re.split("[-‐]", word))
                words[word.replace("‐", "-")] += "‐" in word
    return words
