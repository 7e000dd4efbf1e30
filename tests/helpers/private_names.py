"""Finds where the package uses a name that another library keeps to itself."""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "qwen_pl"
LIBRARIES = ("lightning", "torch", "torchmetrics", "jsonargparse", "argparse", "pypdf")
_STANDARD = {"_replace", "_exit"}  # of named tuples and os, where Python documents them
_PRIVATE = re.compile(r"_[a-zA-Z]\w*")
_NAME = re.compile(r"[a-zA-Z_]\w*(\.[a-zA-Z_]\w*)*")


class Use(NamedTuple):
    """A name that begins with ``_`` and that the package does not define, and where it is used."""

    file: str
    name: str


def uses(file: Path, ours: frozenset[str] = frozenset()) -> set[Use]:
    """The private names of others in a file: as attributes, imports and strings that name one.

    Args:
        ours: Private names that the package defines, which it may use.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    ours |= defined(tree)
    where = file.relative_to(REPOSITORY).as_posix() if file.is_relative_to(REPOSITORY) else ""
    return {Use(where, name) for name in _named(tree) if name not in ours | _STANDARD}


def _named(tree: ast.AST) -> Iterator[str]:
    pieces: set[int] = set()  # of names put together or cut: f"{reader}_file", .removesuffix("_id")
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            pieces |= set(map(id, node.values))
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "").endswith("fix"):
            pieces |= set(map(id, node.args))
    for node in ast.walk(tree):
        if id(node) in pieces:
            continue
        if isinstance(node, ast.Attribute) and _PRIVATE.fullmatch(node.attr):
            yield node.attr
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            for dotted in [module, *(alias.name for alias in node.names)]:
                yield from filter(_PRIVATE.fullmatch, dotted.split("."))
        elif isinstance(node, ast.Constant) and _NAME.fullmatch(str(node.value)):
            yield from filter(_PRIVATE.fullmatch, str(node.value).split("."))


def patches(file: Path) -> set[str]:
    """The attributes of modules and classes of other libraries that a file gives a new value."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    foreign: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            foreign |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("qwen_pl"):
            foreign |= {alias.asname or alias.name for alias in node.names}
    for node in ast.walk(tree):  # and what is another name for one: page = pypdf._page
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Attribute):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if ast.unparse(node.value).partition(".")[0] in foreign:
                foreign |= {target.id for target in targets if isinstance(target, ast.Name)}
    changed: set[str] = set()
    for node in ast.walk(tree):
        if _is_stored(node):
            changed.add(ast.unparse(node))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setattr":
            changed.add(f"{ast.unparse(node.args[0])}.{ast.unparse(node.args[1])}")
    return {target for target in changed if target.partition(".")[0] in foreign}


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)


def defined(tree: ast.AST) -> frozenset[str]:
    """Private names that a file gives to something: functions, classes, attributes of ``self``."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ImportFrom | ast.Import):  # import x as _x
            names |= {alias.asname for alias in node.names if alias.asname}
        elif _is_stored(node) and getattr(node.value, "id", None) == "self":
            names.add(node.attr)
    return frozenset(filter(_PRIVATE.fullmatch, names))


def overrides() -> Iterator[tuple[Use, type]]:
    """Private names that a class of the package has from a base that is not ours, and the base."""
    for file in sorted(PACKAGE.rglob("*.py")):
        dotted = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)
        if file.name == "__main__.py" or "pypdfium2" in file.read_text(encoding="utf-8"):
            continue
        module = importlib.import_module(dotted.removesuffix(".__init__"))
        for kind in vars(module).values():
            if not inspect.isclass(kind) or kind.__module__ != module.__name__:
                continue
            names = defined(ast.parse(textwrap.dedent(_source(kind))))
            for base in kind.__mro__[1:]:
                if not base.__module__.startswith(LIBRARIES):
                    continue
                for name in names:
                    if has(base, name):
                        yield Use(file.relative_to(REPOSITORY).as_posix(), name), base


def has(owner: object, name: str) -> bool:
    """Whether a module or class has a name, be it only once an object of it has been made."""
    if hasattr(owner, name):
        return True
    return inspect.isclass(owner) and any(
        re.search(rf"\bself(\.\w+)*\.{name}\b", _source(kind)) for kind in owner.__mro__
    )


def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):  # made by a decorator, or in C
        return ""
