"""Takes back what a run logged after the step that it resumes from, since it comes again."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from qwen_pl.files import whole_file
from qwen_pl.training.checkpoints.checkpoint import load_checkpoint, step_of
from qwen_pl.training.monitoring.curves import MEASURED
from qwen_pl.training.monitoring.loggers import TABLE, read_rows, write_rows


def rewind_loggers(loggers: Sequence[Logger], run_dir: Path, checkpoint: Path | None) -> None:
    """Takes back what was logged after the step that a run goes on from; all for a new run.

    Of a new run only in its own folder: others may hold what another run has logged.
    """
    step = -1 if checkpoint is None else step_of(checkpoint)
    validated = checkpoint is None or _has_validated(checkpoint, step)
    for logger in loggers:
        is_own = logger.log_dir is not None and Path(logger.log_dir) == run_dir
        if is_own or checkpoint is not None:
            rewind(logger, step, validated=validated)


def rewind(logger: Logger, step: int, *, validated: bool = True) -> None:
    """Removes what was logged after ``step`` from a logger's files, before it opens them.

    TensorBoard would hide scalars that come twice, but not texts, and only from itself. Of loggers
    that keep their values elsewhere, nothing is taken back.

    Args:
        validated: Whether the validation of ``step`` itself is done, and does not come again.
    """
    if isinstance(logger, TensorBoardLogger):
        for path in Path(logger.log_dir).glob("events.out.tfevents.*"):
            _rewind_events(path, step, validated)
    elif isinstance(logger, CSVLogger):
        _rewind_table(logger, step, validated)


def _has_validated(checkpoint: Path, step: int) -> bool:
    """Whether a checkpoint was saved after the validation of its own step, if there was one."""
    state = load_checkpoint(checkpoint, mmap=True).get("callbacks", {}).get("TrainingCurves", {})
    return not state or state["validated_at"] == step


def _rewind_events(path: Path, step: int, validated: bool) -> None:
    """Writes an event file anew without the values that come again, if it has any."""
    from tensorboard.compat.proto.event_pb2 import Event

    def is_kept(record: bytes) -> bool:
        event = Event.FromString(record[_HEAD:-_CHECKSUM])
        if event.step == step and not validated:
            return not any(value.tag.startswith(MEASURED) for value in event.summary.value)
        return event.step <= step or not event.HasField("summary")

    kept = [record for record in _records(path) if is_kept(record)]
    if sum(map(len, kept)) < path.stat().st_size:
        with whole_file(path) as file:
            file.writelines(kept)


_HEAD = 12  # the length in 8 bytes, and a checksum of it
_CHECKSUM = 4


def _records(path: Path) -> Iterator[bytes]:
    """The records of an event file with all that is around them, less one that a kill cut off.

    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
    """
    content = path.read_bytes()
    start = 0
    while start + _HEAD <= len(content):
        length = int.from_bytes(content[start : start + 8], "little")
        end = start + _HEAD + length + _CHECKSUM
        if end > len(content):
            return
        yield content[start:end]
        start = end


def _rewind_table(logger: CSVLogger, step: int, validated: bool) -> None:
    def is_kept(row: Mapping[str, str | None]) -> bool:
        at = row.get("step") or ""
        if not at.isdecimal() or None in row.values():
            return False  # a kill cut it off
        if int(at) == step and not validated:
            return not any(name.startswith(MEASURED) and value for name, value in row.items())
        return int(at) <= step

    path = Path(logger.log_dir) / TABLE
    if not path.is_file():
        return
    rows, names = read_rows(path)
    kept = [row for row in rows if is_kept(row)]
    if len(kept) < len(rows):
        write_rows(path, kept, names)
