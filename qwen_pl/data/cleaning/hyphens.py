"""Joins the lines of a paragraph, and the words that were broken between them."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from qwen_pl.data.page.scripts import UNSPACED_AND_MARKS

_HYPHENS = "-\u2010\u00ad"  # hyphen-minus, hyphen, and soft hyphen
_LETTER = r"[^\W\d_]"
_WORD = re.compile(rf"{_LETTER}+(?:[’'\-‐]{_LETTER}+)*")
_LAST_WORD = re.compile(rf"(?<!\w)({_LETTER}+(?:[’'\-‐]{_LETTER}+)*)[{_HYPHENS}]$")
# "Ein- und Ausgang": the hyphen stands for what follows later.
_CONJUNCTIONS = {"und", "oder", "bzw", "and", "or", "et", "ou", "og", "och", "en", "y", "e", "и"}
_OFTEN = 0.004  # of all words
_RARE = 2
_FEWEST_LINES = 100  # of a document, for it to show whether it breaks words
_FEW_HYPHENS = 0.01  # of the lines
# In German “ and ‘ close, so that they open only where a word could begin.
_ENDS_OPENING = re.compile(r"(^|[\s—(\[„“])[“‘]+$|[„(\[{¿¡]$")
_BROKEN_URL = re.compile(r"(https?:|(https?://|www)\S*[/.?=&_])$")
_URL_GOES_ON = re.compile(r"[a-z0-9/_]")
_LATIN, _UNSPACED = "[a-zA-Z0-9]", f"[{UNSPACED_AND_MARKS}]"
_UNSPACED_MARK = re.compile("[\u3000-\u3020\uff00-\uff0f\uff1a-\uff20\uff3b-\uff65]")  # 、。（）：
_LATIN_CLOSE = re.compile(f"{_LATIN}(?={_UNSPACED})|{_UNSPACED}(?={_LATIN})")
_LATIN_APART = re.compile(f"{_LATIN} (?={_UNSPACED})|{_UNSPACED} (?={_LATIN})")


class LineJoiner:
    """Puts lines together as the words and habits of all lines of the document suggest.

    Unless it is to ``dehyphenate``, hyphens at line ends stay.
    """

    def __init__(self, lines: Iterable[str], dehyphenate: bool = True) -> None:
        lines = list(lines)
        self.dehyphenate = dehyphenate
        self.num_dehyphenated = 0
        self._vocabulary = _count_words(lines)
        text = "\n".join(lines)
        self._has_breaking_hyphen = _has_breaking_hyphen(text)
        self._breaks_words = self._may_break_words(lines)
        open_up, closed = len(_LATIN_APART.findall(text)), len(_LATIN_CLOSE.findall(text))
        self._has_spaces_around_latin = open_up >= closed
        self._slashes_are_closed = len(re.findall(r"\w/\w", text)) > len(re.findall("/ ", text))
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
        if before[-1] in _HYPHENS and self.dehyphenate:
            return self._join_hyphen(before, after)
        return before + self._separator(before, after) + after

    def counts(self, word: str) -> int:
        """How often the document has a word, in any case, unbroken by a line's end."""
        return self._vocabulary[word.lower()]

    def counts_beginning(self, letters: str) -> int:
        """How many different words of the document begin with some letters, in any case."""
        return sum(word.startswith(letters.lower()) for word in self._vocabulary)

    def _separator(self, before: str, after: str) -> str:
        ends, starts = re.match(_UNSPACED, before[-1]), re.match(_UNSPACED, after)
        if ends and starts:
            return ""
        if (ends or starts) and not self._has_spaces_around_latin:
            return ""
        if _UNSPACED_MARK.match(before[-1]) or _UNSPACED_MARK.match(after[0]):
            return ""
        is_broken_url = _BROKEN_URL.search(before) and _URL_GOES_ON.match(after)
        if is_broken_url or _ENDS_OPENING.search(before):
            return ""
        if before[-1] == "–" and before[-2:-1].isdigit() and after[0].isdigit():
            return ""
        if before[-1] == "/" and before[-2:-1].isalnum() and after[0].isalnum():
            return "" if self._slashes_are_closed else " "
        if self._dashes_are_closed:
            if before[-1] == "—" and (after[0] not in '“‘"' or self._quotes_follow_dashes):
                return ""
            if after[0] == "—" and after[:2] != "——":
                return ""
        return " "

    def _join_hyphen(self, before: str, after: str) -> str:
        first, second = _LAST_WORD.search(before), _WORD.match(after)
        if before[-1] == "\u00ad":  # a soft hyphen is only ever seen where a word is broken
            is_broken = True
        elif self._has_breaking_hyphen and first is not None:
            is_broken = before[-1] == "‐"
        elif first is None or second is None:
            # "-5", "x86-\n64", but a lone dash keeps its spaces
            return before + ("" if before[-2:-1].isalnum() else " ") + after
        elif self._is_conjunction(second[0]) and not self.counts(first[1] + second[0]):
            return before + " " + after
        else:
            is_broken = self._breaks_words and self._is_broken(first[1], second[0])
        self.num_dehyphenated += is_broken
        return before[:-1] + after if is_broken else before + after

    def _is_conjunction(self, word: str) -> bool:
        """Whether it is one in the language of the document: "et" may end "closet"."""
        often = self.counts(word) > _OFTEN * self._vocabulary.total()
        return word.lower() in _CONJUNCTIONS and often

    def _may_break_words(self, lines: list[str]) -> bool:
        """Whether words are broken between lines at all: not if almost no line ends in a hyphen."""
        ends = [pair for pair in pairwise(lines) if pair[0].endswith(tuple(_HYPHENS))]
        if len(lines) < _FEWEST_LINES or len(ends) > _FEW_HYPHENS * len(lines):
            return True
        broken = whole = 0
        for before, after in ends:
            first, second = _LAST_WORD.search(before), _WORD.match(after)
            if first and second:
                broken += self.counts(first[1] + second[0]) > 0
                whole += self.counts(f"{first[1]}-{second[0]}") > 0
        return broken > whole

    def _is_broken(self, first: str, second: str) -> bool:
        """Whether two parts are one word without a hyphen."""
        if second[0].isupper() and not (first.isupper() and second.isupper()):
            return False  # South-American, GNU-Werkzeug
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


def _has_breaking_hyphen(text: str) -> bool:
    """Whether "‐" stands only where lines break words, so that "-" is always the word's own.

    Browsers break words so: what is typed as a hyphen is another character.
    """
    at_ends = text.count("‐\n")
    return at_ends >= _RARE and at_ends > text.count("-\n") and text.count("‐") == at_ends


def _count_words(lines: list[str]) -> Counter[str]:
    """Words in lower case and the parts of hyphenated ones; those broken between lines are out."""
    words: Counter[str] = Counter()
    broken = False
    for line in lines:
        found = [word.lower() for word in _WORD.findall(line)]
        if broken:
            found = found[1:]
        broken = line.endswith(tuple(_HYPHENS))
        if broken:
            found = found[:-1]
        words.update(found)
        for word in found:
            if "-" in word or "‐" in word:
                words.update(re.split("[-‐]", word))
                words[word.replace("‐", "-")] += "‐" in word
    return words
