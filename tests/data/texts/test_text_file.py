"""Files of every kind of text give it, row by row and chapter by chapter, or one line why not."""

import gzip
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from qwen_pl.data.cleaning.clean_text import EVERY_STEP, CleanText
from qwen_pl.data.texts.text_encoding import TextEncoding
from qwen_pl.data.texts.text_file import TextJob, read_text_file


def read(file: Path, column: str = "text", most_bytes: int = 1 << 20) -> list[CleanText]:
    suffix = "." + file.name.partition(".")[2]
    job = TextJob(str(file), suffix, TextEncoding("utf-8"), 100, column, most_bytes)
    return list(read_text_file(job, EVERY_STEP))


def paragraphs(pieces: list[CleanText]) -> list[tuple[str, int]]:
    return [(p.text, p.page) for piece in pieces for p in piece.paragraphs]


def made_file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


CONTAINER = '<container><rootfiles><rootfile full-path="in/b.opf"/></rootfiles></container>'
PACKAGE = """<opf:package xmlns:opf="http://www.idpf.org/2007/opf"><opf:manifest>
<opf:item id="two" href="2.xhtml" media-type="application/xhtml+xml"/>
<opf:item id="one" href="text/1%20a.xhtml" media-type="application/xhtml+xml"/>
<opf:item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>
<opf:item id="out" href="../../../etc/passwd" media-type="application/xhtml+xml"/>
<opf:item id="css" href="s.css" media-type="text/css"/></opf:manifest><opf:spine>
<opf:itemref idref="nav"/><opf:itemref idref="one"/><opf:itemref idref="two"/>
<opf:itemref idref="one"/><opf:itemref idref="nowhere"/></opf:spine></opf:package>"""
BOOK = {
    "META-INF/container.xml": CONTAINER,
    "in/b.opf": PACKAGE,
    "in/text/1 a.xhtml": "<?xml version='1.0'?><html><title/><h1>One</h1>It begins.",
    "in/2.xhtml": "<h1>Two</h1><p>It ends.</p>",
    "in/nav.xhtml": "<nav><ol><li>One</li></ol></nav>",
}


def made_book(folder: Path, **changes: str | None) -> Path:
    path = folder / "a.epub"
    files = {**BOOK, **{name.replace("__", "/"): text for name, text in changes.items()}}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            if text is not None:
                archive.writestr(name, text)
    return path


def test_a_book_gives_its_chapters_in_the_order_of_reading(tmp_path: Path) -> None:
    expected = [("One", 1), ("It begins.", 1), ("Two", 2), ("It ends.", 2)]
    pieces = read(made_book(tmp_path))
    assert paragraphs(pieces) == expected
    assert {piece.status for piece in pieces} == {"ok"}


FONTS = '<e><EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/></e>'
LOCKED = '<e><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></e>'
BOOKS: dict[str, tuple[dict[str, str | None], str, str]] = {
    "locked by rights": ({"META-INF__rights.xml": "<x/>"}, "corrupt", "DRM"),
    "locked by encryption": ({"META-INF__encryption.xml": LOCKED}, "corrupt", "DRM"),
    "hidden fonts": ({"META-INF__encryption.xml": FONTS}, "ok", ""),
    "no package": ({"in/b.opf": None}, "corrupt", "no package file"),
    "no chapters": ({"in/b.opf": "<package/>"}, "corrupt", "names no chapters"),
    "no container": ({"META-INF/container.xml": None}, "ok", ""),
    "a chapter missing": ({"in/2.xhtml": None}, "partial", "in/2.xhtml is not there"),
    "a chapter outside": (
        {"in/b.opf": PACKAGE.replace('idref="nowhere"', 'idref="out"')},
        "partial",
        "../../etc/passwd is not there",
    ),
    "a bomb": ({"in/2.xhtml": "x" * (2 << 20)}, "partial", "larger than it may be, unpacked"),
    "entities that unfold": (
        {"in/2.xhtml": '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><p>&b;</p>'},
        "ok",
        "",
    ),
}


@pytest.mark.parametrize("kind", BOOKS)
def test_a_book_that_is_not_whole_says_why(tmp_path: Path, kind: str) -> None:
    changes, status, reason = BOOKS[kind]
    pieces = read(made_book(tmp_path, **changes))
    assert pieces[-1].status == status
    assert reason in pieces[-1].reason
    assert (("One", 1) in paragraphs(pieces)) == (status != "corrupt")


