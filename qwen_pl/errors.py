"""The exception for what a user can mend; the command line makes it one line and exit code 2."""

import os


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names the value met and the way out, for example
    ``"no text in scan.pdf: a scanned PDF needs OCR first"``.
    """


def is_first_on_machine() -> bool:
    """Whether this process tells of errors: where several train, each would tell the same."""
    return all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "SLURM_LOCALID"))
