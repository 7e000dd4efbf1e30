"""The one table of names that other libraries keep to themselves and that we use all the same.

A name that is not in the table fails, and so does one that is no longer used or no longer exists:
what a newer version of a library renames is found here, and not in a run.
"""

from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
from private_names import PACKAGE, Use, has, overrides, patches, uses


class PrivateName(NamedTuple):
    """A name, where we use it, and why no public one serves."""

    file: str
    name: str
    owner: str
    """The module and the class in it that have the name, ``module:Class``, or the module."""
    why: str
    what_fails: str
    """What a run would do without it, and what says so."""


TABLE: list[PrivateName] = []

PATCHES: dict[tuple[str, str], str] = {
    ("commands/parts/rehearsal.py", "os.fsync"): "in a process that is made to be killed, slowly",
    ("data/pdf/pypdf_mended.py", "_page.Font"): "in the child that reads one PDF",
    ("data/pdf/pypdf_mended.py", "_page.TextExtraction"): "in the child that reads one PDF",
    ("data/pdf/pypdf_mended.py", "_utils.NEUTRAL_CHARACTER_RANGES"): "in that child, too",
}
"""What of another library gets a new value from us, and why nobody else's code meets it."""

IDS = [f"{entry.file}:{entry.name}" for entry in TABLE]


def test_the_table_names_every_private_name_that_is_used_and_no_other() -> None:
    met = {use for file in sorted(PACKAGE.rglob("*.py")) for use in uses(file)}
    met |= {use for use, _ in overrides()}
    listed = {Use(f"qwen_pl/{entry.file}", entry.name) for entry in TABLE}
    assert met - listed == set()
    assert listed - met == set()


def test_no_other_library_is_patched_but_in_a_process_of_its_own() -> None:
    met = {
        (file.relative_to(PACKAGE).as_posix(), target)
        for file in sorted(PACKAGE.rglob("*.py"))
        for target in patches(file)
    }
    assert met == PATCHES.keys()


@pytest.mark.parametrize("entry", TABLE, ids=IDS)
def test_a_private_name_is_still_there(entry: PrivateName) -> None:
    module, _, kind = entry.owner.partition(":")
    owner = import_module(module)
    for part in filter(None, kind.split(".")):
        owner = getattr(owner, part)
    assert has(owner, entry.name)


@pytest.mark.parametrize(
    "line",
    [
        "trainer.fit_loop._secret",
        "from torch._secret import open",
        "from torch import _secret",
        "import torch._secret.door",
        "getattr(trainer, '_secret')",
        "trainer._secret()",
        "class A(B):\n    def f(self):\n        return self._secret",
        "patch('lightning.pytorch.trainer._secret')",
    ],
)
def test_a_private_name_is_seen_wherever_it_stands(line: str, tmp_path: Path) -> None:
    file = tmp_path / "sneaky.py"
    file.write_text(line)
    assert [use.name for use in uses(file)] == ["_secret"]


def test_a_name_of_our_own_is_no_private_name_of_another(tmp_path: Path) -> None:
    file = tmp_path / "honest.py"
    file.write_text("class A:\n    def __init__(self):\n        self._own = 1\n\nprint(A()._own)\n")
    assert not uses(file)


def test_a_name_that_is_made_with_its_object_is_found() -> None:
    class Base:
        def __init__(self) -> None:
            self._later = 1

    class Kind(Base):
        pass

    assert has(Kind, "_later")
    assert not has(Kind, "_never")
