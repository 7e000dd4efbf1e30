"""The ledger of a run: which samples its steps were to see, written where a fit begins.

It stands apart from the callback that writes it, so that it can be read without loading PyTorch.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen_pl.files import fingerprint, write_text
from qwen_pl.seals import Damaged, read_bytes

LEDGER = "samples.jsonl"
_DIGEST, _COUNT = "digest", "lines_before"


@dataclass(frozen=True)
class Stretch:
    """Steps that take equally many samples each, in the order that the rest of it decides.

    Steps are counted from 1, as checkpoints and curves count them, samples from 0 over all
    processes and epochs.
    """

    from_step: int
    """The steps taken before it."""
    to_step: int
    """The last step that can belong to it."""
    samples_seen: int
    """The samples taken before it."""
    samples_per_step: int
    """Windows in a batch, times the processes and the batches accumulated."""
    seq_len: int
    stride: int
    seed: int
    tokens: str
    """The folder of the token file."""
    tokens_fingerprint: str
    tokenizer: str
    """The folder of the tokenizer that made it."""
    tokenizer_sha256: str

    def samples_of(self, step: int) -> range:
        """The samples that ``step`` takes, in the order of the global batch."""
        first = self.samples_seen + (step - 1 - self.from_step) * self.samples_per_step
        return range(first, first + self.samples_per_step)


def append_stretch(path: Path, stretch: Stretch) -> None:
    """Adds a stretch; for steps above its ``from_step`` it takes the place of those before it.

    Raises:
        Damaged: If what is there is not what was written.
    """
    _append(path, dataclasses.asdict(stretch))


def append_end(path: Path, to_step: int) -> None:
    """Adds that the run has stopped at ``to_step``."""
    _append(path, {"to_step": to_step})


def read_ledger(path: Path) -> list[Stretch]:
    """The stretches in the order they were begun.

    Each line has a digest, and the last one says how many there are. Ledgers of earlier versions
    have neither; a line of theirs that a kill cut off is left out.

    Raises:
        Damaged: If the file is gone or not what was written.
    """
    return [*_stretches(map(json.loads, _whole_lines(path)))]


def _stretches(lines: Iterable[Any]) -> Iterator[Stretch]:
    kinds = {field.name: field.type for field in dataclasses.fields(Stretch)}
    latest: Stretch | None = None
    for values in lines:
        if not isinstance(values, dict):
            continue
        if all(type(values.get(name)) is kind for name, kind in kinds.items()):
            if latest is not None:
                yield latest
            latest = Stretch(**{name: values[name] for name in kinds})
        elif type(values.get("to_step")) is int and latest is not None:
            latest = dataclasses.replace(latest, to_step=values["to_step"])
    if latest is not None:
        yield latest


def _whole_lines(path: Path) -> list[str]:
    """The lines of a ledger but for the one that counts them."""
    lines = [line.decode("utf-8", "replace") for line in read_bytes(path).splitlines()]
    if not any(mark in line for line in lines for mark in (_DIGEST, _COUNT)):  # an earlier one
        return [line for line in lines if _is_json(line)]
    # Those of an earlier version may stand before, if the run was resumed since.
    own = [line for line in lines if _DIGEST in line or not _is_json(line)]
    if lines and all(map(_is_as_written, own)) and own[-1] == lines[-1]:
        values = json.loads(lines[-1])
        if values.get(_COUNT) == len(lines) - 1:
            return lines[:-1]
    raise Damaged(path, "is not what was written to it", "put back a copy of it")


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _is_as_written(line: str) -> bool:
    values = json.loads(line) if _is_json(line) else None
    if not isinstance(values, dict):
        return False
    digest = values.pop(_DIGEST, None)
    return digest == fingerprint(values)


def stretch_of(stretches: Sequence[Stretch], step: int) -> Stretch | None:
    """The stretch that ``step`` belongs to; None for a step that the run did not come to.

    A run that resumed from an older checkpoint took some steps twice: the later time counts.
    """
    latest = (s for s in reversed(stretches) if s.from_step < step)
    stretch = next(latest, None)
    return stretch if stretch is not None and step <= stretch.to_step else None


def _append(path: Path, values: dict[str, object]) -> None:
    lines = _whole_lines(path) if path.exists() else []
    lines.append(_line(values))
    write_text(path, "".join(f"{line}\n" for line in [*lines, _line({_COUNT: len(lines)})]))


def _line(values: dict[str, object]) -> str:
    return json.dumps(values | {_DIGEST: fingerprint(values)})
