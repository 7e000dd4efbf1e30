import json
import os
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from qwen_pl.data.cache_dir import CorpusEntry
from qwen_pl.data.cleaning.clean import clean_pages
from qwen_pl.data.cleaning.clean_text import CleanText, Paragraph
from qwen_pl.data.page.line import Line, Page, Sheet
from qwen_pl.data.pdf.read import PdfText
from qwen_pl.data.report.file_report import FileReport, by_trouble, describe_file, status_table
from qwen_pl.data.report.worst_pages import Excerpt
from qwen_pl.data.report.write import MOST_DETAILED, write_report
from qwen_pl.data.texts.text_file import clean_plain_text

FINE = FileReport(
    path="books/fine.pdf",
    sha256="ab" * 32,
    status="ok",
    reason="",
    reader="pypdf",
    producer="pdfTeX",
    pages=10,
    empty_pages=1,
    characters=20_000,
    words=3_000,
    running_heads=[["# A HEAD", 7]],
    running_heads_removed=7,
    contents_lines_removed=3,
    footnotes_moved=2,
    words_dehyphenated=5,
    garbage_pages=[],
    glued_ratio=0.0,
    garbage_ratio=0.0,
    seconds=1.5,
    excerpts=[Excerpt(3, "as read\nremoved", "cleaned", "a page from the middle", [1])],
)
CORRUPT = replace(FINE, path="bad.pdf", status="corrupt", reason="has no pages", characters=0)
GLUED = replace(FINE, path="glued.pdf", glued_ratio=0.4)


def page_of(*lines: str) -> Page:
    return [Line(text, 72, 700 - 12 * row, 10) for row, text in enumerate(lines)]


def describe(pages: list[Page], clean: CleanText, **fields: object) -> FileReport:
    pdf = PdfText(Path("a.pdf"), list(map(Sheet, pages)), num_pages=len(pages))
    for name, value in fields.items():
        setattr(pdf, name, value)
    return describe_file(Path("a.pdf"), "00", pdf, clean)


def html_of(folder: Path, *reports: FileReport, **facts: str) -> str:
    write_report(CorpusEntry(folder), reports, facts=facts)
    return (folder / "report.html").read_text(encoding="utf-8")


# --- one file ---


def test_a_report_comes_back_from_json_as_it_was() -> None:
    assert FileReport.from_json(json.loads(json.dumps(GLUED.to_json()))) == GLUED


def test_a_record_of_a_later_version_can_be_read() -> None:
    assert FileReport.from_json(FINE.to_json() | {"not_known_yet": 1}) == FINE


def test_pages_that_were_not_read_count_as_empty() -> None:
    read = [page_of("one"), page_of(), page_of("three")]
    report = describe(read, CleanText(), num_pages=7, status="timeout")
    assert (report.pages, report.empty_pages) == (7, 5)


def test_a_text_file_has_characters_and_words_and_pages_but_no_producer() -> None:
    clean = clean_plain_text("Two words.\fAnd three more.")
    report = describe_file(Path("a.txt"), "00", None, clean)
    assert (report.characters, report.words, report.pages) == (25, 5, 2)
    assert (report.reader, report.producer) == ("text", "")


def test_a_text_file_without_text_is_empty() -> None:
    assert describe_file(Path("a.txt"), "0", None, CleanText()).status == "empty"


def test_chinese_characters_count_as_words() -> None:
    clean = CleanText([Paragraph("我们读 three words here", 1)])
    assert describe([], clean).words == 6


def test_the_reader_is_the_one_that_the_pdf_names() -> None:
    assert describe([], CleanText(), reader="pdfium 5.1").reader == "pdfium 5.1"


# --- what cleaning removed ---


def test_a_removed_line_is_marked_and_its_letters_counted() -> None:
    pages = [page_of("A heading of many letters", "What is said in the text.", "17")]
    report = describe(pages, CleanText([Paragraph("What is said in the text.", 1)]))
    assert report.lost_ratio == pytest.approx(21 / 40, abs=1e-3)
    long = [page_of(*(f"{c * 30} removed" for c in "abcde"), "What is said in the text.", "17")]
    (excerpt,) = describe(long, CleanText([Paragraph("What is said in the text.", 1)])).excerpts
    assert excerpt.removed == [0, 1, 2, 3, 4, 6]
    assert excerpt.after == "What is said in the text."


def test_a_paragraph_that_goes_on_over_pages_is_not_lost() -> None:
    pages = [page_of("It begins on the first page"), page_of("and goes on"), page_of("to its end.")]
    clean = clean_pages(pages)
    assert [paragraph.page for paragraph in clean.paragraphs] == [1]
    assert describe(pages, clean).lost_ratio == 0


def test_a_mended_line_is_not_lost() -> None:
    pages = [
        page_of("The oﬃce of the f¨ur exam-", "ple is mentioned.² The end", "of it comes¹ here")
    ]
    clean = CleanText(
        [Paragraph("The office of the für example is mentioned. The end of it comes here", 1)]
    )
    assert describe(pages, clean).lost_ratio == 0


