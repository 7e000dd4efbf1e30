"""Sharded checkpoints: a folder that all processes write at once, each what it holds.

::

    step=00000500.ckpt/
      __0_0.distcp, __1_0.distcp    tensors, a file of each process; torch.distributed.checkpoint's
      .metadata                     where in them each piece of a tensor lies
      meta.pt                       all else of the checkpoint, and checksums of the others

A single file holds the same under the same names, see ``commands/consolidate.py``.
"""

import io
import os
import pickle
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import reduce
from mmap import ACCESS_READ, mmap
from operator import getitem
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    Metadata,
    StorageMeta,
    TensorStorageMetadata,
)
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard
from torch.distributed.tensor import empty as empty_sharded

from qwen_pl.errors import InputError
from qwen_pl.files import beside, flush_folder, take_place, whole_file
from qwen_pl.training.checkpoints.checkpoint_file import (
    digest_between,
    file_is_whole,
    record_spans,
    why_unreadable,
    write_file,
)

UNSHARDED = "meta.pt"
"""The file with all that is not spread over the others."""
METADATA = ".metadata"

Keys = tuple[str | int, ...]
"""The keys and indices that lead to a tensor in a checkpoint."""


def save_sharded(
    checkpoint: dict[str, Any], path: Path, *, belongs: Callable[[Keys, Tensor], bool] | None = None
) -> None:
    """Writes a folder beside ``path``, flushes it, and only then lets it take its place.

    Every process of the group calls it with its own share; without a group, the one that there is.
    If one of them fails, all raise and nothing is left.

    Args:
        checkpoint: Any nesting of dicts and lists, the same on all processes but for the rows that
            its sharded tensors have here.
        belongs: Which tensors are spread over files; by default those that are sharded.

    Raises:
        OSError: If it cannot be written, for want of space maybe.
    """
    spread = _Spread(belongs or (lambda _, tensor: isinstance(tensor, DTensor)))
    rest = spread.without_tensors(checkpoint)
    is_first = not dist.is_initialized() or dist.get_rank() == 0
    unfinished = _from_first(beside(path, "tmp"))
    error: BaseException | None = None
    try:
        with warnings.catch_warnings():  # that there is no process group is known
            warnings.simplefilter("ignore")
            dcp.save(spread.tensors, storage_writer=_PlainWriter(unfinished))
        if is_first:
            _finish({"checkpoint": rest, "sharded": spread.places}, unfinished, path)
    except (Exception, CheckpointException) as raised:
        error = raised
    if is_first and error is not None:
        shutil.rmtree(unfinished, ignore_errors=True)
    error = _from_first(error)
    if error is not None:
        raise _cause(error)


def load_sharded(path: Path, mesh: DeviceMesh | None = None) -> dict[str, Any]:
    """Reads a checkpoint without executing anything in it.

    Args:
        mesh: The processes that the tensors are spread over, in whatever number they were saved
            from; without it, all of each tensor is read, on the CPU.

    Raises:
        InputError: If it is damaged.
    """
    rest = _read_rest(path)
    try:
        reader = _PlainReader(path)
        held = reader.read_metadata().state_dict_metadata
        tensors = {name: _empty(held[name], mesh) for name in rest["sharded"].values()}
        with warnings.catch_warnings():  # that there is no process group is what is wanted
            warnings.simplefilter("ignore")
            dcp.load(tensors, storage_reader=reader, no_dist=True)
    except (Exception, CheckpointException) as error:  # zipfile and pickle raise many kinds
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} cannot be read as a sharded checkpoint: {reason}") from None
    for (*outer, last), name in rest["sharded"].items():
        reduce(getitem, outer, rest["checkpoint"])[last] = tensors[name]
    return rest["checkpoint"]


def load_facts_of_folder(path: Path) -> dict[str, Any]:
    """All of a checkpoint but the tensors that are spread over its files, which are not read.

    Raises:
        InputError: If it cannot be read.
    """
    return _read_rest(path)["checkpoint"]


def is_whole_folder(path: Path) -> bool:
    """Whether every byte of a sharded checkpoint is as it was written, by the checksums in it."""
    try:
        if not file_is_whole(path / UNSHARDED):
            return False
        rest = _read_rest(path)
        if zlib.crc32((path / METADATA).read_bytes()) != rest["metadata_crc32"]:
            return False
        pieces = _pieces_by_file(path)
        for name, in_file in pieces.items():
            if not all(_is_whole_piece(path / name, piece) for piece in in_file):
                return False
        # Those of earlier versions say nothing of what stands around the tensors.
        around = rest.get("around")
        return around is None or around == {n: _around(path / n, pieces[n]) for n in pieces}
    except Exception:  # whatever stands in the way of reading it
        return False


def belongs_to_weights(keys: Keys, tensor: Tensor) -> bool:
    """Which tensors of a single file are spread: weights, what an optimizer keeps of them, and all
    else that is as large, but not a count or the state of a random generator.
    """
    is_named = keys[0] in ("state_dict", "optimizer_states") and tensor.dim() > 0
    return tensor.is_floating_point() and (is_named or tensor.dim() > 1)


class _PlainReader(dcp.FileSystemReader):
    """Reads what torch.distributed.checkpoint wrote, but unpickles nothing that could do anything.

    torch reads ``.metadata`` with plain pickle, which would run whatever a stranger put there.
    """

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        with (Path(self.path) / METADATA).open("rb") as file:
            return _PlainUnpickler(file).load()

    def pieces(self) -> list[Any]:
        """Where each piece of each tensor lies: its file, offset and length."""
        return list(self.read_metadata().storage_data.values())


class _PlainWriter(dcp.FileSystemWriter):
    """Leaves out where the folder was written: a path, which other systems could not unpickle."""

    def storage_meta(self) -> StorageMeta:
        return StorageMeta()


