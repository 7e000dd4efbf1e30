"""What of the check on a GPU can be seen without one."""

import json
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu_check
from benchmarks.contenders import SHAPES, measure


def test_our_step_and_that_of_transformers_learn_the_same(device: torch.device) -> None:
    ours, theirs = (
        measure(way, SHAPES["small"], 2, 32, device=device, is_compiled=False, steps=3)
        for way in ("ours", "transformers")
    )
    most = 2e-5 if device.type == "cpu" else 0.01
    for loss in ("first_loss", "last_loss"):
        assert ours[loss] == pytest.approx(theirs[loss], rel=most)
    assert ours["tokens_per_second"] > 0


def test_a_section_that_fails_or_takes_too_long_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(program: str) -> list[str]:
        return [sys.executable, "-c", program]

    tests = "print('[gw1] [ 9%] PASSED tests/a.py::b[cuda]\\nFAILED tests/a.py::c - no')"
    sections = [
        [gpu_check.Section("fails", [command(f"{tests}; exit(1)"), command("never")], 60)],
        [
            gpu_check.Section("hangs", [command("import time; time.sleep(99)")], 0.2),
            gpu_check.Section("tells", [command("print('{\"a\": 1}')"), command("")], 60),
        ],
    ]
    monkeypatch.setattr(gpu_check, "sections", lambda device: iter(sections))
    gpu_check.check("cpu", tmp_path / "gpu.json", [])
    found = json.loads((tmp_path / "gpu.json").read_text())["sections"]
    assert [found[name]["passed"] for name in ("fails", "hangs", "tells")] == [False, False, True]
    assert found["fails"]["failed"] == ["tests/a.py::c"]
    assert found["fails"]["tests"] == {"failed": 1, "passed": 1}
    assert found["tells"]["measured"] == [{"a": 1}]
