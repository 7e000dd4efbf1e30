"""What was logged after the step a run goes on from is gone, and all else is as it was."""

import csv
from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from qwen_pl.training.monitoring.loggers import make_logger
from qwen_pl.training.monitoring.rewind import ResumePoint

LOGGED = {2: {"train_loss": 5.0}, 4: {"train_loss": 4.0}, 6: {"train_loss": 3.0}}


def fill(logger: TensorBoardLogger | CSVLogger) -> None:
    for step, values in LOGGED.items():
        logger.log_metrics(values, step)
        logger.log_metrics({"val_loss": 7.0}, step)
    logger.save()


def logger_that_resumes(
    kind: type, tmp_path: Path, step: int, *, validated: bool = True
) -> TensorBoardLogger | CSVLogger:
    settings = {"save_dir": tmp_path, "name": "logs", "version": "run"}
    return make_logger(kind, settings, tmp_path / "logs/run", ResumePoint(step, validated))


def steps_of_events(folder: str) -> dict[str, list[int]]:
    events = EventAccumulator(folder).Reload()
    return {
        name: [event.step for event in events.Scalars(name)] for name in events.Tags()["scalars"]
    }


def steps_of_table(folder: str) -> dict[str, list[int]]:
    with (Path(folder) / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = ("train_loss", "val_loss")
    return {name: [int(row["step"]) for row in rows if row[name]] for name in names}


@pytest.mark.parametrize(
    ("kind", "steps_of"),
    [(TensorBoardLogger, steps_of_events), (CSVLogger, steps_of_table)],
)
@pytest.mark.parametrize("validated", [True, False])
def test_a_logger_goes_on_after_the_step(
    tmp_path: Path, kind: type, steps_of: object, validated: bool
) -> None:
    fill(kind(tmp_path, "logs", "run"))
    again = logger_that_resumes(kind, tmp_path, 4, validated=validated)
    again.log_metrics({"train_loss": 2.5}, 6)
    again.save()
    val_steps = [2, 4] if validated else [2]
    assert steps_of(again.log_dir) == {"train_loss": [2, 4, 6], "val_loss": val_steps}


def test_a_row_that_a_kill_cut_off_is_dropped(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, "logs", "run")
    fill(logger)
    with (Path(logger.log_dir) / "metrics.csv").open("a") as file:
        file.write("1")  # of step 12
    again = logger_that_resumes(CSVLogger, tmp_path, 9)
    again.log_metrics({"mfu": 0.5, "train_loss": 1.0}, 10)  # a column that was not there
    again.save()
    expected = {"train_loss": [2, 4, 6, 10], "val_loss": [2, 4, 6]}
    assert steps_of_table(again.log_dir) == expected
