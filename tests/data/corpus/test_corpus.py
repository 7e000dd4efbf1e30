"""A corpus: copies kept once, bad files named, nothing lost to kill -9, for any processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pdf_writer import made_up_pages, write_pdf

from qwen_pl.data.corpus.corpus import Corpus, read_corpus
from qwen_pl.data.corpus.duplicates import Duplicates
from qwen_pl.data.corpus.reading import ReadingSettings
from qwen_pl.data.corpus.sources import SourceFile
from qwen_pl.data.pdf.read import PdfLimits
from qwen_pl.data.prepare.prepare import Recipe, prepare
from qwen_pl.errors import InputError

LICENCE = "This text is licensed under terms that every file of the collection repeats in full."


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for seed in range(3):
        write_pdf(shelf / f"book{seed}.pdf", made_up_pages(4, seed))
    return shelf


def read(shelf: Path, **options: object) -> Corpus:
    return read_corpus(str(shelf), ReadingSettings(), shelf.parent / "cache", **options)


def names(corpus: Corpus) -> list[str]:
    return [Path(document.source).name for document in corpus.documents]


def statuses(corpus: Corpus) -> dict[str, str]:
    return {Path(report.path).name: report.status for report in corpus.reports}


def test_the_same_file_under_two_names_is_kept_once(shelf: Path) -> None:
    shutil.copy(shelf / "book1.pdf", shelf / "another.pdf")
    corpus = read(shelf)
    assert names(corpus) == ["another.pdf", "book0.pdf", "book2.pdf"]
    assert statuses(corpus)["book1.pdf"] == "duplicate"
    (report,) = [report for report in corpus.reports if report.status == "duplicate"]
    assert report.duplicate_of.endswith("another.pdf")


def test_the_same_text_in_another_format_is_kept_once(shelf: Path) -> None:
    text = read(shelf).documents[1].text.file.read_text(encoding="utf-8")
    (shelf / "retyped.txt").write_text(text.replace(" ", "\n", 1).replace("bane", "Bane"))
    corpus = read(shelf)
    assert names(corpus) == ["book0.pdf", "book1.pdf", "book2.pdf"]
    assert statuses(corpus)["retyped.txt"] == "duplicate"


def test_copies_are_kept_where_the_config_says_so(shelf: Path) -> None:
    shutil.copy(shelf / "book1.pdf", shelf / "another.pdf")
    corpus = read(shelf, duplicates=Duplicates(documents=False, paragraphs=False))
    assert len(corpus.documents) == 4
    assert set(statuses(corpus).values()) == {"ok"}
    groups = {Path(document.source).name: document.group for document in corpus.documents}
    assert groups["another.pdf"] == groups["book1.pdf"] != groups["book0.pdf"]


def test_a_partly_read_copy_does_not_displace_a_whole_one(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = read(shelf).documents[1].text.file.read_text(encoding="utf-8")
    (shelf / "zz.txt").write_text(text)
    shutil.rmtree(shelf.parent / "cache")
    import qwen_pl.data.corpus.reading as reading

    whole = reading.read_pdf

    def partly(path: Path, **options: object):
        pdf = whole(path, **options)
        if path.name == "book1.pdf":
            pdf.status, pdf.reason = "partial", "page 4: lost"
        return pdf

    monkeypatch.setattr(reading, "read_pdf", partly)
    corpus = read(shelf)
    assert names(corpus) == ["book0.pdf", "book2.pdf", "zz.txt"]


@pytest.mark.parametrize("are_kept", [False, True])
def test_a_copy_of_a_file_that_is_not_whole_is_not_whole_either(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, are_kept: bool
) -> None:
    import qwen_pl.data.corpus.reading as reading

    whole = reading.read_pdf

    def partly(path: Path, **options: object):
        pdf = whole(path, **options)
        pdf.status, pdf.reason = "partial", "page 4: lost"
        return pdf

    shutil.copy(shelf / "book1.pdf", shelf / "copy.pdf")
    monkeypatch.setattr(reading, "read_pdf", partly)
    kept = Duplicates(documents=not are_kept, paragraphs=False)
    corpus = read(shelf, duplicates=kept)
    assert len(corpus.documents) == 3 + are_kept
    assert set(statuses(corpus).values()) == {"partial"}
    copy = next(report for report in corpus.reports if report.path.endswith("copy.pdf"))
    assert copy.trouble() == f"page 4: lost (the same file as {shelf / 'book1.pdf'})"
    assert copy.duplicate_of == str(shelf / "book1.pdf")
    with pytest.raises(InputError, match=r"strict: .*book0.pdf: page 4: lost \(and 3 more files\)"):
        read(shelf, strict=True)


def test_files_that_are_tried_again_are_tried_in_processes_as_new_ones_are(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qwen_pl.data.corpus.reading as reading

    counts = []
    mapped = reading.map_in_processes
    monkeypatch.setattr(
        reading, "map_in_processes", lambda f, items, n: counts.append(n) or mapped(f, items, 1)
    )
    whole = reading.read_pdf

    def too_slow(path: Path, **options: object):
        pdf = whole(path, **options)
        if path.name != "book1.pdf":
            pdf.status = "timeout"
        return pdf

    monkeypatch.setattr(reading, "read_pdf", too_slow)
    read(shelf, num_proc=8)
    assert counts == [3]
    assert set(statuses(read(shelf, num_proc=8)).values()) == {"timeout", "ok"}
    assert counts == [3]  # all are kept, as they are
    more = ReadingSettings(limits=PdfLimits(file_seconds=10_000))
    monkeypatch.setattr(reading, "read_pdf", whole)
    corpus = read_corpus(str(shelf), more, shelf.parent / "cache", num_proc=8)
    assert counts == [3, 2]
    assert set(statuses(corpus).values()) == {"ok"}


def test_a_licence_in_every_file_is_kept_once_and_counted(shelf: Path) -> None:
    for number in range(2):
        (shelf / f"note{number}.txt").write_text(f"Own text {number}.\n\n{LICENCE}\n")
    corpus = read(shelf)
    kept = [text for d in corpus.documents for ab in d.kept() for text in d.texts(*ab)]
    assert kept.count(LICENCE) == 1
    assert {"Own text 0.", "Own text 1."} <= set(kept)
    report = json.loads((corpus.folder / "report.json").read_bytes())
    counted = {Path(f["path"]).name: f["repeated_paragraphs"] for f in report["files"]}
    assert counted["note0.txt"] == 0
    assert counted["note1.txt"] == 1


def test_a_bad_file_is_named_and_the_others_are_read(shelf: Path) -> None:
    (shelf / "bad.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    write_pdf(shelf / "scan.pdf", [[], []])
    corpus = read(shelf, num_proc=2)
    assert names(corpus) == ["book0.pdf", "book1.pdf", "book2.pdf"]
    assert statuses(corpus)["bad.pdf"] == "corrupt"
    assert statuses(corpus)["scan.pdf"] == "empty"


def test_a_file_that_fails_in_an_unknown_way_is_named_and_tried_again(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qwen_pl.data.corpus.reading as reading

    whole = reading.read_file

    def failing(file: SourceFile, *others: object, **options: object):
        if file.path.name == "book1.pdf":
            raise ValueError("nobody thought of this")
        return whole(file, *others, **options)

    with monkeypatch.context() as patch:
        patch.setattr(reading, "read_file", failing)
        corpus = read(shelf)
    (report,) = [report for report in corpus.reports if report.status != "ok"]
    assert (report.status, report.reason) == ("crashed", "ValueError: nobody thought of this")
    assert names(corpus) == ["book0.pdf", "book2.pdf"]
    assert names(read(shelf)) == ["book0.pdf", "book1.pdf", "book2.pdf"]


def test_strict_makes_a_bad_file_an_error_each_time(shelf: Path) -> None:
    read(shelf, strict=True)
    (shelf / "bad.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    for _ in range(2):
        with pytest.raises(InputError, match=r"strict: .*bad\.pdf"):
            read(shelf, strict=True)


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    for number in range(2):
        write_pdf(tmp_path / f"scan{number}.pdf", [[], []])
    with pytest.raises(InputError, match="no text in any of 2 files"):
        read_corpus(str(tmp_path), ReadingSettings(), tmp_path / "cache")


def test_any_number_of_processes_reads_the_same(shelf: Path, tmp_path: Path) -> None:
    made = []
    for num_proc in (1, 3):
        cache = tmp_path / f"cache{num_proc}"
        corpus = read_corpus(str(shelf), ReadingSettings(), cache, num_proc=num_proc)
        made.append({d.source: d.text.file.read_bytes() for d in corpus.documents})
    assert made[0] == made[1]
    assert len(made[0]) == 3


def test_a_password_given_later_opens_the_file_then(tmp_path: Path) -> None:
    import pypdf

    write_pdf(tmp_path / "open.pdf", made_up_pages(2))
    writer = pypdf.PdfWriter(tmp_path / "open.pdf")
    writer.encrypt("secret", algorithm="AES-256")
    writer.write(tmp_path / "locked.pdf")
    cache = tmp_path / "cache"
    with pytest.raises(InputError, match=r"encrypted: give its password in data\.password"):
        read_corpus(str(tmp_path / "locked.pdf"), ReadingSettings(), cache)
    corpus = read_corpus(str(tmp_path / "locked.pdf"), ReadingSettings(password="secret"), cache)
    assert statuses(corpus) == {"locked.pdf": "ok"}


PREPARE = """
import os, signal, sys
from pathlib import Path
from qwen_pl.data.pdf.read import PdfLimits
from qwen_pl.data.prepare.prepare import Recipe, prepare

