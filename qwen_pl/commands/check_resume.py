"""``check-resume``: shows for a config that a run that is killed ends as if it had not been."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from qwen_pl.commands.options import VerbParser
from qwen_pl.errors import InputError
from qwen_pl.files import in_bytes
from qwen_pl.runs import CHECKPOINTS, run_dir, tell_of_changed_config
from qwen_pl.terminal import tell

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from qwen_pl.commands.parts.compare_runs import Comparison

HELP = """\
Train a few steps of a config twice, once unbroken and once killed with kill -9 and resumed, and
compare both to the last bit: weights, optimizer, losses, samples, validation. The runs lie in a
temporary folder; no run of yours is touched, and what is prepared of the data is used as it is.
Any option of fit may follow. Ends with 0 where all is the same, else with 1."""

EPILOG = """\
It costs twice the steps, a start of the program for each kill and two more, and room for six
checkpoints. Checkpoints, validation and logging come every few steps here, as seldom as your config
has them they would not come at all; all else is as in the config. On a GPU two runs are only the
same with trainer.deterministic=true; what differs without any kill is told apart."""

BYTES_PER_PARAMETER = 12  # weights and two moments, in float32
_TOLD = {
    "anywhere": "in a step",
    "accumulating": "between two batches of a step",
    "saving": "while saving",
    "validating": "while validating",
}


def main(args: list[str]) -> None:
    """Runs both, prints what was compared, and leaves with 1 where anything differs.

    Raises:
        InputError: If the config cannot be used, or a run of it ends with an error.
    """
    parser = VerbParser("check-resume", HELP)
    parser.epilog = EPILOG
    parser.add_argument(
        "--config", required=True, action="append", metavar="FILE", help="configs/NAME.yaml"
    )
    parser.add_argument("--steps", type=int, default=6, help="optimizer steps of each run")
    parser.add_argument("--kills", type=int, default=3, help="kills of the second run")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="where to make the temporary folder"
    )
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    options, overrides = parser.parse_known_args(args)
    for name, least in (("steps", 2), ("kills", 1)):
        if (value := getattr(options, name)) < least:
            parser.error(f"--{name} is {value}: it has to be at least {least}")
    if any(word.split("=")[0] in ("--ckpt_path", "--run") for word in overrides):
        parser.error("the runs are check-resume's own: leave out --run and --ckpt_path")

    if options.folder is not None and not options.folder.is_dir():
        parser.error(f"--folder {options.folder} is not a folder")
    given = [word for file in options.config for word in ("--config", file)] + overrides
    for file in options.config:
        tell_of_changed_config(Path(file))
    config = _prepared_config(given)
    folder = _temporary_folder(options.folder, config)
    try:
        check = ResumeCheck(folder, given, config, options.steps, options.kills)
        is_same = check.run()
    finally:
        if options.keep:
            tell(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if not is_same:
        sys.exit(1)


class ResumeCheck:
    """Two short runs of one config in a folder, one of which is killed.

    Args:
        given: The options of ``fit`` that the user gave.
        config: What they come to.
    """

    def __init__(
        self, folder: Path, given: list[str], config: "Namespace", steps: int, kills: int
    ) -> None:
        self.folder = folder
        self.name = Path(str(config.config[0])).stem
        self.trainer = config.trainer
        self.steps = min(steps, config.trainer.max_steps)
        self.kills = kills
        self.num_killed = 0
        self.command = ["fit", *given, *self._changes(config)]

    def run(self) -> bool:
        """Trains both, prints the verdict, and tells whether they are the same."""
        tell(f"{self.name}: {self.steps} steps, unbroken and with {self.kills} kills")
        self._live("unbroken")
        for number, moment in enumerate(self._moments()):
            self._live("killed", moment, self.steps * (number + 1) // (self.kills + 1))
        self._live("killed")
        comparisons = self._compared("killed")
        tell(*comparisons)
        is_same = all(comparison.is_same for comparison in comparisons)
        if not is_same:
            self._explain()
        elif self.num_killed == 0:
            raise InputError("no kill came to pass: give more --steps")
        else:
            tell(f"exact: {self.name} resumes as if it had never been killed")
        return is_same

    def _changes(self, config: "Namespace") -> Iterator[str]:
        """Options that let checkpoints and validation come within a few steps."""
        accumulated = config.trainer.accumulate_grad_batches
        interval, batches = config.trainer.val_check_interval, config.trainer.limit_val_batches
        most = 3 * accumulated
        interval = min(interval, most) if isinstance(interval, int) else most
        changes = {
            "trainer.default_root_dir": self.folder,
            "trainer.logger": "true",
            "trainer.log_every_n_steps": 1,
            "trainer.check_val_every_n_epoch": "null",
            "trainer.val_check_interval": interval,
            "trainer.limit_val_batches": batches if batches in (0, 1) else 2,
            "trainer.enable_progress_bar": "false",
            "checkpoint.every_n_train_steps": 2 - self.steps % 2,  # the last is to be one
        }
        for name, value in changes.items():
            yield from (f"--{name}", str(value))

    def _moments(self) -> list[str]:
        """What each kill comes into, by turns."""
        is_split = self.trainer.accumulate_grad_batches > 1
        kinds = ["saving", "accumulating" if is_split else "anywhere"]
        if self.trainer.limit_val_batches != 0:
            kinds.append("validating")
        return (kinds * self.kills)[: self.kills]

    def _live(self, run: str, moment: str = "never", step: int = 0) -> None:
        """Starts or resumes a run, and waits until it is killed or has taken its steps.

        Raises:
            InputError: If it ends otherwise.
        """
        from qwen_pl.commands.parts.rehearsal import read_notes, rehearsal_options

        notes = run_dir(run, self.folder) / "notes"
        command = [sys.executable, "-m", "qwen_pl", *self.command, "--run", run]
        command += ["--ckpt_path", "last"]
        command += rehearsal_options(
            notes=notes,
            until=self.steps,
            moment=moment,
            step=step,
            within_seconds=0.0,  # small steps are fast, and it must not come after the last
        )
        before = len(read_notes(notes, "kills.jsonl"))
        with (self.folder / "log.txt").open("wb+") as log:
            code = _run_alone(command, log)
            log.seek(0)
            said = log.read().decode(errors="replace").strip()
        kills = read_notes(notes, "kills.jsonl")
        if code != 0 and len(kills) == before:
            lines = said.splitlines() or [f"exit code {code}"]
            reason = next((line for line in lines if line.startswith("error: ")), lines[-1])
            raise InputError(f"the {run} run failed: {reason.removeprefix('error: ')}")
        if code != 0 and kills[-1]["moment"] in _TOLD:
            self._tell_of_kill(**kills[-1])

    def _tell_of_kill(self, moment: str, step: int) -> None:
        from qwen_pl.training.checkpoints.checkpoint import saved_in

        self.num_killed += 1
        saved = saved_in(run_dir("killed", self.folder) / CHECKPOINTS)
        resumes_at = saved[0].step if saved and saved[0].is_complete else 0
        told = f"  killed {_TOLD[moment]}, after step {step}; going on from step {resumes_at}"
        tell(told)

    def _explain(self) -> None:
        """Trains unbroken once more: a machine that computes by chance is not resume's fault."""
        self._live("control")
        if all(comparison.is_same for comparison in self._compared("control")):
            tell("not exact: a resumed run differs, and two unbroken ones do not")
        else:
            tell(
                "not to be told: two unbroken runs differ here too; --trainer.deterministic true "
                "makes a device compute the same each time"
            )

    def _compared(self, run: str) -> "list[Comparison]":
        """Everything of a run beside the one that was not killed."""
        from qwen_pl.commands.parts.compare_runs import compare_runs

        unbroken, other = (run_dir(name, self.folder) for name in ("unbroken", run))
        return compare_runs(unbroken, other, self.steps)


