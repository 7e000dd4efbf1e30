"""The verbs beside the run."""

import errno
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import Run
from pdf_writer import made_up_pages, write_pdf
from transformers import AutoTokenizer

from qwen_pl import __main__


def test_extract_writes_one_file_of_everything(qwen_pl: Run, folder: Path, small_pdf: Path) -> None:
    (folder / "notes.md").write_text("A note of my own.\n")
    outcome = qwen_pl("extract", small_pdf, "notes.md", "--out", "all.txt")
    assert outcome.code == 0
    assert outcome.out == "all.txt\nreport.html\n"
    text = (folder / "all.txt").read_text(encoding="utf-8")
    assert made_up_pages(1)[0][0] in text.replace("\n", " ")
    assert text.endswith("\n\nA note of my own.\n")


def test_extract_writes_a_folder_of_files(qwen_pl: Run, folder: Path) -> None:
    for name in ("a/book.pdf", "b/book.pdf"):
        (folder / name).parent.mkdir()
        write_pdf(folder / name, [[f"This is {name} speaking."]])
    outcome = qwen_pl("extract", "a/book.pdf", "b/book.pdf", "--out", "texts")
    assert outcome.code == 0
    texts = {file.name: file.read_text() for file in (folder / "texts").glob("*.txt")}
    assert texts == {
        "book.txt": "This is a/book.pdf speaking.\n",
        "book-2.txt": "This is b/book.pdf speaking.\n",
    }


def test_extract_prints_where_no_file_is_named(qwen_pl: Run, folder: Path) -> None:
    write_pdf(folder / "book.pdf", [["Only this line."]])
    assert qwen_pl("extract", "book.pdf").out == "Only this line.\n"


def test_a_trained_tokenizer_loads_elsewhere(qwen_pl: Run, folder: Path, small_pdf: Path) -> None:
    outcome = qwen_pl("train-tokenizer", small_pdf, "--vocab_size", 300, "--out", "mine")
    assert outcome.code == 0, outcome.err
    assert "300 tokens -> mine" in outcome.out
    assert len(AutoTokenizer.from_pretrained(folder / "mine")) == 300


def test_a_trained_tokenizer_is_not_written_over(
    qwen_pl: Run, folder: Path, small_pdf: Path
) -> None:
    qwen_pl("train-tokenizer", small_pdf, "--vocab_size", 300)
    before = (folder / "data/tokenizer/tokenizer.json").read_bytes()
    outcome = qwen_pl("train-tokenizer", small_pdf, "--vocab_size", 310)
    assert outcome.code == 2
    assert "already exists" in outcome.err
    assert (folder / "data/tokenizer/tokenizer.json").read_bytes() == before


def test_tokenize_shows_ids_pieces_and_the_round_trip(
    qwen_pl: Run, folder: Path, small_pdf: Path
) -> None:
    qwen_pl("train-tokenizer", small_pdf, "--vocab_size", 300)
    outcome = qwen_pl("tokenize", "bane é <|endoftext|>")
    assert outcome.code == 0
    vocabulary = json.loads((folder / "data/tokenizer/vocab.json").read_text(encoding="utf-8"))
    ids = [int(i) for i in outcome.out.splitlines()[0].split()[1:]]
    assert ids[0] == vocabulary["b"] or ids[0] in vocabulary.values()
    assert ids[-1] == 297
    assert "<|endoftext|>" in outcome.out.splitlines()[1]
    assert "round trip: exact" in outcome.out


def test_prepare_tells_where_everything_lies(qwen_pl: Run, config: Path) -> None:
    outcome = qwen_pl("prepare", "--config", config)
    assert outcome.code == 0, outcome.err
    for line in outcome.out.splitlines()[:3]:
        name, path = line.split()[:2]
        assert name in ("text", "tokenizer", "tokens")
        assert Path(path).exists()


def test_prepare_takes_the_data_options_of_fit(qwen_pl: Run, config: Path) -> None:
    outcome = qwen_pl("prepare", "--config", config, "--data.vocab_size", 280)
    assert "(280 tokens)" in outcome.out


def test_preparing_again_does_not_wait_for_torch_to_load(qwen_pl: Run, config: Path) -> None:
    first = qwen_pl("prepare", "--config", config)
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; from qwen_pl.commands.prepare import main;"
        f"main(['--config', {str(config)!r}]); sys.exit('torch' in sys.modules)"
    )
    again = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.out


ENDLESS = """
import sys
from types import SimpleNamespace
from qwen_pl import __main__

def main(words):
    while True:
        print("na" * 999)

__main__.import_module = lambda name: SimpleNamespace(main=main)
sys.argv = ["qwen_pl", "extract"]
__main__.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe there ends otherwise")
def test_a_reader_that_has_enough_ends_a_command_silently() -> None:
    command = [sys.executable, "-c", ENDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_pipe_that_breaks_elsewhere_is_told(
    qwen_pl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def main(words: list[str]) -> None:
        raise BrokenPipeError(errno.EPIPE, "a process of its own has gone")

    monkeypatch.setattr(__main__, "import_module", lambda name: SimpleNamespace(main=main))
    with pytest.raises(BrokenPipeError, match="of its own"):
        qwen_pl("extract", "a.pdf")
