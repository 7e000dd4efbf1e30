"""The exceptions that become one line and an exit code, and which process tells of them."""

import os
import re


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


_MEMORY_IS_FULL = re.compile(
    r"out of memory|can't allocate memory|not enough memory|_STATUS_ALLOC_FAILED", re.IGNORECASE
)


def lacks_memory(error: BaseException) -> str | None:
    """How much memory was asked for, where a device or a CPU has no more; None of other errors.

    >>> lacks_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has ..."))
    '2.50 GiB more'
    >>> lacks_memory(MemoryError()), lacks_memory(RuntimeError("shapes differ"))
    ('more', None)
    """
    is_one = isinstance(error, RuntimeError) and _MEMORY_IS_FULL.search(str(error))
    if not is_one and not isinstance(error, MemoryError):
        return None
    asked = re.search(r"allocate (\d+ bytes|[\d.]+ [KMGT]iB)", str(error))
    return f"{asked[1]} more" if asked else "more"


def is_first_on_machine() -> bool:
    """Whether this process is the one to speak, where several would say the same.

    For code that has no Trainer, before there is one or beside it. Each machine has a log of its
    own, so the first process of each speaks. With a Trainer, ask ``trainer.is_global_zero``.
    """
    return all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "SLURM_LOCALID"))
