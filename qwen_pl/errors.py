"""The exception for what a user can mend; the command line makes it one line and exit code 2."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names the value met and the way out, for example
    ``"no text in scan.pdf: a scanned PDF needs OCR first"``.
    """
