"""Lines become one; a hyphen at a line's end goes or stays as the document's words suggest."""

import pytest

from qwen_pl.data.cleaning.hyphens import LineJoiner

DOCUMENT = [
    "The neighbourhood of three-and-twenty well-known sea captains, and the sea, the captains",
    "saw a man of two-and-thirty; three kings, twenty ships; Ausgang und Eingang",
]


def join(before: str, after: str, *document: str) -> str:
    return LineJoiner(document or DOCUMENT).join(before, after)


@pytest.mark.parametrize(
    ("before", "after", "joined"),
    [
        ("the neighbour-", "hood was", "the neighbourhood was"),
        ("a well-", "known man", "a well-known man"),
        ("unheard uncer-", "tain temper", "unheard uncertain temper"),
        ("of three-and-", "twenty", "of three-and-twenty"),
        ("the South-", "American", "the South-American"),
        ("das „Haus“", "am See", "das „Haus“ am See"),
        ("he said (“", "Yes”)", "he said (“Yes”)"),
        ("mit GNU-", "Werkzeugen", "mit GNU-Werkzeugen"),
        ("die 3D-", "Brille", "die 3D-Brille"),
        ("to GER-", "MANY", "to GERMANY"),
        ("Ein-", "und Ausgang", "Ein- und Ausgang"),
        ("a soft\u00ad", "ware", "a software"),
        ("on the x86-", "64 it", "on the x86-64 it"),
        ("a dash -", "and more", "a dash - and more"),
    ],
)
def test_hyphens(before: str, after: str, joined: str) -> None:
    assert join(before, after) == joined


def test_two_words_that_are_often_apart_make_a_compound() -> None:
    assert join("the sea-", "captains") == "the sea-captains"


def test_a_hyphen_stays_if_the_step_is_left_out() -> None:
    joiner = LineJoiner(DOCUMENT, dehyphenate=False)
    assert joiner.join("neighbour-", "hood") == "neighbour- hood"


def test_words_made_whole_are_counted() -> None:
    joiner = LineJoiner(DOCUMENT)
    joiner.join("neighbour-", "hood")
    joiner.join("well-", "known")
    assert joiner.num_dehyphenated == 1


@pytest.mark.parametrize(
    ("before", "after", "joined"),
    [
        ("two", "words", "two words"),
        ("天地玄", "黄宇宙", "天地玄黄宇宙"),
        ("これは", "テストです。", "これはテストです。"),
        ("ภาษา", "ไทย", "ภาษาไทย"),
        ("한국어", "문장", "한국어 문장"),
        ("使用", "Debian 时", "使用 Debian 时"),
        ("1939–", "1945", "1939–1945"),
        ("see (", "below)", "see (below)"),
        ("https://example.org/", "path", "https://example.org/path"),
        ("at https://example.org/.", "Then", "at https://example.org/. Then"),
    ],
)
def test_spaces_between_lines(before: str, after: str, joined: str) -> None:
    assert join(before, after) == joined


def test_dashes_are_closed_where_the_document_closes_them() -> None:
    assert join("so—", "he said", "one—two—three") == "so—he said"
    assert join("so —", "he said", "one — two — three") == "so — he said"


def test_a_word_that_ends_like_a_conjunction_of_other_languages_is_broken() -> None:
    assert join("in her clos-", "et", *DOCUMENT * 9) == "in her closet"


def test_a_hyphen_that_only_breaks_words_leaves_the_other_to_words() -> None:
    browser = ["a won‐", "derful neigh‐", "bour of well-known"]
    assert join("the over‐", "take", *browser, "over and over, take, take") == "the overtake"
    assert join("a rose-", "bush", *browser) == "a rose-bush"


def test_a_document_that_hardly_ever_ends_a_line_in_a_hyphen_breaks_no_words() -> None:
    ragged = ["so it goes on and on"] * 300
    assert join("a rose-", "bush", *ragged, "a rose-", "bush") == "a rose-bush"
    assert join("a rose-", "bush", *ragged, *["a gar-", "den"] * 9) == "a rosebush"


def test_a_quotation_may_follow_a_dash_without_a_space() -> None:
    habit = ["He said—“no”—twice, and she—“yes.”"]
    assert LineJoiner(habit).join("smiling—", "“I am.”") == "smiling—“I am.”"
    assert LineJoiner(["no—quotations—at all"]).join("Oh—", "“I am.”") == "Oh— “I am.”"


@pytest.mark.parametrize(
    ("habit", "joined"), [("使用 Linux 系统", "使用 Debian"), ("使用Linux系统", "使用Debian")]
)
def test_chinese_and_latin_are_as_far_apart_as_within_lines(habit: str, joined: str) -> None:
    assert join("使用", "Debian", habit) == joined


def test_no_space_follows_a_chinese_mark() -> None:
    assert join("事实上，", "Debian", "使用 Linux 系统") == "事实上，Debian"