PLAIN_CLASSES: dict[str, tuple[str, ...]] = {
    "torch": ("Size",),
    "torch.serialization": ("_get_layout",),
    "torch.distributed.checkpoint.filesystem": ("_StorageInfo",),
    "torch.distributed.checkpoint.metadata": (
        "BytesStorageMetadata",
        "ChunkStorageMetadata",
        "Metadata",
        "MetadataIndex",
        "StorageMeta",
        "TensorProperties",
        "TensorStorageMetadata",
        "_MEM_FORMAT_ENCODING",
    ),
}
"""What ``.metadata`` is made of, by module."""


class _PlainUnpickler(pickle.Unpickler):
    """Knows only ``PLAIN_CLASSES`` and dtypes."""

    def find_class(self, module: str, name: str) -> Any:
        is_dtype = module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        if is_dtype or name in PLAIN_CLASSES.get(module, ()):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is more than plain data")


class _Spread:
    """The tensors of a checkpoint that are spread over files, and where in it each belongs."""

    def __init__(self, belongs: Callable[[Keys, Tensor], bool]) -> None:
        self.tensors: dict[str, Tensor] = {}
        """Each of them once, by its name in the files."""
        self.places: dict[Keys, str] = {}
        """The name of the tensor at each place; tied weights have two places."""
        self._belongs = belongs
        self._names: dict[Any, str] = {}

    def without_tensors(self, value: Any, keys: Keys = ()) -> Any:
        """A copy of ``value``, whose place in the checkpoint is ``keys``, with None for them."""
        if isinstance(value, dict):
            return {key: self.without_tensors(v, (*keys, key)) for key, v in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self.without_tensors(v, (*keys, i)) for i, v in enumerate(value))
        if not isinstance(value, Tensor) or not self._belongs(keys, value):
            return value
        # Two names of one tensor in a file share its memory; sharded ones are the same object.
        is_object = isinstance(value, DTensor)
        identity = id(value) if is_object else (value.data_ptr(), value.shape)
        name = self._names.setdefault(identity, ".".join(map(str, keys)))
        self.tensors[name] = value.detach()
        self.places[keys] = name
        return None


def _finish(rest: dict[str, Any], unfinished: Path, path: Path) -> None:
    """Adds what is not spread, and lets the folder take its place."""
    pieces = _pieces_by_file(unfinished)
    for name in pieces:
        if not (unfinished / name).is_file():
            raise OSError(
                f"another machine wrote its part of {path} to a disk of its own: sharded "
                "checkpoints need a folder that all machines share, or "
                "save_distributed_checkpoint: false"
            )
    checksum = zlib.crc32((unfinished / METADATA).read_bytes())
    around = {name: _around(unfinished / name, pieces[name]) for name in pieces}
    with whole_file(unfinished / UNSHARDED) as file:
        write_file({**rest, "metadata_crc32": checksum, "around": around}, file)
    take_place(unfinished, path)
    flush_folder(path.parent)


def _empty(held: TensorStorageMetadata | BytesStorageMetadata, mesh: DeviceMesh | None) -> Tensor:
    """Memory for a tensor as it was saved, for all of it or for this process's rows."""
    assert isinstance(held, TensorStorageMetadata)  # nothing else is spread
    dtype = held.properties.dtype
    if mesh is None:
        return torch.empty(held.size, dtype=dtype)
    return empty_sharded(*held.size, dtype=dtype, device_mesh=mesh, placements=[Shard(0)])


def _read_rest(path: Path) -> dict[str, Any]:
    """What ``meta.pt`` holds: the checkpoint less its tensors, where they belong, and checksums."""
    try:
        return torch.load(path / UNSHARDED, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch and pickle raise many kinds
        raise InputError(f"{path / UNSHARDED} {why_unreadable(error)}") from None


def _pieces_by_file(path: Path) -> dict[str, list[Any]]:
    """The pieces in each file of tensors, in their order."""
    pieces: dict[str, list[Any]] = {}
    for piece in sorted(_PlainReader(path).pieces(), key=lambda piece: piece.offset):
        pieces.setdefault(piece.relative_path, []).append(piece)
    return pieces


def _is_whole_piece(file: Path, piece: Any) -> bool:
    """A piece is what torch.save makes of a tensor: a zip archive, which has its own checksums."""
    with file.open("rb") as opened:
        opened.seek(piece.offset)
        content = opened.read(piece.length)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return len(content) == piece.length and archive.testzip() is None


def _around(file: Path, pieces: Sequence[Any]) -> str:
    """The digest of all in a file of tensors that the checksums of its archives leave out."""
    with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
        records: list[tuple[int, int]] = []
        for piece in pieces:
            with zipfile.ZipFile(_Window(content, piece.offset, piece.length)) as archive:
                records += record_spans(content, archive, piece.offset)
        return digest_between(content, records, len(content))


class _Window(io.RawIOBase):
    """A part of a mapped file as a file of its own, of which only what is asked for is read."""

    def __init__(self, content: mmap, offset: int, length: int) -> None:
        self._content, self._offset, self._length, self._place = content, offset, length, 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._length}[whence]
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1) -> bytes:
        end = self._length if size < 0 else min(self._length, self._place + size)
        first, self._place = self._place, max(self._place, end)
        return self._content[self._offset + first : self._offset + self._place]


def _from_first(value: Any) -> Any:
    """What the first process has as ``value``."""
    if not dist.is_initialized():
        return value
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]


def _cause(error: BaseException) -> BaseException:
    """The first failure of a process, out of what torch collected from all of them."""
    failures = getattr(error, "failures", None)
    return next(iter(failures.values()))[0] if failures else error
