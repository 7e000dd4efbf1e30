"""The way from a PDF's pages to clean paragraphs, as a whole."""

import lzma
import random
import unicodedata
from pathlib import Path

import pytest
from command_line import REPOSITORY
from line_maker import made_up_lines, set_lines

from benchmarks.text_quality import boundary_f1, edit_distance, read_truth, word_error_rate
from qwen_pl.data.cleaning.clean import clean_pages
from qwen_pl.data.cleaning.clean_text import Cleaning, CleanText, Paragraph
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.page.line import Line, Page
from qwen_pl.data.pdf.read import read_pdf

BOOK = REPOSITORY / "data" / "book.pdf"
TRUTH = Path(__file__).with_name("book.txt.xz")


def texts(clean: CleanText) -> list[str]:
    return [paragraph.text for paragraph in clean.paragraphs]


@pytest.fixture(scope="module")
def book() -> CleanText:
    return clean_pages(read_pdf(BOOK).pages)


@pytest.fixture(scope="module")
def truth() -> list[str]:
    return read_truth(lzma.decompress(TRUTH.read_bytes()).decode())


def test_the_sample_book_is_read_almost_word_for_word(book: CleanText, truth: list[str]) -> None:
    assert word_error_rate(texts(book), truth) <= 0.001


def test_the_paragraphs_of_the_sample_book_are_found(book: CleanText, truth: list[str]) -> None:
    assert boundary_f1(texts(book), truth) >= 0.99


def test_the_counts_tell_what_was_done_to_the_sample_book(book: CleanText) -> None:
    assert book.running_heads["# Pride and Prejudice"] > 150
    assert book.num_dehyphenated > 700
    assert (book.glued_ratio, book.garbage_ratio, book.garbage_pages) == (0, 0, [])


def test_the_word_errors_are_counted_exactly() -> None:
    source = random.Random(4)
    for _ in range(20):
        left, right = (source.choices("abcd", k=source.randrange(40)) for _ in range(2))
        row = list(range(len(right) + 1))
        for i, item in enumerate(left, start=1):
            diagonal, row[0] = row[0], i
            for j, other in enumerate(right, start=1):
                best = min(row[j] + 1, row[j - 1] + 1, diagonal + (item != other))
                diagonal, row[j] = row[j], best
        assert edit_distance(left, right) == row[-1]


def test_a_paragraph_knows_the_page_it_begins_on() -> None:
    pages = [
        set_lines(["One paragraph ends here.", "", "Another one begins, which"]),
        set_lines(["goes on over the page.", "", "A third one."]),
    ]
    assert clean_pages(pages).paragraphs == [
        Paragraph("One paragraph ends here.", 1),
        Paragraph("Another one begins, which goes on over the page.", 1),
        Paragraph("A third one.", 2),
    ]


def document() -> list[Page]:
    """Seven pages with everything that cleaning removes or mends."""
    pages = []
    for number in range(1, 7):
        filler = made_up_lines(3, page=number)
        body = [
            *filler,
            "    Here the ﬁrst line of a paragraph is set in, and ends with an inter-",
            "rupted word, and this line calls a note¹ and has its full length too.",
            "    The next paragraph of this page is a good deal shorter.",
            "    " + filler[0],
            *reversed(filler),
        ]
        page = [Line(f"{number} A Running Head", 72, 760, 10), *set_lines(body)]
        pages.append([*page, *set_lines([f"1 Note {filler[1]}"], top=100, size=8)])
    table = [f"Chapter about things . . . . {2 * n + 1}" for n in range(6)]
    initial = [*set_lines(["T"], top=488, size=30), *set_lines(["hey say so."], x=100, top=500)]
    pages.insert(0, set_lines(table) + initial)
    pages.append(set_lines(["\ufffd\ufffd\ufffd\ufffd good \ufffd\ufffd\ufffd"]))
    return pages


