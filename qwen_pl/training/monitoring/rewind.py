"""Takes back what a run logged after the step that it resumes from, since it comes again."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from qwen_pl.files import set_aside, whole_file
from qwen_pl.seals import Damaged, read_bytes
from qwen_pl.terminal import tell
from qwen_pl.training.monitoring.recorded import MEASURED
from qwen_pl.training.monitoring.table import TABLE, rows_in, write_rows


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

    def is_kept(event: Any) -> bool:
        if event.step == step and not validated:
            return not any(value.tag.startswith(MEASURED) for value in event.summary.value)
        return event.step <= step or not event.HasField("summary")

    content = read_bytes(path)
    kept: list[bytes] = []
    is_damaged = False
    for record, event in _records(content):
        if event is None:
            is_damaged = True
        elif is_kept(event):
            kept.append(record)
    if is_damaged:
        _tell_of_damage(path)
    if sum(map(len, kept)) < len(content):
        with whole_file(path) as file:
            file.writelines(kept)


_HEAD = 12  # the length in 8 bytes, and a checksum of it
_CHECKSUM = 4
_MOST_SUMMED = 8 << 20  # bytes of a file whose checksums are all looked at, 2 million a second


def _records(content: bytes) -> Iterator[tuple[bytes, Any]]:
    """The records of an event file with all that is around them, each with its event.

    A damaged one has None for it, at which TensorBoard would stop; one that a kill cut off is left
    out. Behind a length that is not as it was written, no record is found.

    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    def is_whole(data: bytes, checksum: bytes) -> bool:
        return int.from_bytes(checksum, "little") == masked_crc32c(data)

    start = 0
    while start + _HEAD <= len(content):
        head = content[start : start + _HEAD]
        end = start + _HEAD + int.from_bytes(head[:8], "little") + _CHECKSUM
        if not is_whole(head[:8], head[8:]):
            yield head, None
            return
        if end > len(content):
            return
        record = content[start:end]
        start, data = end, record[_HEAD:-_CHECKSUM]
        try:
            event = Event.FromString(data)
            good = len(content) > _MOST_SUMMED or is_whole(data, record[-_CHECKSUM:])
        except DecodeError:
            good = False
        yield record, event if good else None


def _rewind_table(logger: CSVLogger, step: int, validated: bool) -> None:
    def is_kept(row: Mapping[str, str]) -> bool:
        if int(row["step"]) == step and not validated:
            return not any(name.startswith(MEASURED) and value for name, value in row.items())
        return int(row["step"]) <= step

    path = Path(logger.log_dir) / TABLE
    if not path.exists():
        return
    content = read_bytes(path)
    try:
        rows, names = rows_in(content, path)
    except Damaged as damage:
        place = set_aside(path)
        tell(f"{damage}: moved to {place}, the curves begin anew", file=sys.stderr)
        return
    lines = content.splitlines()
    is_cut_off = not content.endswith(b"\n")  # by a kill
    if len(lines) - is_cut_off > 1 + len(rows):
        _tell_of_damage(path)
    kept = [row for row in rows if is_kept(row)]
    if len(lines) > 1 + len(kept):
        write_rows(path, kept, names)


def _tell_of_damage(path: Path) -> None:
    tell(f"{path} is damaged: what of it cannot be read is left out", file=sys.stderr)
