import io

import pytest

from qwen_pl.data.texts.text_encoding import TextEncoding, find_encoding

WESTERN = {
    "English": "The naïve café – “quoted” text, it’s 5 € or £3, ½ and x² of Gödel’s.",
    "French": "L’été, les élèves rêvaient déjà d’œuvres ; « ça va ? » – oui…",
    "German": "Über die Größe der Wälder läßt sich trefflich streiten: „schön“, sagte er.",
    "Spanish": "¿Qué pasó mañana? ¡El niño pequeño comió piñas en España!",
    "Portuguese": "A ação não são limões; à noite, o avô e a avó vão à praia.",
    "Icelandic": "Þetta er íslenskur texti með sérstöfum: æ, ð, þ, ö og ýmsum öðrum.",
}
OTHERS = {
    "koi8-r": "Не всякий русский текст записан в UTF-8.",
    "cp1251": "Не всякий русский текст записан в UTF-8.",
    "cp1253": "Αυτό είναι ένα ελληνικό κείμενο για δοκιμή.",
    "cp1250": "Zażółć gęślą jaźń. Książka leży na półce.",
    "cp1255": "זהו טקסט בעברית לצורך בדיקה.",
    "cp1256": "هذا نص عربي للتجربة فقط.",
    "shift_jis": "日本語のテキストです。これは本です。",
    "euc_jp": "日本語のテキストです。これは本です。",
    "gb18030": "这是一本中文书的文本。",
    "big5": "這是一本中文書的文本。",
    "euc_kr": "이것은 한국어 텍스트입니다.",
    "cp850": "L'été, les élèves rêvaient déjà.",
    "mac_roman": "L'été, les élèves rêvaient déjà.",
}


def encoding_of(content: bytes) -> TextEncoding:
    file = io.BytesIO(content)
    encoding = find_encoding(file)
    assert file.tell() == 0
    return encoding


@pytest.mark.parametrize("text", [*WESTERN.values(), *OTHERS.values(), "plain", ""])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_decoded_in_any_script(text: str, encoding: str) -> None:
    found = encoding_of(text.encode(encoding))
    assert (found.status, found.reason) == ("ok", "")
    assert text.encode(encoding).decode(found.name, found.errors) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_needs_no_mark_where_most_letters_are_of_ascii(encoding: str) -> None:
    assert encoding_of(WESTERN["French"].encode(encoding)).name == encoding


@pytest.mark.parametrize("language", WESTERN)
def test_western_text_that_is_not_utf_8_is_taken_for_windows_1252_and_this_is_told(
    language: str,
) -> None:
    found = encoding_of(WESTERN[language].encode("cp1252") * 20)
    assert (found.name, found.status) == ("cp1252", "ok")
    assert found.reason == "is not UTF-8, taken for Windows-1252"


@pytest.mark.parametrize("encoding", OTHERS)
def test_text_in_another_encoding_is_refused_rather_than_guessed(encoding: str) -> None:
    found = encoding_of(OTHERS[encoding].encode(encoding) * 20)
    assert (found.name, found.status) == ("", "corrupt")
    assert "save it as UTF-8" in found.reason


def test_some_broken_bytes_cost_only_themselves() -> None:
    whole = (WESTERN["German"] * 20).encode()
    found = encoding_of(whole + b"\xff end \xc3")
    assert (found.name, found.errors, found.status) == ("utf-8", "replace", "partial")
    assert found.reason == "2 of its characters are not UTF-8"


def test_replacement_characters_of_its_own_do_no_harm_to_a_text() -> None:
    assert encoding_of("was \ufffd\ufffd lost before".encode()).reason == ""


@pytest.mark.parametrize("content", [bytes(range(256)) * 9, b"%PDF-1.7\n" + b"\x00\x01\xff" * 99])
def test_what_is_not_text_is_refused(content: bytes) -> None:
    assert encoding_of(content)[2:] == ("corrupt", "is not text")


def test_a_character_may_lie_across_the_pieces_that_are_read() -> None:
    assert encoding_of(("a" + "é" * (1 << 20)).encode())[:3] == ("utf-8", "strict", "ok")
