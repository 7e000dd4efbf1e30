"""Joins the lines of a paragraph, and the words that were broken between them."""

import re
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

from qwen_pl.data.page.scripts import COMBINING, HANGUL, UNSPACED_AND_MARKS

Item = TypeVar("Item")

_SEEN = 1000  # characters of a text that decide how a line is joined to it
_LONGEST_WORD = 200  # characters; what is longer is no word that a line could break
_HYPHENS = "-\u2010\u00ad"  # hyphen-minus, hyphen, and soft hyphen
_LETTER = r"[^\W\d_]"
_WORD = re.compile(rf"{_LETTER}+(?:[’'\-‐]{_LETTER}+)*")
# Python counts vowel signs of India, Thai and Hebrew, and joiners, to no word.
_MARK = re.compile(f"[{COMBINING}]")
_MARKED_LETTER = f"(?:{_LETTER}|[{COMBINING}\u200c\u200d])"
_MARKED_WORD = re.compile(rf"{_MARKED_LETTER}+(?:[’'\-‐]{_MARKED_LETTER}+)*")
# "Ein- und Ausgang": the hyphen stands for what follows later.
_CONJUNCTIONS = {"und", "oder", "bzw", "sowie", "and", "or", "et", "ou", "og", "eller", "och", "en"}
_CONJUNCTIONS |= {"y", "e", "и", "или", "або", "oraz", "lub", "nebo", "és", "vagy", "veya", "και"}
# What French sets behind a verb with a hyphen, and what is a word of no other language.
_BEHIND_VERB = {"il", "elle", "ils", "elles", "je", "tu", "nous", "vous", "moi", "toi", "lui"}
_BEHIND_VERB |= {"leur", "t-il", "t-elle", "t-on"}
# French and Italian words that lose their last letter before the next word, without a space.
_ELIDED = re.compile(
    r"(?:^|[\s«(])(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|dell|nell|all|un)[’']$", re.I
)
_ONE_LETTER_WORDS = "AIOYÀÓÚАВИКОСУЯΗΟ"
_ARTICLES = "AIΗΟ"  # and the like, which begin a text more often than other words of one letter
_OFTEN = 0.004  # of all words
_RARE = 2
_FEWEST_LINES = 100  # of a document, for it to show whether it breaks words
_FEW_HYPHENS = 0.01  # of the lines
_FIRST_PART = re.compile(rf"{_LETTER}+[’'\-‐]?")
_URL = re.compile(r"https?://|www|\b10\.\d{4,9}/")
_ADDRESS = re.compile(
    r"https?:|www\.|\b10\.\d{4,9}/|doi:|@|\w/\w|\w_\w|\w\.\w+/|[\w-]\.[a-z]{2,4}$"
)
_URL_GOES_ON = re.compile(r"[a-z0-9/_]")
_HANGUL_END, _HANGUL_START = re.compile(f"[{HANGUL}]+$"), re.compile(f"[{HANGUL}]+")
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
        text = "\n".join(lines)
        self._word = _MARKED_WORD if _MARK.search(text) else _WORD
        self._vocabulary = _count_words(lines, self._word)
        self._num_words = self._vocabulary.total()
        self._hangul = _HangulWords(lines)
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
        if before[-1] == "\u200c":  # within a Persian word
            return before + after
        if before[-1] in _HYPHENS and self.dehyphenate:
            return self._join_hyphen(before, after)
        return before + self._separator(before, after) + after

    def counts(self, word: str) -> int:
        """How often the document has a word, in any case, unbroken by a line's end."""
        return self._vocabulary[_small(word)]

    def counts_beginning(self, letters: str) -> int:
        """How many different words of the document begin with some letters, in any case."""
        first, words = letters.lower(), self._sorted_words
        return bisect_left(words, first + chr(sys.maxunicode)) - bisect_left(words, first)

    @cached_property
    def _sorted_words(self) -> list[str]:
        return sorted(self._vocabulary)

    def _separator(self, before: str, after: str) -> str:
        ends, starts = re.match(_UNSPACED, before[-1]), re.match(_UNSPACED, after)
        if ends and starts:
            return ""
        if (ends or starts) and not self._has_spaces_around_latin:
            return ""
        if _UNSPACED_MARK.match(before[-1]) or _UNSPACED_MARK.match(after[0]):
            return ""
        if self._hangul.goes_on(before, after) or _ELIDED.search(before[-8:]):
            return ""
        if _ends_opening(before) or (_ends_in_url(before) and _URL_GOES_ON.match(after)):
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
        first, second = _last_word(before, self._word), self._word.match(after)
        is_repeated = first and after[0] in _HYPHENS and after[1:2].isalpha()
        if is_repeated and second is None:  # as Polish and Portuguese show a hyphen of the word
            return before + after[1:]
        if before[-1] == "\u00ad":  # a soft hyphen is only ever seen where a word is broken
            is_broken = True
        elif self._has_breaking_hyphen and first:
            is_broken = before[-1] == "‐"
        elif not first or second is None:
            # "-5", "x86-\n64", but a lone dash keeps its spaces
            return before + ("" if before[-2:-1].isalnum() else " ") + after
        elif before[-1] != "\u00ad" and _ADDRESS.search(before[:-1].rsplit(maxsplit=1)[-1]):
            is_broken = False
        elif self._is_conjunction(second[0]) and not self.counts(first + second[0]):
            return before + " " + after
        else:
            is_broken = self._breaks_words and self._is_broken(first, second[0])
        self.num_dehyphenated += is_broken
        if is_broken and self._is_german_ck(first, second):
            return before[:-2] + "c" + after
        return before[:-1] + after if is_broken else before + after

    def _is_german_ck(self, first: str, second: "re.Match[str] | None") -> bool:
        """Whether "Zuk-ker" is "Zucker", as old German breaks it."""
        if second is None or not (first.endswith("k") and second[0][0] == "k"):
            return False
        return self.counts(first[:-1] + "c" + second[0]) > self.counts(first + second[0])

    def _is_conjunction(self, word: str) -> bool:
        """Whether it is one in the language of the document: "et" may end "closet"."""
        often = self.counts(word) > _OFTEN * self._num_words
        return word.lower() in _CONJUNCTIONS and often

    def _may_break_words(self, lines: list[str]) -> bool:
        """Whether words are broken between lines at all: not if almost no line ends in a hyphen."""
        ends = [pair for pair in pairwise(lines) if pair[0].endswith(tuple(_HYPHENS))]
        if len(lines) < _FEWEST_LINES or len(ends) > _FEW_HYPHENS * len(lines):
            return True
        broken = whole = 0
        for before, after in ends:
            first, second = _last_word(before, self._word), self._word.match(after)
            if first and second:
                broken += self.counts(first + second[0]) > 0
                whole += self.counts(f"{first}-{second[0]}") > 0
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
        if min(len(first), len(second)) == 1 and first.isalpha():
            return False  # x-ray, e-mail: no language breaks off a single letter
        if second.lower() in _BEHIND_VERB and self.counts(first):
            return False  # viendra-t-il
        left, right = re.split("[-‐]", first)[-1], re.split("[-‐]", second)[0]
        both = min(self.counts(left), self.counts(right))
        if (left, right) != (first, second) and both:
            return False  # three-and-twenty
        is_compound = both >= _RARE and min(len(left), len(right)) > 2
        return not is_compound


