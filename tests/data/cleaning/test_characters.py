"""Characters become those that were meant, and no others change."""

import pytest

from qwen_pl.data.cleaning.characters import fix_characters


@pytest.mark.parametrize(
    ("broken", "fixed"),
    [
        ("ﬁne oﬀer", "fine offer"),
        ("e\u0301te\u0301", "été"),
        ("sz¨uletett na¨ıve caf´e", "született naïve café"),
        ("a\u00a0b\u2009c\td  e", "a b c d e"),
        ("\ufeffzero\u200bwidth\u2060", "zerowidth"),
        ("soft\u00adware stays bro\u00ad", "software stays bro\u00ad"),
        ("“ ‘Tis so,’ ” he said", "“‘Tis so,’” he said"),
        ("bell\x07 and null\x00", "bell and null"),
        ("c© 1990", "© 1990"),
        ("ﻛﺘﺎب", "كتاب"),
        ("\u2f64\u6237", "用户"),
        ("と し て 使 う。Debian を", "として使う。Debian を"),
        ("\x7f an item", "• an item"),
    ],
)
def test_fixed(broken: str, fixed: str) -> None:
    assert fix_characters(broken) == fixed


@pytest.mark.parametrize(
    "text",
    [
        "x² ½ №",
        "ＦＵＬＬ",
        "目 次",
        "한국어 단어 사이 에는 빈칸",
        "`quoted' ``text''",
        "नि\u200dष",
        "می\u200cخواهم",
        "日本語、「はい」",
    ],
)
def test_left_alone(text: str) -> None:
    assert fix_characters(text) == text
