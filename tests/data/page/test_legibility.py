"""Signs that a text is not what its page shows are seen, and seen only there."""

import random
from collections.abc import Callable

import pytest
from line_maker import set_lines

from qwen_pl.data.page.legibility import (
    glued_ratio,
    unknown_characters,
    unreadable_shares,
    wrong_lines,
)
from qwen_pl.data.page.line import Line

MILL = [
    "The mill stood at the bend of the river, where the water ran slow and",
    "brown under the alders. In spring the miller opened the sluice early,",
    "and all the valley heard the wheel begin to turn before the first cart",
    "had crossed the bridge. Nobody complained, for the bread was good.",
    "When the railway came the carts grew fewer, and the miller sold two of",
    "his three horses. He kept the grey mare because she knew the road, and",
]
GOOD = {
    "en": MILL,
    "fr": [
        "Le moulin se dressait au bord de la rivière, là où l’eau coulait lentement,",
        "brune sous les aulnes. Au printemps, le meunier ouvrait l’écluse de bonne heure",
        "et toute la vallée entendait la roue tourner avant que la première charrette",
    ],
    "ru": [
        "Мельница стояла у излучины реки, где вода текла медленно и была бурой под",
        "ольхами. Весной мельник рано открывал шлюз, и вся долина слышала, как колесо",
        "начинает вертеться, прежде чем первая телега успевала переехать через мост.",
    ],
    "ja": [
        "水車小屋は川の曲がり角に立っていた。そこでは水がゆっくりと流れ、はんの木の下で",
        "濁っていた。春になると粉屋は朝早く水門を開け、最初の荷車が橋を渡る前に、谷じゅうの",
        "人が車輪の回り始める音を聞いた。鉄道が来ると荷車は少なくなり、粉屋は馬を二頭売った。",
    ],
    "ko": [
        "대한민국의 모든 권력은 국민으로부터 나온다. 국민의 자유와 권리는 존중되어야 한다.",
        "물방앗간은 강이 굽이치는 곳에 서 있었고 물은 오리나무 아래로 천천히 흘렀다.",
        "봄이 되면 방앗간 주인은 일찍 수문을 열었고 온 골짜기가 바퀴 도는 소리를 들었다.",
    ],
    "sw": [
        "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa. Wote wamejaliwa akili na",
        "dhamiri, hivyo yapasa watendeane kindugu. Kila mtu anastahili kuwa na haki zote",
        "na uhuru wote ambao umeelezwa katika Taarifa hii bila ya ubaguzi wo wote.",
    ],
    "code": [
        "for (int i = 0; i < argc; ++i) { std::unique_ptr<Foo> ptr(new Foo(argv[i])); }",
        "def __init__(self, hidden_size: int, eps: float = 1e-6) -> None: super().__init__()",
        "grep -rn 'xmlns:xsi' /usr/share/xml | awk '{print $2}' | sort -u > /tmp/ns.txt",
    ],
    "formulas": [
        "∂L/∂w_ij = Σ_k δ_k x_j + λ‖w‖², α ≤ β < γ, sin²x + cos²x = 1, x_{n+1} = f(x_n)",
        "H(p, q) = −Σ p(x) log q(x), KL(p‖q) = H(p, q) − H(p), E[X] = ∫ x dF(x), Var X",
    ],
    "numbers": ["1990 12.5 13.7 0.004 98.2% 1,204 77 3e-5 0x1F 12:30 2024-05-01"] * 4,
    "keys": ["mQINBFh8q2gBEADa3vZ9kq0PqZ1tqHvVxw7c4yTjKf6c7oQZ2mJ8w1fQ5rXhJ2hUu5bq1cTt"] * 4,
    "names": [
        "Wang, Zhang, Nguyễn, Krzyżewski, Szczepański, Papadopoulos, Abdulrahman, Fitzgerald,",
        "Xu, Y., Zhao, Q., Guo, D., Dvořák, J., Þórðarson, E., van der Meer, T., O’Sullivan, M.",
    ],
}


