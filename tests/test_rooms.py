"""The table of rooms and imports, enforced on every import statement of the package."""

import ast
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "qwen_pl"

# Room -> the other rooms it may import. What stands beside the rooms (errors, files, runs)
# imports none of them and may be imported by all.
MAY_IMPORT = {
    "model": set(),
    "data": set(),
    "training": {"model"},
    "generation": {"model"},
    "export": {"model"},
    "serving": {"model", "generation"},
    "commands": {"model", "data", "training", "generation", "export", "serving", "cli"},
    "cli": {"model", "data", "training", "generation", "export", "commands"},
    "__main__": {"commands", "cli"},
    "errors": set(),
    "files": set(),
    "runs": set(),
    "__init__": set(),
}
FOUNDATIONS = {"errors", "files", "runs"}
# The one door out of the model's room: users expect model.generate(ids), a call that is passed on
# and imports only when it is made.
DOORS = {("model/qwen3.py", "qwen_pl.generation.batch")}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(file: Path, doors: Collection[str] = ()) -> set[str]:
    """The rooms named by any import in a file, inside functions and type checks too."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            if node.module in doors:
                continue
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and str(node.value).startswith("qwen_pl."):
            modules.add(node.value)  # importlib.import_module("qwen_pl.cli")
    ours = [module.split(".") for module in modules if module.startswith("qwen_pl.")]
    return {parts[1] for parts in ours} - {"__version__"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_room_imports_only_what_the_table_allows(file: Path) -> None:
    room = room_of(file)
    doors = {module for path, module in DOORS if path == file.relative_to(PACKAGE).as_posix()}
    foreign = imported_rooms(file, doors) - {room} - FOUNDATIONS
    assert foreign - {""} <= MAY_IMPORT[room]


def test_the_check_sees_an_import_that_is_not_allowed(tmp_path: Path) -> None:
    file = tmp_path / "sneaky.py"
    file.write_text("def f():\n    from qwen_pl.training.module import Qwen3Module\n")
    assert imported_rooms(file) == {"training"}


def test_the_network_alone_does_not_load_what_writes_with_it() -> None:
    program = (
        "import sys, qwen_pl.model.qwen3\n"
        "assert not [name for name in sys.modules if name.startswith('qwen_pl.generation')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PACKAGE.parent)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_every_file_says_first_what_is_in_it(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "verb",
    [
        "",
        "extract",
        "train-tokenizer",
        "tokenize",
        "prepare",
        "export",
        "locate",
        "serve",
        "check-resume",
        "inspect",
        "consolidate",
    ],
)
def test_help_needs_no_heavy_import(verb: str) -> None:
    program = (
        "import sys, runpy; sys.argv[1:] = sys.argv[1:]\n"
        "try: runpy.run_module('qwen_pl', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'lightning', 'tokenizers', 'numpy', 'pypdf', 'fastapi'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", program, *verb.split(), "--help"],
        check=True,
        capture_output=True,
        cwd=PACKAGE.parent,
    )


@pytest.mark.parametrize(
    "module", ["data.corpus", "data.prepare", "data.pdf", "data.clean", "data.order"]
)
def test_reading_pdfs_needs_neither_torch_nor_lightning(module: str) -> None:
    program = (
        f"import sys, qwen_pl.{module}\n"
        "assert not {'torch', 'lightning'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PACKAGE.parent)
