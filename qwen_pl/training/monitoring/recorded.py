"""What a run has measured so far, read from its checkpoints and its event files."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qwen_pl.seals import Damaged

MEASURED = ("val_", "reference_")
"""How the names begin of what validation measures and the curves take to the loggers."""


def measured_metrics(
    checkpoint: Mapping[str, Any], folder: Path | None
) -> tuple[int | None, dict[str, float]]:
    """The validation that is nearest to a checkpoint, not after it: its step and its values.

    A checkpoint is saved after the validation of the same step and knows it. Only one that a signal
    made before it does not; then the curves may, if the run was resumed and its folder is known.
    """
    step = checkpoint["global_step"]
    values = dict(checkpoint["qwen_pl"].get("measured") or {})
    measured_at = values.pop("step", None)
    if measured_at != step and folder is not None:
        curves = {
            name: value
            for name, points in read_curves(folder).items()
            if name.startswith(MEASURED)
            for at, value in points
            if at == step
        }
        measured_at, values = (step, curves) if curves else (measured_at, values)
    return measured_at, values


def tokens_seen(checkpoint: Mapping[str, Any]) -> int | None:
    """Tokens that were trained on until a checkpoint, those seen twice counted twice."""
    seq_len = checkpoint.get("PDFDataModule", {}).get("seq_len")
    try:
        loaders = checkpoint["loops"]["fit_loop"]["state_dict"]["combined_loader"]
        return loaders[0]["samples_seen"] * seq_len
    except (KeyError, IndexError, TypeError):  # another version of Lightning, or of ours
        return None


def read_curves(run_dir: Path) -> dict[str, list[tuple[int, float]]]:
    """The scalars of a run as TensorBoard shows them, steps and values, where it was the logger.

    Raises:
        Damaged: If a file of them cannot be read.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    files = [*run_dir.glob("events.out.tfevents.*")]
    for file in files:
        if not file.is_file():
            raise Damaged(file, "is no file", "it holds a part of the run's curves")
        try:
            file.open("rb").close()
        except OSError as error:
            raise Damaged(file, f"cannot be read ({error.strerror})") from None
    if not files:
        return {}
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it tells of each purged event
    events = EventAccumulator(str(run_dir), size_guidance={"scalars": 0})  # 0 keeps every one
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }
