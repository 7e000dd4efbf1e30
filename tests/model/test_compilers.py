"""What a device's code is compiled with, and what is said where that is missing."""

import pytest
import torch

from qwen_pl.model import compilers
from qwen_pl.model.compilers import lacks_to_compile


@pytest.mark.parametrize(
    ("kind", "there", "has_triton", "capability", "missing"),
    [
        ("cpu", {"g++"}, False, None, None),
        ("cpu", {"gcc", "/usr/mine"}, True, None, "a C++ compiler"),
        ("cuda", {"clang"}, True, (9, 0), None),
        ("cuda", {"clang++"}, True, (9, 0), "a C compiler"),
        ("cuda", {"gcc"}, False, (9, 0), "the package triton"),
        ("cuda", {"gcc"}, True, (6, 1), "a GPU of the Volta generation or newer"),
        ("mps", set(), False, None, None),
    ],
)
def test_what_is_missing_is_named(
    kind: str,
    there: set[str],
    has_triton: bool,
    capability: tuple[int, int] | None,
    missing: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("CC", "CXX"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(compilers.shutil, "which", lambda name: name if name in there else None)
    monkeypatch.setattr(compilers, "find_spec", lambda name: has_triton or None)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: capability)
    assert lacks_to_compile(torch.device(kind)) == missing
    if kind == "cpu" and missing:
        monkeypatch.setenv("CXX", "/usr/mine")
        assert lacks_to_compile(torch.device("cpu")) is None
