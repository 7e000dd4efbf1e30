"""The Trainer's way to our checkpoint files."""

from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO

from qwen_pl.training.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from qwen_pl.training.checkpoints.download import fetched, is_address


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints whole or not at all, and never executes what is in one it reads.

    Lightning stages a file in the system's temporary folder, from where it cannot be renamed into
    place on another file system: a kill then leaves an empty checkpoint. It also trusts addresses,
    and takes one for another whose file has the same name.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        save_checkpoint(checkpoint, Path(path))

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = lambda storage, _: storage,
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        path = fetched(str(path)) if is_address(str(path)) else Path(path)
        return load_checkpoint(path, map_location)
