"""The exceptions that become one line and an exit code, and which process tells of them."""

import os


class InputError(ValueError):
    """Something the user gave cannot be used; the exit code is 2.

    The message is one line that names the value met and the way out, for example
    ``"no text in scan.pdf: a scanned PDF needs OCR first"``.
    """


class TrainingFailed(RuntimeError):
    """A run cannot go on, and not for what the command says: one line, the exit code is 1."""


class Stopped(SystemExit):
    """A signal has asked the process to end; the exit code is 128 and the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


def is_first_on_machine() -> bool:
    """Whether this process is the one to speak, where several would say the same.

    For code that has no Trainer, before there is one or beside it. Each machine has a log of its
    own, so the first process of each speaks. With a Trainer, ask ``trainer.is_global_zero``.
    """
    return all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "SLURM_LOCALID"))