class _HangulWords:
    """Whether Korean words go on over the ends of lines, as they do where any syllable may end one.

    Korean has spaces between its words, and no hyphen shows where a line breaks one: the words
    within lines tell.
    """

    def __init__(self, lines: list[str]) -> None:
        self._inner: Counter[str] = Counter()
        """Words with other words on both sides."""
        ends = [(a, b) for a, b in pairwise(lines) if _hangul_ends(a, b)]
        if not ends:
            return
        for line in lines:
            self._inner.update(line.split()[1:-1])
        whole = sum(self._tells(*pair) for pair in ends)
        self._breaks_words = whole > 0

    def goes_on(self, before: str, after: str) -> bool:
        """Whether a word that a line ends in goes on in the next."""
        if not (self._inner and _hangul_ends(before, after)):
            return False
        told = self._tells(before, after)
        return told > 0 or (told == 0 and self._breaks_words and not self._is_known(before, after))

    def _tells(self, before: str, after: str) -> int:
        """1 if the document has the word that two parts make; -1 if it has both parts."""
        first, second = before.split()[-1], after.split()[0]
        if self._inner[first + second]:
            return 1
        return -1 if self._inner[first] and self._inner[second] else 0

    def _is_known(self, before: str, after: str) -> bool:
        return self._inner[before.split()[-1]] > 0


