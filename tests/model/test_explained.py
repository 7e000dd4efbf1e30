"""The room explains what it computes: formulas, sources, and the two pictures."""

import ast
import re
from pathlib import Path

import pytest

import qwen_pl.model

FILES = sorted(Path(qwen_pl.model.__file__).parent.glob("*.py"))
CLASSES = [
    pytest.param(node, id=node.name)
    for file in FILES
    for node in ast.parse(file.read_text(encoding="utf-8")).body
    if isinstance(node, ast.ClassDef)
]


@pytest.mark.parametrize("node", CLASSES)
def test_every_class_states_a_formula_or_its_sizes_and_a_source(node: ast.ClassDef) -> None:
    text = ast.get_docstring(node)
    assert "Source: " in text
    assert re.search(r"``[^`]+``", text)


@pytest.mark.parametrize("name", ["rotate", "Attention"])
def test_rotation_and_grouped_attention_are_drawn(name: str) -> None:
    tree = ast.parse((FILES[0].parent / "qwen3.py").read_text(encoding="utf-8"))
    [node] = [node for node in tree.body if getattr(node, "name", None) == name]
    assert re.search("[└┌│┬┴]", ast.get_docstring(node))
