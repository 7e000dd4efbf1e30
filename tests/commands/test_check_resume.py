"""``check-resume``: a short run of a config that is killed and resumed, beside one that is not."""

import shutil
import sys
from pathlib import Path

import pytest
from command_line import Run
from own_process import in_own_process

from qwen_pl.commands import check_resume

# Forks where check-resume would start a process, which takes seconds to load everything.
FORKING = """
import os
import sys
import torch
from benchmarks.kills import fork_run
from qwen_pl.__main__ import main
from qwen_pl.commands import check_resume
def fork(command, log):
    process = fork_run(command[3:], log.name, 1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
check_resume._run_alone = fork
torch.set_num_threads(1)
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_check_resume_kills_a_short_run_of_a_config_and_finds_it_exact(
    config: Path, folder: Path
) -> None:
    command = ["check-resume", "--config", config, "--steps", 4, "--folder", folder]
    ended = in_own_process(command, folder, program=FORKING)
    assert ended.code == 0, ended.out + ended.err
    for moment in ("while saving", "in a step", "while validating"):
        assert f"killed {moment}, after step" in ended.out
    assert ended.out.splitlines()[-1] == "exact: small resumes as if it had never been killed"
    assert not (folder / "lightning_logs").exists()
    assert not [*folder.glob("check-resume-*")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_check_resume_finds_what_is_not_resumed(config: Path, folder: Path) -> None:
    forgetting = FORKING.replace(
        "main()\n",
        "from qwen_pl.training.resume.random_state import RandomState\n"
        "RandomState.load_state_dict = lambda self, state: None\n"
        "main()\n",
    )
    command = ["check-resume", "--config", config, "--steps", 4, "--kills", 2, "--folder", folder]
    command += ["--trainer.accumulate_grad_batches", 2]  # for a kill at a known moment
    ended = in_own_process(command, folder, program=forgetting)
    assert ended.code == 1, ended.out + ended.err
    assert "samples and losses   DIFFERS  losses differ at step" in ended.out
    assert "not exact: a resumed run differs, and two unbroken ones do not" in ended.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--steps", "1"], "--steps is 1"),
        (["--kills", "0"], "--kills is 0"),
        (["--ckpt_path", "last"], "leave out --run and --ckpt_path"),
        (["--run=mine"], "leave out --run and --ckpt_path"),
        (["--folder", "nowhere"], "--folder nowhere is not a folder"),
    ],
)
def test_check_resume_says_in_a_line_what_it_cannot_do(
    qwen_pl: Run, config: Path, options: list[str], said: str
) -> None:
    outcome = qwen_pl("check-resume", "--config", config, *options)
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_full_disk_is_told_before_anything_is_trained(
    qwen_pl: Run, config: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(folder)._replace(free=1000)
    monkeypatch.setattr(check_resume.shutil, "disk_usage", lambda _: usage)
    outcome = qwen_pl("check-resume", "--config", config, "--folder", folder)
    assert outcome.code == 2
    assert "name another place with --folder" in outcome.err
    assert not [*folder.glob("check-resume-*")]
