"""Fetches a checkpoint from an address into a file, for as long as the process lives."""

import atexit
import http.client
import re
import shutil
import sys
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

from qwen_pl.errors import InputError
from qwen_pl.terminal import tell

_SECONDS = 60
"""Without a byte for that long, the other side is taken for dead."""


def is_address(given: str) -> bool:
    """Whether ``given`` is an address rather than a path.

    >>> is_address("https://example.org/step=5.ckpt"), is_address("runs/step=5.ckpt")
    (True, False)
    """
    return re.match(r"[a-zA-Z][\w+.-]+://", given) is not None


def fetched(address: str) -> Path:
    """The file at ``address``, under its own name in a folder that ends with the process.

    It is fetched every time: what lies under an address may change, and another one may end in the
    same name.

    Raises:
        InputError: If it cannot be fetched.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https"):
        raise InputError(
            f"no checkpoint {address}: addresses begin with http:// or https://, files are given "
            "by their path"
        )
    folder = Path(tempfile.mkdtemp(prefix="qwen_pl-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / (re.sub(r"[^\w.=-]", "_", Path(unquote(parts.path)).name) or "fetched.ckpt")
    tell(f"fetching {address}", file=sys.stderr)
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer, path.open("wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise InputError(f"cannot fetch {address}: {error}") from None
    return path