def shifted(text: str) -> str:
    """Numbers of glyphs in the order of the alphabet."""
    return "".join(chr(ord(c) - 29) if " " < c <= "~" else c for c in text)


def permuted(text: str) -> str:
    """Numbers of glyphs in the order in which they were met."""
    letters = [chr(code) for code in range(0x61, 0x7B)]
    other = random.Random(3).sample(letters, 26)
    return text.lower().translate(str.maketrans(dict(zip(letters, other, strict=True))))


def misread(written: str, read: str) -> Callable[[str], str]:
    return lambda text: text.encode(written, "replace").decode(read, "replace")


def as_korean(text: str) -> str:
    return "".join(chr(0xAC00 + ord(c) * 977 % 11172) if c.isalpha() else c for c in text)


def placed(texts: list[str], font: str = "") -> list[Line]:
    return [line._replace(font=font) for line in set_lines(texts)]


@pytest.mark.parametrize("kind", GOOD)
def test_good_text_is_not_taken_for_wrong(kind: str) -> None:
    assert wrong_lines([placed(GOOD[kind] * 3)]) == set()


@pytest.mark.parametrize(
    ("of", "fault"),
    [
        ("en", shifted),
        ("fr", shifted),
        ("en", permuted),
        ("ru", misread("utf-8", "cp1252")),
        ("ru", misread("cp1251", "latin-1")),
        ("ru", misread("koi8-r", "cp1251")),
        ("ja", misread("shift_jis", "latin-1")),
        ("ja", misread("euc_jp", "latin-1")),
        ("ko", misread("cp949", "latin-1")),
        ("ko", misread("utf-8", "cp1252")),
        ("ko", as_korean),
        ("en", as_korean),
    ],
)
def test_text_that_fonts_tell_wrongly_is_known_and_only_that(
    of: str, fault: Callable[[str], str]
) -> None:
    page = placed([*MILL, *map(fault, GOOD[of]), *MILL])
    found = {index for _, index in wrong_lines([page])}
    first = len(MILL)
    assert found == set(range(first, first + len(GOOD[of])))
    alone = placed([*map(fault, GOOD[of])])
    assert len(wrong_lines([alone] * 2)) == 2 * len(alone)


def test_a_font_is_judged_by_all_its_lines() -> None:
    """One heading on a page says too little."""
    headings = [line[20:48] for line in [*MILL, *GOOD["fr"]]]
    pages = [
        [Line(shifted(text), 72, 720, 14, font="Wrong"), *placed(MILL, font="Good")]
        for text in headings
    ]
    assert wrong_lines(pages) == {(page, 0) for page in range(len(pages))}


def test_pages_know_their_share_of_what_no_one_can_read() -> None:
    pages = [placed(MILL), placed([*MILL, *map(shifted, MILL)]), placed(["\uf0b7 one", "a\ufffdb"])]
    assert unreadable_shares(pages) == pytest.approx([0, 0.5, 1 / 8], abs=0.02)


def test_placeholders_of_broken_fonts_are_unknown_characters() -> None:
    assert unknown_characters("(cid:12)(cid:7)") == 15
    assert unknown_characters("ab\ufffd\ue000\x00") == 3
    assert unknown_characters("/greaterorequalslant /g31") == 24
    assert unknown_characters("plain, “good” text /home/g1 and/or /etc") == 0


def test_words_without_spaces_between_them_are_glued() -> None:
    assert glued_ratio("thiswasasentencewithsomanywords " * 20) == 1
    assert glued_ratio("plain words " * 100) == 0


def test_scripts_without_spaces_are_not_glued() -> None:
    assert glued_ratio("これは日本語の長い文章であり空白がありません" * 20) == 0


def test_korean_has_spaces_to_lose() -> None:
    assert glued_ratio("한국어는 낱말 사이에 빈칸을 둔다 " * 20) == 0
    assert glued_ratio("한국어는낱말사이에빈칸을둔다" * 20) == 1