def test_what_follows_a_page_end_is_shown_from_where_the_page_begins() -> None:
    lines = [f"{word} is the word that this line of the page has" for word in "ABCDEFGHIJ"]
    pages = [page_of(*lines[:5]), page_of(*lines[5:], *(f"{n} {'lost ' * 9}" for n in "klmnopq"))]
    (excerpt, *_) = describe(pages, CleanText([Paragraph(" ".join(lines), 1)])).excerpts
    assert excerpt.page == 2
    assert excerpt.after == "… " + " ".join(lines[5:])


def test_the_worst_pages_come_first_and_each_kind_of_trouble_once_before_any_twice() -> None:
    good = page_of(*["Words in their order with all their spaces between them."] * 8)
    glued = page_of(*["Wordswithoutanyofthespacesthatshouldbetween them."] * 8)
    broken = page_of(*["\ufffd\ufffd\ufffd \ufffd\ufffd words"] * 8)
    pages = [good, glued, glued, broken, []]
    excerpts = describe(pages, clean_pages(pages)).excerpts
    assert [excerpt.page for excerpt in excerpts] == [4, 2, 5]
    assert "spaces are missing" in excerpts[1].trouble


def test_a_file_in_order_shows_a_page_from_its_middle() -> None:
    text = "Words in their order with all their spaces between them."
    pages = [page_of(*[text] * 8)] * 5
    clean = CleanText([Paragraph(" ".join([text] * 8), number) for number in range(1, 6)])
    (excerpt,) = describe(pages, clean).excerpts
    assert (excerpt.page, excerpt.removed) == (3, [])


def test_an_excerpt_is_short_however_long_the_page() -> None:
    pages = [page_of(*[f"line {n} of a page" for n in range(2000)], "x" * 10_000)]
    (excerpt, *_) = describe(pages, CleanText()).excerpts
    assert len(excerpt.before) < 1300


def test_why_a_file_counts_as_a_duplicate_is_told() -> None:
    duplicate = replace(FINE, status="duplicate", duplicate_of="fine.pdf")
    assert duplicate.trouble() == "the same text as fine.pdf"
    assert replace(duplicate, reason="nearly the same").trouble() == "nearly the same"


# --- the table ---


def test_the_table_has_a_row_for_every_status_and_one_for_all() -> None:
    table = status_table([CORRUPT, FINE, GLUED])
    assert [line.split()[0] for line in table[:4]] == ["status", "ok", "corrupt", "all"]
    assert table[1].split() == ["ok", "2", "20", "40,000", "300", "3.0"]
    assert table[3].split()[1:3] == ["3", "30"]


def test_one_status_needs_no_sum() -> None:
    assert "all" not in "".join(status_table([FINE, FINE]))


def test_troubled_files_are_named_with_their_reason_the_worst_first() -> None:
    lines = status_table([FINE, GLUED, CORRUPT])[-2:]
    assert lines == [
        "bad.pdf: corrupt, has no pages",
        "glued.pdf: spaces missing in 40% of the text",
    ]


def test_of_many_troubled_files_ten_are_named() -> None:
    table = status_table([CORRUPT] * 25)
    assert sum("has no pages" in line for line in table) == 10
    assert table[-1] == "... and 15 more: see report.html"


def test_duplicates_are_counted_but_not_listed() -> None:
    duplicate = replace(FINE, path="again.pdf", status="duplicate", duplicate_of="fine.pdf")
    table = "".join(status_table([FINE, duplicate]))
    assert "duplicate" in table and "again.pdf" not in table


def test_a_long_name_leaves_room_for_the_reason() -> None:
    path = "folder/" * 40 + "名前" * 30 + ".pdf"
    line = status_table([replace(CORRUPT, path=path)])[-1]
    assert line.endswith(".pdf: corrupt, has no pages")
    assert len(line) + sum(c in "名前" for c in line) <= 100


def test_a_file_name_cannot_command_the_terminal() -> None:
    table = status_table([replace(CORRUPT, path="\x1b[2J\x07.pdf", reason="a\nb\x1b]0;c")])
    assert table[-1] == r"\x1b[2J\x07.pdf: corrupt, a\nb\x1b]0;c"


def test_pages_without_text_are_told_when_they_are_many() -> None:
    scanned = replace(FINE, empty_pages=8)
    assert scanned.trouble() == "8 of 10 pages have no text"
    assert FINE.trouble() == ""


def test_a_file_of_which_nothing_is_left_is_troubled() -> None:
    assert replace(FINE, characters=0).trouble() == "nothing is left of its text"


