"""The Trainer's way to our checkpoint files."""

from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO

from qwen_pl.training.checkpoint import load_checkpoint, save_checkpoint


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints whole or not at all, and never executes what is in one it reads.

    Lightning stages a file in the system's temporary folder, from where it cannot be renamed into
    place on another file system: a kill then leaves an empty checkpoint. It also trusts addresses.
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
        if "://" in str(path):
            return super().load_checkpoint(path, map_location, weights_only=True)
        return load_checkpoint(Path(path), map_location)
