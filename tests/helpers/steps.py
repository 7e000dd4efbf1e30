"""Counts what a function does, so that a test can tell how its time grows without a clock."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ROOMS = ("qwen_pl.data.page.", "qwen_pl.data.cleaning.", "qwen_pl.data.report.")


def steps(function: Callable[[], object]) -> int:
    """Instructions of Python that it takes, and characters that regular expressions are shown."""
    function()  # so that nothing is counted that is done but once, as compiling a pattern
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    with _patterns_that_count() as shown:
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            function()
        finally:
            sys.settrace(before)
    return count + sum(shown)


@contextmanager
def _patterns_that_count() -> Iterator[list[int]]:
    """Puts patterns that note how long a text they are shown in the place of those of the rooms."""
    shown: list[int] = []
    modules = [m for name, m in sys.modules.items() if name.startswith(ROOMS)]
    patterns = [
        (module, name, value)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, re.Pattern)
    ]
    for module, name, pattern in patterns:
        setattr(module, name, _CountingPattern(pattern, shown))
    try:
        yield shown
    finally:
        for module, name, pattern in patterns:
            setattr(module, name, pattern)


class _CountingPattern:
    def __init__(self, pattern: re.Pattern[str], shown: list[int]) -> None:
        self._pattern, self._shown = pattern, shown

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._pattern, name)

        def counting(*arguments: Any, **more: Any) -> Any:
            self._shown.append(max(len(a) for a in arguments if isinstance(a, str)))
            return method(*arguments, **more)

        return counting
