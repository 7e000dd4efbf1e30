"""The CSV file of a run's curves: read, written on, and written anew."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.core.saving import save_hparams_to_yaml
from torch import Tensor

from qwen_pl.files import write_text
from qwen_pl.seals import Damaged, read_bytes

TABLE = "metrics.csv"
"""In the folder of a ``CSVLogger``."""


class ContinuedRows:
    """The rows of a CSV file, with those that were there: Lightning's writer would delete them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metrics: list[dict[str, Any]] = []
        """The rows that are not on the disk yet."""
        self._names = read_rows(folder / TABLE)[1] if (folder / TABLE).is_file() else []

    def log_metrics(self, metrics: Mapping[str, Any], step: int) -> None:
        values = {k: v.item() if isinstance(v, Tensor) else v for k, v in metrics.items()}
        self.metrics.append(values | {"step": step})

    def log_hparams(self, params: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        save_hparams_to_yaml(str(self.folder / "hparams.yaml"), params)

    def save(self) -> None:
        """Writes the rows behind the others; anew and whole where there are new columns."""
        names = sorted({*self._names}.union(*self.metrics))
        path = self.folder / TABLE
        if names != self._names:
            earlier = read_rows(path)[0] if path.is_file() else []
            write_rows(path, [*earlier, *self.metrics], names)
        elif self.metrics:
            with path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, names).writerows(self.metrics)
        self._names, self.metrics = names, []


def read_rows(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of a logger's CSV file, and the names of its columns.

    Raises:
        Damaged: If it is no file of ours, or cannot be read.
    """
    return rows_in(read_bytes(path), path)


def rows_in(content: bytes, path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """The same of what was read from it already.

    What is in no form of a row is left out: a kill may have cut off the last one.

    Raises:
        Damaged: If it is no file of ours, or its rows cannot be read.
    """
    text = content.decode("utf-8", "replace").replace("\0", "\ufffd")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = [*(reader.fieldnames or ())]
    if text and ("step" not in names or any("\ufffd" in name for name in names)):
        raise Damaged(path, "does not begin with the names of its columns")
    try:
        return [row for row in reader if _is_row(row)], names
    except csv.Error as error:
        raise Damaged(path, f"cannot be read ({error})") from None


def _is_row(row: Mapping[str | None, Any]) -> bool:
    """Whether a row has a step and numbers, as many as there are columns."""
    if None in row or None in row.values() or not row["step"].isdecimal():
        return False
    try:
        [float(value) for value in row.values() if value not in ("", "True", "False")]
    except ValueError:
        return False
    return True


def write_rows(path: Path, rows: Sequence[dict[str, str]], names: Sequence[str]) -> None:
    """Writes a logger's CSV file anew, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
