"""What the command line makes one line and an exit code of, instead of a traceback."""

import os


class InputError(ValueError):
    """Something the user gave cannot be used: exit code 2.

    The message is one line that names the value met and the way out, for example
    ``"no text in scan.pdf: a scanned PDF needs OCR first"``.
    """


class Stopped(SystemExit):
    """A signal has asked the process to end; the exit code is 128 and the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


class TrainingFailed(RuntimeError):
    """A run cannot go on, and it is not the command's fault: one line and exit code 1."""


def is_first_on_machine() -> bool:
    """Whether this process tells of errors: where several train, each would tell the same."""
    return all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "SLURM_LOCALID"))