def _hangul_ends(before: str, after: str) -> bool:
    return bool(_HANGUL_END.search(before[-1:]) and _HANGUL_START.match(after))


def joined_text(first: str, more: Iterable[Item], join: Callable[[str, Item], str]) -> str:
    """``functools.reduce`` for a text that ``join`` makes longer at its end.

    It is handed no more than the last characters of the text, and leaves all but the very last as
    they are, so that the time does not grow with the square of the text's length.
    """
    parts, end = [], first
    for item in more:
        end = join(end, item)
        if len(end) > 2 * _SEEN:
            parts.append(end[:-_SEEN])
            end = end[-_SEEN:]
    return "".join([*parts, end])


def _small(word: str) -> str:
    """In small letters; Turkish has a capital for its i with a dot."""
    return word.replace("İ", "i").lower()


def _last_word(text: str, word_pattern: re.Pattern[str]) -> str:
    """The word, maybe with hyphens in it, before the hyphen that a text ends in; "" if none is.

    It is looked for from the end: every part of a row of short words may begin one.
    """
    found = word_pattern.match(text[-2 : -2 - _LONGEST_WORD : -1])
    if found is None or found.end() == _LONGEST_WORD:
        return ""
    word, before = found[0][::-1], text[-2 - found.end() : -1 - found.end()]
    if before.isalnum() or before == "_":  # "x86-": then the first of its parts begins with a digit
        return _FIRST_PART.sub("", word, count=1)
    return word


def _ends_opening(text: str) -> bool:
    """Whether a text ends in what opens a quotation or a bracket."""
    if text[-1] not in "“‘":  # in German these close, so that they open only where a word may begin
        return text[-1] in "„([{¿¡"
    before = text.rstrip("“‘")
    is_at_beginning = not before or before[-1].isspace() or before[-1] in "—([„"
    return is_at_beginning or "“" in text[len(before) : -1]


def _ends_in_url(text: str) -> bool:
    """Whether a text ends within an address of the web, where one may be parted."""
    if text[-1] not in "/.?=&_":
        return text.endswith(("http:", "https:"))
    return _URL.search(text.rsplit(maxsplit=1)[-1][:-1]) is not None


def _has_breaking_hyphen(text: str) -> bool:
    """Whether "‐" stands only where lines break words, so that "-" is always the word's own.

    Browsers break words so: what is typed as a hyphen is another character.
    """
    at_ends = text.count("‐\n")
    return at_ends >= _RARE and at_ends > text.count("-\n") and text.count("‐") == at_ends


def _count_words(lines: list[str], word_pattern: re.Pattern[str]) -> Counter[str]:
    """Words in lower case and the parts of hyphenated ones; those broken between lines are out."""
    words: Counter[str] = Counter()
    broken = False
    for line in lines:
        if not line:
            broken = False
            continue
        found = [_small(word) for word in word_pattern.findall(line)]
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


def join_initial(initial: str, rest: str, joiner: LineJoiner) -> str:
    """Joins the large initial T and "he end" to "The end", but leaves a space in "A man".

    >>> joiner = LineJoiner(["a man and an adverb", "dvertisement"])
    >>> join_initial("A", "man", joiner), join_initial("A", "dvertisement", joiner)
    ('A man', 'Advertisement')
    """
    word = re.match(r"[^\W\d_]+", rest)
    if word is None:
        return initial + ("" if rest[0] in "’'" else " ") + rest
    if initial[-1] in _ONE_LETTER_WORDS and not _is_one_word(initial[-1], word[0], joiner):
        return f"{initial} {rest}"
    return initial + rest


def _is_one_word(letter: str, rest: str, joiner: LineJoiner) -> bool:
    """Whether the document has the whole word or, if it has no part of it, words that begin so."""
    whole, part = joiner.counts(letter + rest), joiner.counts(rest) - 1  # without this one
    if whole or part > 0:
        return whole > 0
    whole = joiner.counts_beginning(letter + rest[:3])
    part = joiner.counts_beginning(rest[:3]) - 1
    return whole > part or (whole == part and letter not in _ARTICLES)