def test_what_is_no_book_says_so(tmp_path: Path) -> None:
    [piece] = read(made_file(tmp_path, "a.epub", b"PK\x03\x04 nonsense"))
    assert (piece.status, piece.reason) == ("corrupt", "is no EPUB (File is not a zip file)")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"<meta charset=iso-8859-1><p>caf\xe9 \x93x\x94", "café “x”"),
        (b'<?xml version="1.0" encoding="windows-1251"?><p>\xc4\xe0', "Да"),
        (b"<p>caf\xe9", "café"),
        ("\ufeff<p>café".encode("utf-16"), "café"),
        ("<meta content='text/html; charset=Shift_JIS'><p>日本".encode("cp932"), "日本"),
        ("<meta charset=nonsense><p>café".encode(), "café"),
    ],
)
def test_html_is_in_the_encoding_that_it_says(tmp_path: Path, content: bytes, text: str) -> None:
    [piece] = read(made_file(tmp_path, "a.html", content))
    assert paragraphs([piece]) == [(text, 1)]


ROWS = [{"text": "One."}, {"text": "Two.\n\nParts."}, {"text": None}, {"text": "Four."}]
EXPECTED = [("One.", 1), ("Two.", 2), ("Parts.", 2), ("Four.", 4)]
JSON = "\n".join(json.dumps(row) for row in ROWS)


def made_parquet(folder: Path, **columns: list) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(columns), folder / "a.parquet", row_group_size=2)
    return folder / "a.parquet"


def made_zst(folder: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    with pyarrow.CompressedOutputStream(str(folder / "a.jsonl.zst"), "zstd") as file:
        file.write(JSON.encode())
    return folder / "a.jsonl.zst"


MADE: dict[str, Callable[[Path], Path]] = {
    "JSON Lines": lambda folder: made_file(folder, "a.jsonl", "\ufeff" + JSON),
    "gzip": lambda folder: made_file(folder, "a.jsonl.gz", gzip.compress(JSON.encode())),
    "zstd": made_zst,
    "Parquet": lambda folder: made_parquet(folder, id=[*range(4)], text=[r["text"] for r in ROWS]),
}


@pytest.mark.parametrize("kind", MADE)
def test_rows_give_their_texts_with_their_numbers_as_pages(tmp_path: Path, kind: str) -> None:
    pieces = read(MADE[kind](tmp_path))
    assert paragraphs(pieces) == EXPECTED
    assert {piece.status for piece in pieces} == {"ok"}


BAD_ROWS = {
    "nonsense": ("not json", "row 2 is no JSON: met 'not json'"),
    "a list": ("[1, 2]", "row 2 is no object with names: met '[1, 2]'"),
    "a number": ('{"text": 3}', "row 2 has no text as its 'text': met '3'"),
    "another name": (
        '{"content": "x"}',
        "row 2 has no 'text', but 'content': set data.text_column",
    ),
    "deep": ("[" * 100_000, f"row 2 is no JSON: met '{'[' * 40}…'"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_named_and_the_others_are_read(tmp_path: Path, kind: str) -> None:
    row, reason = BAD_ROWS[kind]
    pieces = read(
        made_file(tmp_path, "a.jsonl", f'{{"text": "One."}}\n{row}\n\n{{"text": "Four."}}')
    )
    assert paragraphs(pieces) == [("One.", 1), ("Four.", 4)]
    assert (pieces[-1].status, pieces[-1].reason) == ("partial", reason)
    pieces = read(made_file(tmp_path, "b.jsonl", f"\n{row}\n{row}"))
    assert (pieces[-1].status, pieces[-1].reason) == ("corrupt", reason)


def test_bad_rows_are_counted_and_odd_signs_stand_for_half_characters(tmp_path: Path) -> None:
    pieces = read(made_file(tmp_path, "a.jsonl", '7\n{"text": "a\\ud800b"}\n\x00\n8'))
    assert paragraphs(pieces) == [("a\ufffdb", 2)]
    assert pieces[-1].reason == "row 1 is no object with names: met '7' (3 rows left out in all)"


def test_a_packed_file_that_is_cut_off_gives_what_came(tmp_path: Path) -> None:
    packed = gzip.compress("\n".join([JSON] * 9).encode(), 0)
    pieces = read(made_file(tmp_path, "a.jsonl.gz", packed[: len(packed) // 2]))
    assert paragraphs(pieces)[:4] == EXPECTED
    assert pieces[-1].status == "partial"
    assert pieces[-1].reason.startswith("cannot be unpacked (Compressed file ended before")


def test_a_parquet_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    file = made_parquet(tmp_path, words=["a"], number=[1])
    [piece] = read(file)
    assert piece.reason == "has no column 'text', but 'words', 'number': set data.text_column"
    [piece] = read(file, "number")
    assert piece.reason == "has int64 in its column 'number', no text: set data.text_column"
    assert paragraphs(read(file, "words")) == [("a", 1)]
    [piece] = read(made_file(tmp_path, "b.parquet", "nonsense"))
    assert piece.reason.startswith("is no Parquet (")


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl.zst"])
def test_without_pyarrow_a_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    [piece] = read(made_file(tmp_path, name, "anything"))
    assert (piece.status, piece.reason) == (
        "corrupt",
        "needs a package more: pip install pyarrow",
    )
