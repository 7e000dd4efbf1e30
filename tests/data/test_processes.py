"""Work in several processes: its order, its accidents, and that nobody is left behind."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from qwen_pl.data.processes import ProcessDied, map_in_processes

PARENT = """
import sys, time
from qwen_pl.data.processes import map_in_processes
from test_processes import note_and_sleep
if __name__ == "__main__":
    list(map_in_processes(note_and_sleep, [sys.argv[1] + "/a", sys.argv[1] + "/b"], 2))
"""


def square(number: int) -> int:
    return number * number


def die_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    return number


def complain(number: int) -> int:
    raise ValueError(f"not {number}")


def note_and_sleep(file: str) -> None:
    Path(file).write_text(str(os.getpid()))
    time.sleep(600)


@pytest.mark.parametrize("num_proc", [1, 3])
def test_results_come_in_the_order_of_the_items(num_proc: int) -> None:
    results = map_in_processes(square, range(20), num_proc)
    assert list(results) == [(i, i * i) for i in range(20)]


def test_a_process_that_dies_costs_its_item_alone() -> None:
    results = dict(map_in_processes(die_at_three, range(8), 2))
    assert isinstance(results.pop(3), ProcessDied)
    assert results == {i: i for i in range(8) if i != 3}


def test_a_pool_that_breaks_while_items_are_handed_to_it_loses_none(monkeypatch) -> None:
    submit = ProcessPoolExecutor.submit
    refused = []

    def submit_once_too_late(executor, function, number):
        if number == 5 and not refused:
            refused.append(number)
            raise BrokenProcessPool("a process has just died")
        return submit(executor, function, number)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", submit_once_too_late)
    assert list(map_in_processes(abs, range(8), 2)) == [(i, i) for i in range(8)]
    assert refused == [5]


def test_an_error_reaches_the_caller() -> None:
    with pytest.raises(ValueError, match="not 0"):
        list(map_in_processes(complain, range(4), 2))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")  # one that is dead and not yet collected is gone too
    return not (status.is_file() and "State:\tZ" in status.read_text())


@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
def test_processes_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(PARENT)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "main.py", tmp_path], env={**os.environ, "PYTHONPATH": path}
    )
    until = time.monotonic() + 300
    notes = [tmp_path / "a", tmp_path / "b"]
    while not all(note.is_file() and note.read_text() for note in notes):
        assert time.monotonic() < until
        time.sleep(0.05)
    pids = [int(note.read_text()) for note in notes]
    assert all(map(is_alive, pids))
    parent.kill()
    parent.wait()
    while any(map(is_alive, pids)):
        assert time.monotonic() < until
        time.sleep(0.05)
