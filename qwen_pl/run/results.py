"""What a run prints when it has ended: what was measured, where everything is, what to do next."""

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from qwen_pl.data.prepare.prepare import Preparation
from qwen_pl.runs import CHECKPOINTS
from qwen_pl.training.monitoring.loggers import place_of
from qwen_pl.training.resume.validating import MeasuredStart

SAMPLES = "samples.txt"
"""In a run's folder: what the network writes while it learns."""


def print_results(
    trainer: Trainer, prepared: Preparation, run_dir: Path, *, was_finished: bool
) -> None:
    """Prints all of it, after ``fit``.

    Args:
        trainer: That of the run.
        prepared: What it was trained on.
        run_dir: The folder of the run, which is also its name.
        was_finished: Whether the run had all its steps already when it was resumed.
    """
    run = run_dir.name
    checkpoints = sorted((run_dir / CHECKPOINTS).glob("*.ckpt"))
    print()
    if was_finished:
        print(f"{run} had all its {trainer.max_steps:,} steps: --trainer.max_steps adds more")
    _print_rows(
        [
            *_measures(trainer),
            *(("text", document.text_file) for document in prepared.documents[:3]),
            ("tokenizer", prepared.tokenizer_dir),
            *(("checkpoint", path) for path in checkpoints),
            *(("samples", path) for path in [run_dir / SAMPLES] if path.is_file()),
            *(("curves", place_of(logger)) for logger in trainer.loggers),
            ("write", f'python -m qwen_pl generate --run {run} --prompt "..."'),
        ]
    )


def print_measures(trainer: Trainer) -> None:
    """Prints what was measured, after ``validate`` and ``test``."""
    _print_rows(_measures(trainer))


def _measures(trainer: Trainer) -> list[tuple[str, str]]:
    """What was measured last, and beside it what the weights of others knew before training."""
    callbacks: Sequence[Callback] = trainer.callbacks  # type: ignore[attr-defined] # a connector's
    start = next(c for c in callbacks if isinstance(c, MeasuredStart))
    before = {n: f" ({value:.4f} before training)" for n, value in start.values(trainer).items()}
    return [
        (name, f"{value:.4f}{before.get(name, '')}")
        for name, value in trainer.callback_metrics.items()
        if name.startswith(("val_", "reference_", "test_"))  # and not what else callbacks log
    ]


def _print_rows(rows: Sequence[tuple[str, object]]) -> None:
    width = max(17, *(len(name) for name, _ in rows))
    for name, value in rows:
        print(f"{name:<{width}} {value}")
