"""The tables of rooms and sub-rooms, enforced on every import of the package."""

import ast
import re
import subprocess
import sys
from collections.abc import Sequence
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "qwen_pl"
FILES = sorted(PACKAGE.rglob("*.py"))

# Room -> the other rooms it may import. What stands beside the rooms (FOUNDATIONS) imports none of
# them and may be imported by all.
ROOMS = {
    "model": set(),
    "data": set(),
    "training": {"model"},
    "generation": {"model"},
    "export": {"model"},
    "serving": {"model", "generation"},
    "run": {"model", "data", "training", "generation", "export"},
    "commands": {"run", "model", "data", "training", "generation", "export", "serving"},
    "__main__": {"commands", "run"},
    "__init__": {"generation"},
}
FOUNDATIONS = {
    "any_tokenizer",
    "errors",
    "files",
    "markdown",
    "private",
    "qwen_tokenizer",
    "runs",
    "seals",
    "terminal",
}

# In a room with sub-rooms: each of them, and each file beside them -> those it may import.
SUB_ROOMS = {
    "data": {
        "page": set(),
        "processes": set(),
        "cache_dir": set(),
        "pdf": {"page"},
        "layout": {"page"},
        "cleaning": {"page", "layout"},
        "report": {"page", "pdf", "layout", "cleaning", "cache_dir"},
        "texts": {"page", "layout", "cleaning"},
        "corpus": {
            "page",
            "pdf",
            "layout",
            "cleaning",
            "texts",
            "report",
            "processes",
            "cache_dir",
        },
        "tokens": {"corpus", "processes", "cache_dir"},
        "prepare": {"pdf", "cleaning", "report", "corpus", "tokens", "processes", "cache_dir"},
        "batches": {"tokens"},
        "datamodule": {"report", "tokens", "prepare", "batches"},
    },
    "training": {
        "training_data": set(),
        "step_facts": set(),
        "metrics": set(),
        "devices": set(),
        "checkpoints": {"devices"},
        "optim": {"checkpoints", "devices", "step_facts"},
        "steps": {"checkpoints", "devices", "training_data", "step_facts"},
        "monitoring": {"checkpoints", "devices", "training_data", "step_facts"},
        "resume": {"checkpoints", "devices", "optim", "steps", "training_data"},
        "lightning_fixes": set(),
        "module": {"metrics", "optim", "checkpoints", "devices", "training_data", "step_facts"},
        "fully_sharded": {"checkpoints", "devices"},
    },
    "commands": {
        "options": set(),
        "parts": {"options"},
        "": {"options", "parts"},  # the verbs, which know nothing of each other
    },
}
VERBS = ""


def place_of(parts: Sequence[str]) -> tuple[str, str]:
    """The room and the sub-room of a module of the package, given by its parts behind the first."""
    room = parts[0]
    if room not in SUB_ROOMS or len(parts) == 1:
        return room, ""
    if room == "commands" and parts[1] not in SUB_ROOMS[room]:
        return room, VERBS
    return room, parts[1]


def imports_of(file: Path) -> set[str]:
    """The modules named by any import in a file, in functions, type checks and strings too."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            is_door = node.module == "qwen_pl"  # then a name may be a module as well
            modules |= {f"qwen_pl.{a.name}" for a in node.names} if is_door else {node.module}
        elif isinstance(node, ast.Constant) and re.fullmatch(r"qwen_pl(\.\w+)+", str(node.value)):
            modules.add(node.value)  # importlib.import_module("qwen_pl.run.cli")
    return {module for module in modules if module.startswith("qwen_pl.")}


def parts_of(file: Path) -> tuple[str, ...]:
    return file.relative_to(PACKAGE).with_suffix("").parts


def module_of(file: Path) -> str:
    return ".".join(["qwen_pl", *parts_of(file)]).removesuffix(".__init__")


def known(module: str) -> str:
    """The module that a dotted name is of: names behind it, as of a class, are cut off."""
    modules = {module_of(file) for file in FILES}
    while module not in modules:
        module = module.rpartition(".")[0]
    return module


def forbidden(importing: Sequence[str], imported: Sequence[str]) -> bool:
    """Whether the tables forbid that a module imports another; both by their parts."""
    (room, sub_room), (other, other_sub_room) = place_of(importing), place_of(imported)
    if other in FOUNDATIONS:
        return False
    if room in FOUNDATIONS:
        return True
    if room != other:
        return other not in ROOMS[room]
    if room not in SUB_ROOMS or len(imported) == 1 or sub_room == other_sub_room != VERBS:
        return False
    return other_sub_room not in SUB_ROOMS[room][sub_room]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_file_imports_only_what_the_tables_allow(file: Path) -> None:
    importing = parts_of(file)
    met = [known(module).split(".")[1:] for module in imports_of(file)]
    assert not [".".join(parts) for parts in met if parts and forbidden(importing, parts)]


def test_nothing_imports_in_a_circle() -> None:
    graph = {module_of(file): {known(m) for m in imports_of(file)} for file in FILES}
    for module, imported in graph.items():
        imported.discard(module)
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_the_door_of_the_package_is_for_those_outside() -> None:
    """Through it a room would reach another that its table forbids."""
    assert not [file for file in FILES if "qwen_pl.generate" in imports_of(file)]


def test_the_tables_name_what_is_there() -> None:
    assert set(ROOMS) | FOUNDATIONS == {place_of(parts_of(file))[0] for file in FILES}
    for room, sub_rooms in SUB_ROOMS.items():
        there = {path.stem for path in (PACKAGE / room).iterdir() if path.stem[0] not in "_."}
        assert set(sub_rooms) - {VERBS} <= there
        TopologicalSorter(sub_rooms).prepare()
    TopologicalSorter(ROOMS).prepare()


@pytest.mark.parametrize(
    "program",
    [
        "def f():\n    from qwen_pl.training.module import Qwen3Module\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import qwen_pl.training.module\n",
        "import_module('qwen_pl.training.module')",
        "from qwen_pl import training",
    ],
)
def test_the_check_sees_an_import_wherever_it_hides(program: str, tmp_path: Path) -> None:
    file = tmp_path / "sneaky.py"
    file.write_text(program)
    (module,) = imports_of(file)
    assert forbidden(("data", "batches", "sneaky"), module.split(".")[1:])
    assert forbidden(("training", "devices", "sneaky"), ("training", "module"))
    assert not forbidden(("training", "module"), ("training", "devices", "fp8"))


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
    "module",
    [
        "data.corpus.corpus",
        "data.prepare.prepare",
        "data.pdf.read",
        "data.cleaning.clean",
        "data.batches.order",
    ],
)
def test_reading_pdfs_needs_neither_torch_nor_lightning(module: str) -> None:
    program = (
        f"import sys, qwen_pl.{module}\n"
        "assert not {'torch', 'lightning'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PACKAGE.parent)