last = int(sys.argv[4])  # the number of files that are finished before the process is killed
replace = Path.replace

def replace_and_count(unfinished, path):
    global last
    if last == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    last -= 1
    return replace(unfinished, path)

if __name__ == "__main__":
    Path.replace = replace_and_count
    recipe = Recipe(sys.argv[1], vocab_size=300, val_fraction=0.2)
    prepare(recipe, Path(sys.argv[2]), num_proc=int(sys.argv[3]))
"""
NEVER = -1


def preparing(
    folder: Path, shelf: Path, cache: Path, *, num_proc: int, last: int = NEVER
) -> subprocess.Popen[bytes]:
    """A process that prepares, and kills itself where ``last`` says so."""
    (folder / "main.py").write_text(PREPARE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, folder / "main.py", shelf, cache, str(num_proc), str(last)]
    return subprocess.Popen(command, env=environment)


def content(folder: Path) -> dict[str, bytes]:
    """The files that a preparation leaves, reports aside, which say how long it took."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for kind in ("text", "tokenizer", "tokens")
        for file in (folder / kind).rglob("*")
        if file.is_file() and file.suffix != ".json"
    }


needs_kill_9 = pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")


@needs_kill_9
def test_kill_9_at_any_moment_leaves_nothing_half_written(shelf: Path, tmp_path: Path) -> None:
    prepare(Recipe(str(shelf), vocab_size=300, val_fraction=0.2), tmp_path / "whole")
    whole, cache = content(tmp_path / "whole"), tmp_path / "killed"
    kills = 0
    while (code := preparing(tmp_path, shelf, cache, num_proc=1, last=4).wait()) != 0:
        kills += 1
        assert code == -signal.SIGKILL
        found = {name: some for name, some in content(cache).items() if ".tmp-" not in name}
        assert {n: some for n, some in found.items() if ".parts" not in n}.items() <= whole.items()
    assert kills >= 4
    finished = content(cache)
    assert whole.items() <= finished.items()
    assert not [name for name in finished if ".tmp-" not in name and ".parts" in name]


