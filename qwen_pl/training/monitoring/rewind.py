"""Takes back what a run logged after the step that it resumes from, since it comes again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from qwen_pl.files import whole_file
from qwen_pl.training.monitoring.curves import MEASURED
from qwen_pl.training.monitoring.table import TABLE, read_rows, write_rows


@dataclass(frozen=True)
class ResumePoint:
    """Where a run goes on, as its checkpoint says."""

    step: int
    is_validated: bool = True
    """Whether the validation of that step itself is done, and does not come again."""


def resume_point(facts: Mapping[str, Any]) -> ResumePoint:
    """Where a run goes on from a checkpoint that says this of itself."""
    step = int(facts["global_step"])
    state = facts.get("callbacks", {}).get("TrainingCurves", {})
    return ResumePoint(step, not state or state["validated_at"] == step)


def rewind(logger: Logger, run_dir: Path, resume: ResumePoint | None) -> None:
    """Takes back, before a logger opens its files, what a run logged after the step it resumes at.

    TensorBoard would hide scalars that come twice, but not texts, and only from itself. Of loggers
    that keep their values elsewhere, nothing is taken back. For a new run it is all, but only in
    its own folder: others may hold what another run has logged.
    """
    if resume is None:
        if logger.log_dir is None or Path(logger.log_dir) != run_dir:
            return
        resume = ResumePoint(-1)
    step, validated = resume.step, resume.is_validated
    if isinstance(logger, TensorBoardLogger):
        for path in Path(logger.log_dir).glob("events.out.tfevents.*"):
            _rewind_events(path, step, validated)
    elif isinstance(logger, CSVLogger):
        _rewind_table(logger, step, validated)


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
