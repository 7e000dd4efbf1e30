"""Reading PDFs: what good files give, and what bad ones cannot do."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pypdf
import pytest
from pdf_writer import PlacedLine, write_pdf, write_placed_pdf, write_raw_pdf

from qwen_pl.data.page.line import Line
from qwen_pl.data.pdf.read import PdfLimits, PdfText, read_pdf
from qwen_pl.errors import InputError

SLOW_PAGE = (
    b"BT /F1 9 Tf " + b"(x) Tj " * 600_000 + b"ET"
)  # many seconds and hundreds of megabytes for a PDF parser
GOOD_PAGE = b"BT /F1 12 Tf 72 720 Td (all well) Tj ET"


def texts(pdf: PdfText) -> list[list[str]]:
    return [[line.text for line in page] for page in pdf.pages]


def read_raw(path: Path, content: bytes, **kwargs: str) -> list[str]:
    write_raw_pdf(path, [content], **kwargs)
    [page] = texts(read_pdf(path))
    return page


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.pdf"


def test_pages_come_as_lines_of_text(path: Path) -> None:
    write_pdf(path, [["Émile said:", "“Ça (va)?”"], ["Yes."]])
    pdf = read_pdf(path)
    assert texts(pdf) == [["Émile said:", "“Ça (va)?”"], ["Yes."]]
    assert (pdf.status, pdf.reason, pdf.num_pages) == ("ok", "", 2)


def test_lines_know_their_place_and_size(path: Path) -> None:
    write_placed_pdf(path, [[PlacedLine("title", 100, 650.5, 18), PlacedLine("text", 72, 600, 9)]])
    title = Line("title", 100, 650.5, 18, end=128.01, font="Helvetica")
    assert read_pdf(path).pages == [[title, Line("text", 72, 600, 9, 86.51, "Helvetica")]]


def test_text_that_runs_up_the_page_is_placed_as_if_upright(path: Path) -> None:
    write_raw_pdf(path, [b"BT /F1 10 Tf 0 1 -1 0 300 50 Tm (one) Tj 0 -12 Td (two) Tj ET"])
    one = Line("one", 50, -300, 10, end=66.68, font="Helvetica", turn=90)
    assert read_pdf(path).pages == [[one, one._replace(text="two", y=-312, end=65.56)]]


def test_progress_is_told_after_each_page(path: Path) -> None:
    write_pdf(path, [["a"], ["b"], ["c"]])
    seen = []
    read_pdf(path, on_page=lambda read, total: seen.append((read, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_narrow_gap_is_a_space_when_the_font_claims_wide_spaces(path: Path) -> None:
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /X /FirstChar 32 /LastChar 126"
    font += f" /Widths [{'500 ' * 95}] >>"
    content = b"BT /F1 10 Tf 72 720 Td [(My)-180(d)20(ear)-60(Mr.)-170(Bennet)] TJ ET"
    assert read_raw(path, content, font=font) == ["My dearMr. Bennet"]


def test_word_spacing_is_not_taken_for_a_gap(path: Path) -> None:
    # "a b" is 1390/1000 em wide, 16.68 points, and the word spacing adds 5.
    content = b"BT /F1 12 Tf 5 Tw 72 720 Td (a b) Tj 21.68 0 Td (c) Tj 15 0 Td (d) Tj ET"
    assert read_raw(path, content) == ["a bc d"]


def test_horizontal_scaling_narrows_what_is_shown(path: Path) -> None:
    # "ab" is 1112/1000 em wide; at half the width the next word is 5 points away.
    content = b"BT /F1 12 Tf 50 Tz 72 720 Td (ab) Tj 11.67 0 Td (c) Tj 3.4 0 Td (d) Tj ET"
    assert read_raw(path, content) == ["ab cd"]


def test_two_letters_spread_apart_are_two_words(path: Path) -> None:
    content = b"BT /F1 12 Tf 72 720 Td (man) Tj 6 Tc 20 0 Td (yt) Tj 0 Tc 18.4 0 Td (o) Tj ET"
    assert read_raw(path, content) == ["many to"]


def test_a_letter_spread_apart_from_its_neighbours_is_a_word(path: Path) -> None:
    content = b"BT /F1 12 Tf 72 720 Td (thr) Tj 5 Tc 14 0 Td (oah) Tj 0 Tc 30 0 Td (ero) Tj ET"
    assert read_raw(path, content) == ["thro a hero"]


def test_a_letterspaced_word_stays_whole(path: Path) -> None:
    content = b"BT /F1 12 Tf 72 720 Td (so ) Tj 3 Tc 20 0 Td (the) Tj 0 Tc 40 0 Td (man) Tj ET"
    assert read_raw(path, content) == ["so the man"]


def test_a_space_without_width_is_none(path: Path) -> None:
    # The space is 3.336 points wide, the word spacing takes 3.3 of them.
    content = b"BT /F1 12 Tf 72 720 Td -3.3 Tw (ev e) Tj 0 Tw 19.4 0 Td (n so) Tj ET"
    assert read_raw(path, content) == ["even so"]


def test_a_large_initial_is_a_line_of_its_own(path: Path) -> None:
    content = (
        b"BT /F1 12 Tf 97 720 Td (he end) Tj 0 -14 Td (is near) Tj /F1 30 Tf -25 0 Td (T) Tj ET"
    )
    assert read_raw(path, content) == ["he end", "is near", "T"]


def test_hebrew_is_read_from_the_right_with_its_spaces(path: Path) -> None:
    font = (
        "<< /Type /Font /Subtype /Type1 /BaseFont /X /FirstChar 32 /LastChar 126"
        f" /Widths [{'500 ' * 95}]"
        " /Encoding << /Differences [65 /afii57664 /afii57665 /afii57666 /afii57667] >> >>"
    )
    content = b"BT /F1 10 Tf 72 720 Td [(D)-300(\\(CB\\))-300(pdf)-300(BA)] TJ ET"
    assert read_raw(path, content, font=font) == ["אב pdf (בג) ד"]


def test_a_raised_number_becomes_a_superscript(path: Path) -> None:
    content = (
        b"BT /F1 12 Tf 72 720 Td (see) Tj /F1 7 Tf 18.7 4 Td (23) Tj /F1 12 Tf 8 -4 Td (now) Tj ET"
    )
    assert read_raw(path, content) == ["see²³now"]


def test_pages_without_text_need_ocr(path: Path) -> None:
    write_raw_pdf(path, [b"0 0 100 100 re f", b""])
    pdf = read_pdf(path)
    assert (pdf.status, pdf.num_pages) == ("empty", 2)
    assert "OCR" in pdf.reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is not a PDF"), (b"<html>hello</html>", "is not a PDF"), (b"%PDF-1.7", "damaged")],
)
def test_what_is_no_pdf_is_corrupt(path: Path, content: bytes, reason: str) -> None:
    path.write_bytes(content)
    pdf = read_pdf(path)
    assert (pdf.status, pdf.pages) == ("corrupt", [])
    assert pdf.reason.startswith(reason)


def test_a_file_without_pages_is_corrupt(path: Path) -> None:
    write_pdf(path, [])
    assert read_pdf(path).status == "corrupt"


def test_a_damaged_page_costs_that_page_only(path: Path) -> None:
    write_raw_pdf(path, [GOOD_PAGE, b"[" * 20_000, GOOD_PAGE])
    pdf = read_pdf(path)
    assert texts(pdf) == [["all well"], [], ["all well"]]
    assert pdf.status == "partial"
    assert pdf.reason.startswith("page 2: ")


@pytest.fixture
def encrypted(path: Path) -> Path:
    write_pdf(path, [["secret text"]])
    writer = pypdf.PdfWriter(clone_from=path)
    writer.encrypt(user_password="sesame", algorithm="RC4-128")
    writer.write(path)
    return path


def test_an_encrypted_file_asks_for_its_password(encrypted: Path) -> None:
    assert read_pdf(encrypted).status == "encrypted"
    assert read_pdf(encrypted, password="wrong").reason == "the password does not open it"
    assert texts(read_pdf(encrypted, password="sesame")) == [["secret text"]]


def test_an_empty_password_opens_by_itself(path: Path) -> None:
    write_pdf(path, [["open text"]])
    writer = pypdf.PdfWriter(clone_from=path)
    writer.encrypt(user_password="", owner_password="owner", algorithm="RC4-128")
    writer.write(path)
    assert texts(read_pdf(path)) == [["open text"]]


def test_a_page_that_takes_too_long_costs_that_page_only(path: Path) -> None:
    write_raw_pdf(path, [GOOD_PAGE, SLOW_PAGE, GOOD_PAGE])
    pdf = read_pdf(path, limits=PdfLimits(page_seconds=1.5))
    assert texts(pdf) == [["all well"], [], ["all well"]]
    assert (pdf.status, pdf.reason) == ("partial", "page 2: took more than 1.5 s")


def test_pages_read_before_the_time_is_up_are_kept(path: Path) -> None:
    write_raw_pdf(path, [GOOD_PAGE, SLOW_PAGE, GOOD_PAGE])
    started = time.monotonic()
    pdf = read_pdf(path, limits=PdfLimits(file_seconds=2.5))
    assert time.monotonic() - started < 4
    assert texts(pdf) == [["all well"]]
    assert (pdf.status, pdf.reason) == ("timeout", "took more than file_seconds after page 1 of 3")


@pytest.mark.skipif(sys.platform == "win32", reason="memory is watched there, not limited")
def test_a_page_that_needs_too_much_memory_is_stopped(path: Path) -> None:
    write_raw_pdf(path, [SLOW_PAGE])
    pdf = read_pdf(path, limits=PdfLimits(memory_mb=110, page_seconds=300))
    assert (pdf.status, pdf.pages) == ("crashed", [[]])
    assert pdf.reason == "page 1: needed more than 110 MB of memory"


def test_the_memory_of_the_caller_does_not_count_against_the_reader(small_pdf: Path) -> None:
    large = bytearray(b"x") * (400 << 20)
    assert read_pdf(small_pdf, limits=PdfLimits(memory_mb=380)).status == "ok"
    assert large[-1] == ord("x")


def test_a_file_may_not_give_more_text_than_allowed(path: Path) -> None:
    write_pdf(path, [["x" * 600_000], ["y" * 600_000], ["never read"]])
    pdf = read_pdf(path, limits=PdfLimits(text_mb=1))
    assert (pdf.status, len(pdf.pages)) == ("timeout", 2)
    assert "1 MB of text" in pdf.reason


def test_nor_more_lines_than_there_is_room_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_pl.data.pdf.read._MOST_LINES", 2)
    write_pdf(path, [["one"], ["two", "three"], ["never read"]])
    pdf = read_pdf(path)
    reason = "gave more than 2 lines after page 2 of 3"
    assert (pdf.status, len(pdf.pages), pdf.reason) == ("timeout", 2, reason)


def test_a_file_that_is_too_large_is_not_opened(path: Path) -> None:
    path.write_bytes(bytes(3 << 20))
    pdf = read_pdf(path, limits=PdfLimits(file_mb=2))
    assert (pdf.status, pdf.reason) == ("timeout", "has 3 MB; the limit file_mb is 2")


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file: .*some\.pdf"):
        read_pdf(path)


def test_neither_side_imports_what_it_does_not_need() -> None:
    code = "import sys, qwen_pl.data.pdf.read, qwen_pl.data.pdf.worker, qwen_pl.data.pdf.open_file;"
    code += "print({'torch', 'lightning', 'numpy', 'pypdf'} & set(sys.modules))"
    assert run_python("-c", code) == "set()\n"


def test_a_script_may_read_without_a_main_guard(path: Path, tmp_path: Path) -> None:
    write_pdf(path, [["text"]])
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom qwen_pl.data.pdf.read import read_pdf\n"
        f"print(read_pdf(Path({str(path)!r})).status)\n"
    )
    assert run_python(str(script)) == "ok\n"


def test_modules_beside_the_user_are_not_imported(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pdf(path, [["text"]])
    (tmp_path / "json.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    assert read_pdf(Path(path.name)).status == "ok"


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_ctrl_c_ends_parent_and_child_without_a_word_from_the_child(
    path: Path, tmp_path: Path
) -> None:
    write_raw_pdf(path, [SLOW_PAGE])
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom qwen_pl.data.pdf.read import read_pdf\n"
        "import qwen_pl.data.pdf.child as child\n"
        "start = child.subprocess.Popen\n"
        "def shown(*args, **kwargs):\n"
        "    process = start(*args, **kwargs)\n"
        "    print(process.pid, flush=True)\n"
        "    return process\n"
        "child.subprocess.Popen = shown\n"
        "try:\n"
        f"    read_pdf(Path({str(path)!r}))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    child_id = int(parent.stdout.readline())
    time.sleep(1)
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal sends it: to both
    out, err = parent.communicate(timeout=300)
    assert (out, err) == ("interrupted\n", "")
    with pytest.raises(ProcessLookupError):
        os.kill(child_id, 0)


def environment() -> dict[str, str]:
    """With the path of this process, so that the package is found where it is found here."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def run_python(*args: str) -> str:
    """What a fresh Python prints."""
    return subprocess.run(
        [sys.executable, *args], check=True, capture_output=True, text=True, env=environment()
    ).stdout
