"""What a command of ``python -m qwen_pl`` comes to, and what tests ask of it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]


class Outcome(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]
"""Runs the command of these words."""


def complains(outcome: Outcome, *words: str) -> None:
    """Asserts the last line to be the complaint, without a traceback before it."""
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    lines = outcome.err.strip().splitlines()
    assert lines[-1].startswith("error: ")
    for word in words:
        assert word in lines[-1]
