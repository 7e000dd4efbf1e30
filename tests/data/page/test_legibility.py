"""Signs that a text is not what its page shows are seen, and seen only there."""

from qwen_pl.data.page.legibility import garbage_ratio, glued_ratio


def test_placeholders_of_broken_fonts_are_garbage() -> None:
    assert garbage_ratio("(cid:12)(cid:7)") == 1
    assert garbage_ratio("ab\ufffd\ue000") == 0.5
    assert garbage_ratio("plain, “good” text") == 0


def test_words_without_spaces_between_them_are_glued() -> None:
    assert glued_ratio("thiswasasentencewithsomanywords " * 20) == 1
    assert glued_ratio("plain words " * 100) == 0


def test_scripts_without_spaces_are_not_glued() -> None:
    assert glued_ratio("これは日本語の長い文章であり空白がありません" * 20) == 0


def test_korean_has_spaces_to_lose() -> None:
    assert glued_ratio("한국어는 낱말 사이에 빈칸을 둔다 " * 20) == 0
    assert glued_ratio("한국어는낱말사이에빈칸을둔다" * 20) == 1
