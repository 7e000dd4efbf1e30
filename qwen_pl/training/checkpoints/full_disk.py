"""A full disk, recognised behind whatever error it has led to, and told in numbers."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def full_disk_in(error: BaseException) -> OSError | None:
    """The error of a disk, a quota or a file that is full, if that is behind ``error``.

    >>> try:
    ...     try:
    ...         raise OSError(errno.ENOSPC, "No space left on device")
    ...     finally:
    ...         raise RuntimeError("unexpected position")
    ... except RuntimeError as error:
    ...     full_disk_in(error)
    OSError(28, 'No space left on device')
    """
    found = (e for e in chain(error) if isinstance(e, OSError) and e.errno in _FULL)
    return next(found, None)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that it came from."""
    met: set[int] = set()
    while error is not None and id(error) not in met:
        met.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def free_space(folder: Path) -> str:
    """The space left on the disk of ``folder``, for people."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return in_bytes(shutil.disk_usage(there).free)


def size_of(checkpoint: Any) -> str:
    """The size of the tensors in a checkpoint, each counted once, for people."""
    sizes = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for tensor in _tensors(checkpoint)
    }
    return in_bytes(sum(sizes.values()))


def in_bytes(count: int) -> str:
    """A number of bytes for people.

    >>> in_bytes(930), in_bytes(4_197_120), in_bytes(1_192_099_840)
    ('930 bytes', '4.2 MB', '1.2 GB')
    """
    for power, unit in ((9, "GB"), (6, "MB"), (3, "kB")):
        if count >= 10**power:
            return f"{count / 10**power:,.1f} {unit}"
    return f"{count} bytes"


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)
