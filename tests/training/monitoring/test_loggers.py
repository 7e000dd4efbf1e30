"""Loggers that a config names write into the run's folder, and go on where the run goes on."""

import csv
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from command_line import Run, complains
from run_folder import scalars

from qwen_pl.training.monitoring.table import ContinuedRows

HALF = ["--trainer.limit_train_batches", 5, "--trainer.max_epochs", 1]


def steps(path: Path, name: str) -> list[int]:
    with path.open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file) if row[name]]


def test_a_csv_goes_on_beside_tensorboard_without_doubled_or_lost_rows(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    settings = yaml.safe_load(config.read_text())
    kinds = ["TensorBoardLogger", "lightning.pytorch.loggers.CSVLogger"]
    settings["trainer"]["logger"] = [{"class_path": kind} for kind in kinds]
    config.write_text(yaml.safe_dump(settings))
    assert qwen_pl("fit", "--config", config, *HALF).code == 0
    run_dir = folder / "lightning_logs/small"
    rows = run_dir / "metrics.csv"
    with rows.open("a") as file:  # of steps after the checkpoint, and one that a kill cut off
        file.write("9.9,0.01,6,1.0,5.5,,,\n9.9,0.01")
    outcome = qwen_pl("fit", "--config", config, "--ckpt_path", "last")
    assert outcome.code == 0, outcome.err
    assert str(Path("lightning_logs/small/metrics.csv")) in outcome.out
    assert steps(rows, "train_loss") == [2, 4, 6, 8, 10, 12]
    assert steps(rows, "val_loss") == [4, 8, 12]
    assert list(scalars(run_dir, "train_loss")) == [2, 4, 6, 8, 10, 12]
    saved = yaml.safe_load((run_dir / "config.yaml").read_text())["trainer"]["logger"]
    assert "small" not in str(saved)  # which would send a run that repeats this one here, too


def test_rows_are_on_the_disk_before_the_run_ends(folder: Path) -> None:
    rows = ContinuedRows(folder)
    rows.log_metrics({"train_loss": 2.0}, 4)
    rows.save()
    rows.log_metrics({"val_loss": 1.0}, 4)
    rows.save()
    again = ContinuedRows(folder)
    again.log_metrics({"val_loss": 0.5}, 8)
    again.save()
    assert (
        folder / "metrics.csv"
    ).read_text() == "step,train_loss,val_loss\n4,2.0,\n4,,1.0\n8,,0.5\n"


def test_a_run_may_have_no_logger_or_one_in_a_folder_of_the_users_choice(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    options = ["--config", config, "--trainer.max_steps", 4]
    outcome = qwen_pl("fit", *options, "--run", "mute", "--trainer.logger", "false")
    assert outcome.code == 0 and "curves" not in outcome.out
    chosen = ["--trainer.logger", "CSVLogger", "--trainer.logger.save_dir", "elsewhere"]
    assert qwen_pl("fit", *options, *chosen).code == 0
    [file] = Path("elsewhere").rglob("metrics.csv")
    assert steps(file, "val_loss") == [4]
    before = file.read_text()
    assert qwen_pl("validate", *options, *chosen).code == 0
    assert file.read_text() == before


def test_a_service_knows_a_run_that_resumes_by_the_id_it_gave(
    qwen_pl: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service()
    for name in ("wandb", "wandb.sdk", "wandb.sdk.lib", "wandb.sdk.wandb_run", "wandb.wandb_run"):
        monkeypatch.setitem(sys.modules, name, service.module(name))
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", True)
    options = ["--config", config, "--trainer.logger", "WandbLogger"]
    assert qwen_pl("fit", *options, *HALF).code == 0
    assert qwen_pl("fit", *options, "--ckpt_path", "last").code == 0
    first, second = service.begun
    assert first["id"] is None and second["id"] == "given-1"
    assert first["name"] == "small" and Path(first["dir"]) == Path("lightning_logs/small")
    logged = [values["trainer/global_step"] for values in service.logged if "val_loss" in values]
    assert logged == [4, 8, 12]


class Service:
    """Stands for Weights & Biases: notes what it is told."""

    def __init__(self) -> None:
        self.begun: list[dict] = []
        self.logged: list[dict] = []

    def module(self, name: str) -> types.ModuleType:
        part = types.ModuleType(name)
        part.run, part.init = None, self.init
        part.RunDisabled = part.Run = Service
        part.Table = dict
        return part

    def init(self, **settings: object) -> "Service":
        self.begun.append(settings)
        self.id = f"given-{len(self.begun)}"
        return self

    def log(self, values: dict) -> None:
        self.logged.append(values)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--trainer.logger", "MLFlowLogger"], ["not installed", 'pip install "mlflow']),
        (["--trainer.logger", "CSVLoger"], ["no class CSVLoger", "did you mean CSVLogger?"]),
        (["--trainer.callbacks", "EarlyStoping"], ["did you mean EarlyStopping?"]),
        (["--trainer.callbacks", "lightning.pytorch.callbacks.Tmer"], ["no class", "mean Timer?"]),
        (["--trainer.callbacks", "EarlyStopping"], ["required: monitor"]),
    ],
)
def test_a_logger_or_callback_that_is_not_there_is_named_in_one_line(
    qwen_pl: Run, config: Path, monkeypatch: pytest.MonkeyPatch, options: list, words: list[str]
) -> None:
    missing = "Requirement 'mlflow>=1.0.0' not met. HINT: Try running `pip install -U mlflow`"
    available = type("Missing", (), {"__bool__": lambda _: False, "__str__": lambda _: missing})()
    monkeypatch.setattr("lightning.pytorch.loggers.mlflow._MLFLOW_AVAILABLE", available)
    complains(qwen_pl("fit", "--config", config, *options), *words)
    assert not Path("lightning_logs").exists()
