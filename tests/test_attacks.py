"""Hostile files, names, exports, checkpoints and requests: the short form of the benchmark."""

from pathlib import Path

from own_process import in_own_process


def test_no_attack_ends_badly(tmp_path: Path) -> None:
    attack = "from benchmarks.attacks import main; main()"
    outcome = in_own_process(["--short"], tmp_path, program=attack)
    assert outcome.code == 0, outcome.out + outcome.err
    assert outcome.out.endswith(" attacks, 0 ended badly\n")
    for kind in ("pdf", "text", "name", "checkpoint", "export", "request"):
        assert f"ok  {kind} " in outcome.out
