"""Characters and codes of TeX become what was meant, and no others change."""

import unicodedata

import pytest
from line_maker import set_lines

from qwen_pl.data.cleaning.characters import fix_characters, in_logical_order, read_tex_codes
from qwen_pl.data.cleaning.clean import clean_pages
from qwen_pl.data.page.line import Line


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


def read(*lines: str) -> list[str]:
    return [line.text for line in read_tex_codes([set_lines(lines)])[0]]


def test_t1_has_quotation_marks_dashes_and_ligatures_below_the_space() -> None:
    coded = ["\x10It isn't a \x1cne day,\x11 she said.", "di\x1ecult \x16 a\x1bair"]
    assert read(*coded) == ["“It isn’t a fine day,” she said.", "difficult — affair"]


def test_ot1_has_quotation_marks_and_dashes_in_place_of_a_backslash_and_a_bar() -> None:
    coded = ["\\A \x0cne day,\" it's said|how", 'di\x0ecult, \\a \rower"']
    assert read(*coded) == ["“A fine day,” it’s said—how", "difficult, “a flower”"]


def test_a_backslash_stays_where_no_quotation_ends() -> None:
    coded = ["o\x0ece and \x0crst and \x0cve", r"is written \emph{so}"]
    assert read(*coded) == ["office and first and five", r"is written \emph{so}"]


def test_letters_of_t1_beyond_ascii_are_read_and_marks_of_notes_stay() -> None:
    coded = ["\x10P\xd7uvre\x11 \x10c\xf7ur\x11 caf\xe9²"]
    assert read(*coded) == ["“PŒuvre” “cœur” café²"]


def test_lines_of_another_size_keep_their_characters() -> None:
    coded = set_lines(["\x10One\x11 \x10two\x11 and \x1cve"])
    code = set_lines(["print('x')"], size=7)
    assert [line.text for line in read_tex_codes([coded + code])[0]][-1] == "print('x')"


def test_a_few_odd_characters_are_no_codes() -> None:
    assert read("a\x0c page's end", "don't \x1f mind") == ["a\x0c page's end", "don't \x1f mind"]


def test_the_text_of_a_document_is_that_of_its_codes() -> None:
    page = set_lines(["\x10How \x1cne!\x11 she said, \x10how very \x1cne!\x11"])
    assert clean_pages([page]).paragraphs[0].text == "“How fine!” she said, “how very fine!”"


def test_text_in_another_script_keeps_its_characters() -> None:
    coded = ["\x10صفحة\x11 \x10كتاب\x11 \x1cهذا كلام", "نص آخر من الكتاب"]
    assert read(*coded) == coded


@pytest.mark.parametrize(
    ("line", "fixed"),
    [
        ("ﺍﻟﺴﻼﻡ ﻋﻠﻴﻜﻢ", "السلام عليكم"),
        ("ﻻ ﷲ", "لا الله"),
        ("שׁלום ﬨ", "שׁלום ת"),
        ("le mot\u202f: «\xa0oui\u2009»\u202f!", "le mot : « oui » !"),
        ("Straße, Maß, GROẞ", "Straße, Maß, GROẞ"),
        ("Isının İstanbul'da", "Isının İstanbul'da"),
        ("ह िन्दी क ा", "हिन्दी का"),
        ("ภาษ ี", "ภาษี"),
        ("த ொடர்", "தொடர்"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("“It\x92s” \x93a\x94", "“It’s” “a”"),
        ("\uf8eba\uf8f6", "⎛a⎞"),
    ],
)
def test_languages_keep_their_letters(line: str, fixed: str) -> None:
    assert fix_characters(line) == unicodedata.normalize("NFC", fixed)


@pytest.mark.parametrize(
    ("seen", "meant"),
    [
        ("िहन्दी भाषा में िलखी गई यह कहानी िकसान", "हिन्दी भाषा में लिखी गई यह कहानी किसान"),
        ("ெசய்தி ேவைல ெகாடு", "செய்தி வேலை கொடு"),
        ("েকান িদন", "কোন দিন"),
        ("किसान ने लिखा", "किसान ने लिखा"),
    ],
)
def test_vowel_signs_stand_behind_their_consonants(seen: str, meant: str) -> None:
    [[line]] = in_logical_order([[Line(seen, 0, 0, 9)]])
    assert fix_characters(line.text) == unicodedata.normalize("NFC", meant)