@needs_kill_9
def test_what_several_processes_read_before_kill_9_is_not_lost(shelf: Path, tmp_path: Path) -> None:
    prepare(Recipe(str(shelf), vocab_size=300, val_fraction=0.2), tmp_path / "whole")
    cache = tmp_path / "killed"
    process = preparing(tmp_path, shelf, cache, num_proc=2)
    until = time.monotonic() + 120
    while not (read := list((cache / "text").glob("*.json"))):
        assert time.monotonic() < until
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    before = read[0].stat().st_mtime_ns
    prepare(Recipe(str(shelf), vocab_size=300, val_fraction=0.2), cache)
    assert read[0].stat().st_mtime_ns == before
    assert content(tmp_path / "whole").items() <= content(cache).items()


def test_two_that_prepare_at_once_do_the_work_once(shelf: Path, tmp_path: Path) -> None:
    processes = [
        preparing(tmp_path, shelf, tmp_path / "cache", num_proc=2),
        preparing(tmp_path, shelf, tmp_path / "cache", num_proc=2),
    ]
    assert [process.wait() for process in processes] == [0, 0]
    for kind, count in (("corpus", 1), ("tokenizer", 1), ("tokens", 1), ("pages", 3)):
        assert len(list((tmp_path / "cache" / kind).iterdir())) == count
