"""The ledger of a run: which samples its steps were to see, written where a fit begins.

It stands apart from the callback that writes it, so that it can be read without loading PyTorch.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LEDGER = "samples.jsonl"


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
    """Adds a stretch; for steps above its ``from_step`` it takes the place of those before it."""
    _append(path, dataclasses.asdict(stretch))


def append_end(path: Path, to_step: int) -> None:
    """Adds that the run has stopped at ``to_step``."""
    _append(path, {"to_step": to_step})


def read_ledger(path: Path) -> list[Stretch]:
    """The stretches in the order they were begun; a line that a kill cut off is left out."""
    stretches: list[Stretch] = []
    names = {field.name for field in dataclasses.fields(Stretch)}
    for line in path.read_bytes().splitlines():
        try:
            values = json.loads(line)
        except ValueError:  # cut off, in the middle of a character maybe
            continue
        if not isinstance(values, dict):
            continue
        if names <= values.keys():
            stretches.append(Stretch(**{name: values[name] for name in names}))
        elif "to_step" in values and stretches:
            stretches[-1] = dataclasses.replace(stretches[-1], to_step=values["to_step"])
    return stretches


def stretch_of(stretches: Sequence[Stretch], step: int) -> Stretch | None:
    """The stretch that ``step`` belongs to; None for a step that the run did not come to.

    A run that resumed from an older checkpoint took some steps twice: the later time counts.
    """
    latest = (s for s in reversed(stretches) if s.from_step < step)
    stretch = next(latest, None)
    return stretch if stretch is not None and step <= stretch.to_step else None


def _append(path: Path, values: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        is_cut = False
        if file.tell():
            file.seek(-1, os.SEEK_END)
            is_cut = file.read(1) != b"\n"
        line = json.dumps(values, ensure_ascii=False).encode() + b"\n"
        file.write(b"\n" + line if is_cut else line)
        file.flush()
        os.fsync(file.fileno())