def _prepared_config(given: list[str]) -> "Namespace":
    """All settings of a run, once its data are prepared."""
    from qwen_pl.run.reading import read_without_run

    config, parts = read_without_run(given)
    parts.data.prepare_data()
    if config.trainer.max_steps < 1:
        raise InputError("trainer.max_steps is not set: the schedule needs it to know its end")
    return config


def _temporary_folder(parent: Path | None, config: "Namespace") -> Path:
    """A new folder on a disk with room for the checkpoints of both runs.

    Raises:
        InputError: If there is none.
    """
    from qwen_pl.model.config import Qwen3Config

    sizes = Qwen3Config(**config.model.config.as_dict())
    needed = 6 * BYTES_PER_PARAMETER * sizes.num_parameters()
    folder = Path(tempfile.mkdtemp(prefix="check-resume-", dir=parent))
    free = shutil.disk_usage(folder).free
    if free < needed:
        folder.rmdir()
        raise InputError(
            f"two runs of this config need up to {in_bytes(needed)} for checkpoints, "
            f"{folder.parent} has {in_bytes(free)}: name another place with --folder"
        )
    return folder


def _run_alone(command: Sequence[str], log: IO[bytes]) -> int:
    """Runs a command as a session of its own, of which nothing outlives this process."""
    is_session = os.name != "nt"
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=is_session
    )
    try:
        return process.wait()
    except BaseException:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, 9) if is_session else process.kill()
        process.wait()
        raise
