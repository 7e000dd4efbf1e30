"""Of several processes, whichever ends says why, and what all would say is said once."""

from pathlib import Path

import pytest
from command_line import Outcome
from own_process import in_ranks

FAILING = """
import sys
from qwen_pl.__main__ import main
from qwen_pl.errors import InputError
from qwen_pl.training.module import Qwen3Module

ranks, kind = sys.argv.pop(), sys.argv.pop()
plain = Qwen3Module.training_step

def training_step(self, *args):
    if str(self.trainer.global_rank) in ranks and self.trainer.global_step == 2:
        raise {"InputError": InputError, "KeyError": KeyError}[kind]("the reason")
    return plain(self, *args)

Qwen3Module.training_step = training_step
main()
"""


HINDERED = """
import errno, os
import qwen_pl.data.datamodule as datamodule
from qwen_pl.__main__ import main

plain = datamodule.prepare

def prepare(*args, **kwargs):
    if os.environ["RANK"] == "0":
        raise OSError(errno.ENOSPC, "No space left on device", "cache/tokens.bin")
    return plain(*args, **kwargs)

datamodule.prepare = prepare
main()
"""


def fail(config: Path, *words: object, program: str = FAILING) -> list[Outcome]:
    options = ["--trainer.strategy", "ddp", "--trainer.devices", 2, "--samples.every_n_steps", 0]
    words = ("fit", "--config", config, *options, *words)
    return in_ranks(words, config.parent, program=program)


def errors(outcome: Outcome) -> list[str]:
    return [line for line in outcome.err.splitlines() if line.startswith("error: ")]


def test_what_all_processes_refuse_is_said_by_the_first_one(config: Path) -> None:
    first, second = fail(config, "InputError", "01")
    assert (first.code, second.code) == (2, 2)
    assert errors(first) == ["error: the reason"]
    assert second.out + second.err == ""


@pytest.mark.parametrize(("rank", "said"), [(0, "the reason"), (1, "process 1: the reason")])
def test_what_one_process_refuses_is_said_by_it_and_ends_the_other(
    config: Path, rank: int, said: str
) -> None:
    outcomes = fail(config, "InputError", str(rank))
    failed, other = outcomes[rank], outcomes[1 - rank]
    assert (failed.code, other.code) == (2, 1)
    assert errors(failed) == [f"error: {said}"]
    assert errors(other) == ["error: another process of this run has ended"]
    assert not any("Traceback" in outcome.err for outcome in outcomes)


def test_what_hinders_the_process_that_prepares_ends_all_at_once(config: Path) -> None:
    first, second = fail(config, program=HINDERED)
    assert (first.code, second.code) == (2, 2)
    (said,) = errors(first)
    assert "cache/tokens.bin cannot be written, no space is left" in said
    assert second.out + second.err == ""


def test_what_nobody_foresaw_is_told_in_full_by_the_process_that_met_it(config: Path) -> None:
    first, second = fail(config, "KeyError", "1")
    assert (first.code, second.code) == (1, 1)
    assert "Traceback" in second.err and "KeyError: 'the reason'" in second.err
    assert errors(first) == ["error: another process of this run has ended"]