def test_what_failed_comes_before_what_was_read_badly() -> None:
    statuses = ["ok", "duplicate", "partial", "empty", "encrypted", "corrupt", "timeout", "crashed"]
    reports = [replace(FINE, status=status) for status in statuses]
    assert [r.status for r in by_trouble([*reports, GLUED])] == [
        *("crashed", "timeout", "corrupt", "encrypted", "empty", "partial"),
        *("ok", "duplicate", "ok"),
    ]
    assert by_trouble([FINE, replace(FINE, lost_ratio=0.3)])[0].lost_ratio == 0.3


# --- report.json ---


def test_report_json_has_files_in_the_order_of_the_corpus_and_sums_and_facts(
    tmp_path: Path,
) -> None:
    write_report(CorpusEntry(tmp_path), [FINE, CORRUPT, GLUED], facts={"split": "by document"})
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [file["path"] for file in content["files"]] == [FINE.path, CORRUPT.path, GLUED.path]
    assert content["totals"]["ok"]["pages"] == 20
    assert content["facts"] == {"split": "by document"}


def test_report_json_leaves_the_excerpts_to_report_html(tmp_path: Path) -> None:
    write_report(CorpusEntry(tmp_path), [FINE])
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [FileReport.from_json(file) for file in content["files"]] == [replace(FINE, excerpts=[])]


# --- report.html ---


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "\"><img src=x onerror='alert(1)'>",
        "</del></p></style></title><svg onload=alert(1)>",
        "' onmouseover='alert(1)",
        "&lt;b&gt; <!-- -- > ]]>",
    ],
)
def test_nothing_in_a_file_becomes_markup(tmp_path: Path, hostile: str) -> None:
    everywhere = FileReport(
        **{
            field: hostile if isinstance(value, str) else value
            for field, value in FINE.to_json().items()
        }
        | {"running_heads": [[hostile, 3]], "sha256": hostile}
        | {"excerpts": [Excerpt(1, f"{hostile}\n{hostile}", hostile, hostile, [0])]}
    )
    tame = Elements(html_of(tmp_path, FINE, CORRUPT, a="b"))
    page = html_of(tmp_path, everywhere, *[everywhere] * MOST_DETAILED, **{hostile: hostile})
    found = Elements(page)
    assert found.tags <= tame.tags | {"br"}
    assert found.attributes <= tame.attributes
    assert hostile in found.text


def test_what_no_page_may_hold_does_not_stop_the_report(tmp_path: Path) -> None:
    path = Path(os.fsdecode(b"caf\xe9\x01.pdf"))  # a name that is not UTF-8
    pdf = PdfText(path, [Sheet(page_of("a \ud800 b"))], producer="\x00\ud800", num_pages=1)
    clean = CleanText([Paragraph("a \ud800 b", 1)])
    report = describe_file(path, "00", pdf, clean)
    page = html_of(tmp_path, replace(report, duplicate_of=str(path)), of=str(path))
    assert "caf" in page and not {"\x00", "\x01"} & set(page)


def test_the_page_fetches_and_runs_nothing(tmp_path: Path) -> None:
    page = html_of(tmp_path, FINE, CORRUPT)
    assert not Elements(page).tags & {"script", "link", "img", "iframe"}
    assert not Elements(page).attributes & {"src", "href", "onclick"}
    assert "default-src 'none'" in page and "url(" not in page and "@import" not in page


def test_the_page_shows_the_worst_file_first_with_all_that_is_known(tmp_path: Path) -> None:
    text = Elements(html_of(tmp_path, FINE, GLUED, CORRUPT, split="by document")).text
    assert text.index("bad.pdf") < text.index("glued.pdf") < text.index("fine.pdf")
    for known in (
        "by document",
        "has no pages",
        "pdfTeX",
        "ab" * 6,
        "# A HEAD",
        "300 words a page",
    ):
        assert known in text


def test_removed_lines_are_struck_out_before_and_gone_after(tmp_path: Path) -> None:
    page = html_of(tmp_path, FINE)
    assert '<p dir="auto">as read</p><p dir="auto"><del>removed</del></p>' in page
    assert '<p dir="auto">cleaned</p>' in page


def test_of_many_files_those_without_text_do_not_crowd_out_what_can_be_looked_at(
    tmp_path: Path,
) -> None:
    page = html_of(tmp_path, *[CORRUPT] * MOST_DETAILED, GLUED)
    assert page.count("has no pages") == MOST_DETAILED
    assert page.count("<figure>") == 1


def test_ten_thousand_files_make_a_page_that_still_opens(tmp_path: Path) -> None:
    text = "line of a page\n" * 80
    many = replace(
        FINE,
        running_heads=[["A HEAD OF USUAL LENGTH, CHAPTER #", 3]] * 20,
        excerpts=[Excerpt(n, text, text, "trouble", list(range(80))) for n in range(3)],
    )
    reports = [replace(many, path=f"folder/book {n}.pdf") for n in range(10_000)]
    page = html_of(tmp_path, *reports)
    assert "book 9999.pdf" in page
    assert len(page) < 10e6
