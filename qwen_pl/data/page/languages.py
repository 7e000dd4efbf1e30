"""How likely letters follow one another in the languages of a small table: is this a language?

The table, `letter_pairs.txt`, is made by ``python -m benchmarks.letter_pairs``, which says of what.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, pairwise
from pathlib import Path

UNUSUAL = -14.0
"""Stands for the logarithm (to base 2) of the share of a pair of letters that a language lacks."""
COMMON_SIGN, RARE_SIGN = -8.0, -13.0
"""The same for a Chinese character or Korean syllable, which are looked at one by one."""

SCRIPTS = {
    "latin": "a-z\u00b5\u00c0-\u024f\u1e00-\u1eff",
    "greek": "\u0370-\u03ff\u1f00-\u1fff",
    "cyrillic": "\u0400-\u052f",
    "hebrew": "\u0590-\u05ff",
    "arabic": "\u0600-\u0659\u066e-\u06d3\u06fa-\u06ff\ufb50-\ufdff\ufe70-\ufefc",
    "devanagari": "\u0900-\u0963\u0971-\u097f",
    "bengali": "\u0980-\u09e3",
    "tamil": "\u0b80-\u0be3",
    "telugu": "\u0c00-\u0c63",
    "thai": "\u0e01-\u0e4e",
}
"""Letters and marks of the scripts whose pairs are known; for use within ``[]``."""
_SIGNS = "\uac00-\ud7a3\u3400-\u9fff\uf900-\ufaff"
# What Windows' Western encoding has in the place of letters of other encodings.
_MISREAD = "\u0080-\u009f\u00a1-\u00aa\u00ac\u00ae-\u00b4\u00b6-\u00ba\u00bc-\u00bf€‚ƒ„†‡ˆ‰‹›˜™"
_TABLE = Path(__file__).with_name("letter_pairs.txt")
_LETTERS = "".join(SCRIPTS.values()) + _MISREAD
_WORD = re.compile(
    rf"(?<![\d{_LETTERS}])(?:[{_LETTERS}]{{3,40}}|[\u0080-\u00ff{_MISREAD}][{_LETTERS}]{{40,400}})"
    rf"(?![\d{_LETTERS}])"
)
_SIGN = re.compile(f"[{_SIGNS}]")
_SCRIPT_OF = {name: re.compile(f"[{letters}]") for name, letters in SCRIPTS.items()}

Pair = tuple[str, str]


class PairTable(dict[Pair, float]):
    """How usual pairs of letters are; what is not in it is as unusual as can be."""

    def __missing__(self, pair: Pair) -> float:
        return UNUSUAL


def words_of(text: str) -> list[str]:
    """The words in small letters; not those of one or two, nor with digits, as formulas have.

    >>> words_of("x = The (mill) zzz1abc")
    ['the', 'mill']
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return _WORD.findall(text.lower())


def letter_pairs(words: Iterable[str]) -> list[Pair]:
    """The pairs of letters of words, with ``_`` for a word's ends.

    >>> letter_pairs(["the"])
    [('_', 't'), ('t', 'h'), ('h', 'e'), ('e', '_')]
    """
    return list(chain.from_iterable(pairwise(f"_{word}_") for word in words))


def signs(text: str) -> list[str]:
    """The Chinese characters and Korean syllables of a text."""
    return [] if text.isascii() else _SIGN.findall(text)


class Languages:
    """The pairs of letters of each language, by its script, and the signs that are common."""

    def __init__(self, table: str) -> None:
        self.common_signs: set[str] = set()
        self._by_script: dict[str, dict[str, PairTable]] = defaultdict(dict)
        for line in table.splitlines():
            script, language, level, letters = line.split(" ", 3)
            if script == "signs":
                self.common_signs.update(letters)
                continue
            pairs = self._by_script[script].setdefault(language, PairTable())
            value = -float(level)
            pairs.update((pair, value) for pair in zip(letters[::2], letters[1::2], strict=True))

    def nearest(self, counts: Counter[Pair], most: int) -> PairTable:
        """The tables of those languages, some of each script, that a text is most like, in one."""
        found = PairTable()
        for script, languages in self._by_script.items():
            own = _of_script(counts, script)
            ranked = sorted(languages, key=lambda name: -_sum(own, languages[name]))
            for pair, value in chain.from_iterable(languages[n].items() for n in ranked[:most]):
                found[pair] = max(value, found[pair])
        return found

    def usualness(self, counts: Counter[Pair], more: Iterable[PairTable] = ()) -> float:
        """The mean of the pairs of a text in the language of each script that it is most like."""
        total = 0.0
        for script, languages in self._by_script.items():
            own = _of_script(counts, script)
            total += max(_sum(own, table) for table in [*languages.values(), *more]) if own else 0
        return total / max(1, counts.total())


def _of_script(counts: Counter[Pair], script: str) -> Counter[Pair]:
    is_letter = _SCRIPT_OF[script].match
    if script == "latin":  # what is misread as Latin letters counts as such
        others = [match.match for name, match in _SCRIPT_OF.items() if name != script]
        return Counter({p: n for p, n in counts.items() if not any(m(_letter(p)) for m in others)})
    return Counter({pair: n for pair, n in counts.items() if is_letter(_letter(pair))})


def _letter(pair: Pair) -> str:
    return pair[1] if pair[0] == "_" else pair[0]


def _sum(counts: Counter[Pair], table: PairTable) -> float:
    return sum(count * table[pair] for pair, count in counts.items())


@lru_cache
def known_languages() -> Languages:
    """Those of the table."""
    return Languages(_TABLE.read_text(encoding="utf-8"))