@pytest.mark.parametrize(
    ("step", "left_in"),
    [
        ("characters", "ﬁrst"),
        ("garbage_pages", "\ufffd\ufffd good"),
        ("running_heads", "3 A Running Head"),
        ("contents", "Chapter about things"),
        ("footnotes", "note¹"),
        ("hyphens", "inter- rupted"),
        ("drop_caps", "T hey say so."),
    ],
)
def test_every_step_can_be_left_out(step: str, left_in: str) -> None:
    assert left_in not in "\n".join(texts(clean_pages(document())))
    cleaning = Cleaning(**{step: False})
    assert left_in in "\n".join(texts(clean_pages(document(), cleaning)))


def test_a_note_follows_the_paragraph_that_calls_it() -> None:
    paragraphs = texts(clean_pages(document()))
    calling = paragraphs.index(
        "Here the first line of a paragraph is set in, and ends with an interrupted word, and this"
        " line calls a note and has its full length too."
    )
    assert paragraphs[calling + 1] == f"Note {made_up_lines(3, page=1)[1]}"
    assert paragraphs[calling + 2] == "The next paragraph of this page is a good deal shorter."


def test_pages_of_characters_that_no_one_can_read_are_dropped_and_named() -> None:
    clean = clean_pages(document())
    assert clean.garbage_pages == [8]
    assert clean.garbage_ratio > 0


def test_glued_words_are_noticed() -> None:
    glued = set_lines(["Itisatruthuniversallyacknowledged,thatasinglemaninpossession"] * 5)
    assert clean_pages([glued]).glued_ratio > 0.5


def test_lines_without_places_are_joined_by_their_length() -> None:
    page = [
        Line(text, 0, 0, 0)
        for text in [
            "Nothing is known of the place of these lines, but this one is full,",
            "and here the paragraph ends.",
            "The next one is full again, up to the right margin of its page, and",
            "ends in the middle.",
        ]
    ]
    assert [text[-6:] for text in texts(clean_pages([page]))] == [" ends.", "iddle."]


@pytest.mark.parametrize("pages", [[], [[]], [[Line(" ", 0, 0, 0)]], [[Line("\x00", 1, 1, 1)]]])
def test_nothing_gives_nothing(pages: list[Page]) -> None:
    assert clean_pages(pages).paragraphs == []


@pytest.mark.parametrize(
    "lines",
    [
        [
            "Übergänge, sagte er, „gibt es nicht“, und",
            "ging zum Fenster-",
            "bänkchen, 3D-",
            "Brillen",
        ],
        ["« C’est l’été », dit-il à l’œuvre de", "l’archi-", "tecte, où naïve-", "ment tout va"],
        ["Съешь же ещё этих мягких фран-", "цузских булок, да выпей", "чаю из кружки-"],
        ["Ξεσκεπάζω την ψυχοφθόρα βδελυγμία", "και τα ά-", "λλα, λέει ο φίλος"],
        ["天地玄黄，宇宙洪荒。", "日 月 盈 昃，辰宿列张。", "使用 Debian", "GNU/", "Linux 系统"],
        ["いろはにほへと ちりぬるを", "わ が よ た れ そ つ ね な ら む", "ー・「う」"],
        ["كتابٌ في العربيّة", "وسطر آخر من النصّ", "لا يضيع منه حرف"],
    ],
    ids=["German", "French", "Russian", "Greek", "Chinese", "Japanese", "Arabic"],
)
def test_no_letter_is_lost(lines: list[str]) -> None:
    cleaned = "".join(texts(clean_pages([set_lines(lines * 9)])))
    assert letters_of(cleaned) == letters_of("".join(lines * 9))


def letters_of(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c)[0] in "LMN")


def test_what_is_filled_in_behind_a_label_is_on_its_line_and_the_rest_behind_the_page() -> None:
    label = Line("Name of owner:", 72, 700, 10, 140)
    value = Line("Margaret", 150, 698, 9, 190, "@form")
    note = Line("Call me", 400, 500, 9, 430, "@form")
    text = Line("And so on.", 72, 650, 10, 120)
    paragraphs = clean_pages([[label, text, note, value]]).paragraphs
    assert [p.text for p in paragraphs] == ["Name of owner: Margaret", "And so on.", "Call me"]
    assert paragraphs[-1].role is Role.FORM
