"""Makes ``qwen_pl/data/page/letter_pairs.txt``: how usual pairs of letters are in some languages.

The texts are the messages of free programs in their translations, as Linux has them under
``/usr/share/locale``: only counts of letter pairs are kept of them. Chinese characters and Korean
syllables are listed where they are common.

    python -m benchmarks.letter_pairs /usr/share/locale
"""

import argparse
import gettext
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from qwen_pl.data.page.languages import SCRIPTS, letter_pairs, signs, words_of

LANGUAGES = {
    "latin": "en de fr es it pt nl sv da fi pl cs hu ro tr vi id et lt hr ca",
    "greek": "el",
    "cyrillic": "ru uk bg mn",
    "hebrew": "he",
    "arabic": "ar fa ps ug",
    "devanagari": "hi mr",
    "bengali": "bn",
    "tamil": "ta",
    "telugu": "te",
    "thai": "th",
}
SIGNS = {"ko": 900, "ja": 1200, "zh_CN": 1500, "zh_TW": 1500}
RAREST = -13  # logarithm to base 2 of the share of a pair that is still told
TABLE = Path("qwen_pl/data/page/letter_pairs.txt")
# What is no word of a language: names of things, places for values, markup.
CODE = re.compile(r"<[^>]*>|%[-\w(){}.$*]+|&\w+;|\\[a-z]|[A-Z_]{3,}|\S*[/=@{}~|]\S*|--?[\w-]+")


def messages(folder: Path, language: str) -> Iterator[str]:
    """The messages of all programs; English ones are those that are translated to German."""
    source = "de" if language == "en" else language
    for file in sorted(folder.glob(f"{source}/LC_MESSAGES/*.mo")):
        if file.name.startswith("iso"):  # names of languages and places
            continue
        try:
            with file.open("rb") as opened:
                catalog = gettext.GNUTranslations(opened)._catalog
        except (OSError, ValueError, LookupError):
            continue
        for key, value in catalog.items():
            original = key[0] if isinstance(key, tuple) else key
            if original and value != original:
                text = original if language == "en" else value
                yield CODE.sub(" ", text.replace("_", "").replace("&", ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    lines = []
    for script, languages in LANGUAGES.items():
        letters = re.compile(f"[{SCRIPTS[script]}_]{{2}}")
        for language in languages.split():
            counts = Counter(
                pair
                for text in messages(folder, language)
                for pair in letter_pairs(words_of(text))
                if letters.fullmatch("".join(pair))
            )
            levels: dict[int, list[str]] = {}
            for pair, count in sorted(counts.items()):
                level = round(math.log2(count / counts.total()))
                if level >= RAREST:
                    levels.setdefault(-level, []).append("".join(pair))
            lines += [f"{script} {language} {n} {''.join(levels[n])}" for n in sorted(levels)]
            print(f"{language}: {counts.total():,} pairs, {sum(map(len, levels.values()))} kept")
    common = set()
    for language, most in SIGNS.items():
        counts = Counter(sign for text in messages(folder, language) for sign in signs(text))
        common |= {sign for sign, _ in counts.most_common(most)}
        covered = sum(count for _, count in counts.most_common(most)) / counts.total()
        print(f"{language}: {most} of {len(counts)} signs are {covered:.1%} of the text")
    lines.append(f"signs - 0 {''.join(sorted(common))}")
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{TABLE}: {TABLE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
