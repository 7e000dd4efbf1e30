"""Nothing that others have named or written reaches the terminal as it is."""

import ast
import io
import sys
from pathlib import Path

import pytest
from command_line import REPOSITORY
from tqdm import tqdm

from qwen_pl.terminal import show, shown, tell

HOSTILE = {
    "colour": ("a\x1b[31m", r"a\x1b[31m"),
    "title": ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
    "C1": ("\x9b2J\x85", r"\x9b2J\x85"),
    "back to the line's start": ("good\rbad\x08\x7f", r"good\rbad\x08\x7f"),
    "lines": ("a\nb\x0b\x0c\u2028\u2029", r"a\nb\x0b\x0c\u2028\u2029"),
    "tab": ("a\tb", r"a\tb"),
    "turned": ("\u202egpj\u2066.exe", r"\u202egpj\u2066.exe"),
    "not UTF-8": ("caf\udce9", r"caf\xe9"),
    "no character": ("\ud800", r"\ud800"),
    "NUL": ("\0", r"\x00"),
}


@pytest.mark.parametrize(("text", "escaped"), HOSTILE.values(), ids=HOSTILE)
def test_what_commands_a_terminal_is_shown_as_an_escape(text: str, escaped: str) -> None:
    assert shown(text) == escaped


def test_letters_of_all_scripts_are_shown_as_they_are() -> None:
    names = "Größe café\u0301 名前 שלום سلام می\u200cخواهم 👩\u200d🔬 a\xa0b \\x1b"
    assert shown(names) == names


def test_each_thing_told_is_one_line() -> None:
    out = io.StringIO()
    tell(Path("a\nb"), "c\x1b[2J", 3, file=out)
    assert out.getvalue() == "a\\nb\nc\\x1b[2J\n3\n"


def test_a_line_goes_past_a_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with tqdm(total=2, file=sys.stderr, ascii=True) as bar:
        tell("told", file=sys.stderr)
        bar.update(2)
    assert any(line.endswith("told") for line in capsys.readouterr().err.split("\n"))


def test_text_that_was_asked_for_commands_no_terminal_and_is_as_it_is_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    show("a\n\tb\x1b[2J")
    monkeypatch.setattr(out, "isatty", lambda: True)
    show("a\n\tb\x1b[2J")
    assert out.getvalue() == "a\n\tb\x1b[2J" + "a\n\tb\\x1b[2J"


def test_nothing_is_printed_by_another_way() -> None:
    ways = [
        f"{file.relative_to(REPOSITORY)}: {call}"
        for file in sorted((REPOSITORY / "qwen_pl").rglob("*.py"))
        if file.name != "terminal.py"
        for call in _printing(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert ways == []


def _printing(tree: ast.Module) -> list[str]:
    """The calls that write to the terminal what is no constant, as far as their names tell."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    ways = ("print(", "pprint(", "tqdm.write(", "sys.stdout.write(", "sys.stderr.write(")
    ways += ("sys.stdout.writelines(", "sys.stderr.writelines(", "sys.stdout.buffer.write(")
    ways += ("warnings.warn(", "rank_zero_warn(", "rank_zero_info(", "rank_zero_deprecation(")
    ways += ("logging.info(", "logging.warning(", "logging.error(", "os.write(1", "os.write(2")
    varying = (call for call in calls if not all(isinstance(a, ast.Constant) for a in call.args))
    return [text for call in varying if (text := ast.unparse(call)).startswith(ways)]