LANGUAGES = {
    "German compounds": [
        ("die Ausfall-", "und Reparaturzeiten", "die Ausfall- und Reparaturzeiten"),
        ("ein Kaffee-", "Ersatz", "ein Kaffee-Ersatz"),
        ("auf der Stra-", "ße", "auf der Straße"),
        ("der Fuß-", "gänger", "der Fußgänger"),
        ("haupt-", "sächlich", "hauptsächlich"),
        ("der Zuk-", "ker", "der Zucker"),
        ("„Nein“", "sagte er", "„Nein“ sagte er"),
    ],
    "French": [
        ("une ques-", "tion", "une question"),
        ("quand viendra-", "t-il donc", "quand viendra-t-il donc"),
        ("que dit-", "elle", "que dit-elle"),
        ("le mot", ": voilà", "le mot : voilà"),
        ("«", "mot »", "« mot »"),
        ("c’est l’", "été", "c’est l’été"),
        ("sa photo", "ici", "sa photo ici"),
    ],
    "Dutch": [
        ("de ontwikke-", "ling", "de ontwikkeling"),
        ("zee-", "en landmacht", "zee- en landmacht"),
    ],
    "Swedish": [("bok-", "och tidningar", "bok- och tidningar"), ("utveck-", "ling", "utveckling")],
    "Spanish": [("la investiga-", "ción", "la investigación"), ("el ni-", "ño", "el niño")],
    "Polish": [("pol-", "skich", "polskich"), ("biało-", "-czerwony", "biało-czerwony")],
    "Portuguese": [("disse-", "-me", "disse-me")],
    "Russian": [("разра-", "ботка", "разработка"), ("кое-", "как", "кое-как")],
    "Greek": [("η γλώσ-", "σα", "η γλώσσα"), ("ο λό-", "γος", "ο λόγος")],
    "Turkish": [("Isı-", "nın", "Isının"), ("İSTAN-", "BUL", "İSTANBUL")],
    "Hindi": [("पुस्त-", "कालय", "पुस्तकालय"), ("की", "कहानी", "की कहानी")],
    "Tamil": [("தமிழ்", "நாடு", "தமிழ் நாடு"), ("புத்த-", "கம்", "புத்தகம்")],
    "Thai": [("ภาษาไทยเป็น", "ภาษาที่", "ภาษาไทยเป็นภาษาที่")],
    "Arabic": [
        ("الكتاب", "على الطاولة", "الكتاب على الطاولة"),
        ("نسخة PDF", "2024", "نسخة PDF 2024"),
    ],
    "Persian": [("می\u200c", "خواهم", "می\u200cخواهم"), ("این کتاب", "خوب", "این کتاب خوب")],
    "Hebrew": [("ספר", "טוב", "ספר טוב")],
    "Chinese": [("中华人", "民共和国", "中华人民共和国"), ("𠮷野", "家", "𠮷野家")],
    "addresses and numbers": [
        ("see https://a.org/some-", "thing.html", "see https://a.org/some-thing.html"),
        ("at www.foo-", "bar.org", "at www.foo-bar.org"),
        ("doi:10.1007/s-", "00125", "doi:10.1007/s-00125"),
        ("10.1007/abc-", "def", "10.1007/abc-def"),
        ("https://doi.org/10.1007/", "s00125", "https://doi.org/10.1007/s00125"),
        ("mail a.b-", "c@d.org", "mail a.b-c@d.org"),
        ("the file lib/some-", "thing", "the file lib/some-thing"),
        ("in 1990-", "1995", "in 1990-1995"),
        ("the COVID-", "19 years", "the COVID-19 years"),
        ("an x-", "ray", "an x-ray"),
        ("by e-", "mail", "by e-mail"),
        ("2,4-", "dichlor", "2,4-dichlor"),
    ],
}
WORDS = [
    "Der Zucker und die Zeit und das Haus; viendra ce soir, elle dit ; zee en land en zand,",
    "stad och land och hav, Ausfall und Reparatur, кое-как",
]


@pytest.mark.parametrize(
    ("before", "after", "joined"),
    [pytest.param(*row, id=f"{name} {row[0]}") for name, rows in LANGUAGES.items() for row in rows],
)
def test_lines_are_joined_as_their_language_is_written(
    before: str, after: str, joined: str
) -> None:
    assert join(before, after, *WORDS, before, after) == joined


KEPT_WHOLE = [
    "국민의 자유와 권리는 존중되어야",
    "한다 모든 국민의 권리는 법률로써",
    "정한다 국가는 자유와 평등을",
]
BROKEN = [
    "국민의 자유와 권리는 존중되어야 한다 모든 국",
    "민의 권리는 법률로써 정한다 모든 국민의 자유와 평",
    "등을 국가는 평등을 존중되어야 한다 국가는 권",
    "리는 법률로써 정한다",
]


@pytest.mark.parametrize(
    ("document", "joined"),
    [
        (KEPT_WHOLE, " ".join(KEPT_WHOLE)),
        (
            BROKEN,
            " ".join(BROKEN)
            .replace("국 민", "국민")
            .replace("평 등", "평등")
            .replace("권 리", "권리"),
        ),
    ],
    ids=["at spaces", "at any syllable"],
)
def test_korean_words_go_on_over_lines_where_the_document_breaks_them(
    document: list[str], joined: str
) -> None:
    joiner = LineJoiner(document)
    text = document[0]
    for line in document[1:]:
        text = joiner.join(text, line)
    assert text == joined
