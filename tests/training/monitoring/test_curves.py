"""What a run shows of itself while it trains, and that a resumed one shows the same."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import pytest
import torch
import yaml
from command_line import Run
from lightning.fabric.utilities.throughput import measure_flops
from lightning.pytorch.loggers import Logger
from run_folder import weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from qwen_pl.errors import InputError
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.training.monitoring.curves import SmoothedValue, TrainingCurves
from qwen_pl.training.monitoring.machine import flops_per_token, peak_flops
from qwen_pl.training.monitoring.texts import TextSamples

BY_THE_CLOCK = {"tokens_per_second", "mfu", "device_memory_gb", "data_wait"}
OPTIONS = (
    *("--checkpoint.every_n_train_steps", 7, "--checkpoint.save_top_k", -1),
    *("--trainer.log_every_n_steps", 5, "--trainer.accumulate_grad_batches", 2),
    *("--samples.every_n_steps", 3, "--samples.max_new_tokens", 9),
    *("--curves.histograms_every_n_steps", 3, "--curves.peak_flops", 2e9),
)


class Shown(NamedTuple):
    """All that a run has logged: name to step to value."""

    scalars: dict[str, list[tuple[int, float]]]
    texts: dict[str, list[tuple[int, str]]]
    histograms: dict[str, list[tuple[int, Any]]]
    table: dict[str, list[tuple[int, float]]]
    samples: str

    def steady(self) -> dict[str, Any]:
        """What does not depend on how fast the machine is."""
        scalars = {k: v for k, v in self.scalars.items() if k not in BY_THE_CLOCK}
        table = {k: v for k, v in self.table.items() if k not in BY_THE_CLOCK}
        return {**self._asdict(), "scalars": scalars, "table": table}


def shown(run_dir: Path) -> Shown:
    kinds = ("scalars", "tensors", "histograms")
    events = EventAccumulator(str(run_dir), size_guidance=dict.fromkeys(kinds, 0)).Reload()
    tags = events.Tags()
    table: dict[str, list[tuple[int, float]]] = {}
    with (run_dir / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            step = int(row.pop("step"))
            for name, value in row.items():
                if value:
                    table.setdefault(name, []).append((step, float(value)))
    return Shown(
        {name: [(e.step, e.value) for e in events.Scalars(name)] for name in tags["scalars"]},
        {
            name.removesuffix("/text_summary"): [
                (e.step, e.tensor_proto.string_val[0].decode()) for e in events.Tensors(name)
            ]
            for name in tags["tensors"]
            if name.endswith("/text_summary")
        },
        {
            name: [(e.step, e.histogram_value) for e in events.Histograms(name)]
            for name in tags["histograms"]
        },
        table,
        (run_dir / "samples.txt").read_text(encoding="utf-8"),
    )


@pytest.fixture
def two_loggers(config: Path) -> Path:
    settings = yaml.safe_load(config.read_text())
    where = {"save_dir": ".", "name": "lightning_logs", "version": "small"}
    names = ("TensorBoardLogger", "CSVLogger")
    loggers = [{"class_path": name, "init_args": where} for name in names]
    settings["trainer"]["logger"] = loggers
    config.write_text(yaml.safe_dump(settings))
    return config


class OnlyNumbers(Logger):
    """A logger that has no more than Lightning asks of one."""

    logged: ClassVar[list[tuple[int, dict[str, float]]]] = []
    name = "numbers"
    version = "0"

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.logged.append((step, dict(metrics)))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Takes none."""


def test_any_logger_will_do(qwen_pl: Run, config: Path) -> None:
    OnlyNumbers.logged.clear()
    options = ("--trainer.max_steps", 4, "--curves.histograms_every_n_steps", 2)
    here = f"{OnlyNumbers.__module__}.OnlyNumbers"
    outcome = qwen_pl("fit", "--config", config, "--trainer.logger", here, *options)
    assert outcome.code == 0, outcome.err
    steps = [step for step, values in OnlyNumbers.logged if "train_loss" in values]
    assert steps == [2, 4]
    assert [step for step, values in OnlyNumbers.logged if "val_loss" in values] == [4]
    assert "only TensorBoard shows histograms" in outcome.err


def test_a_run_that_goes_back_and_on_shows_what_the_unbroken_one_did(
    qwen_pl: Run, two_loggers: Path, folder: Path
) -> None:
    outcome = qwen_pl("fit", "--config", two_loggers, *OPTIONS)
    assert outcome.code == 0, outcome.err
    run_dir = folder / "lightning_logs/small"
    unbroken = shown(run_dir)
    assert unbroken.scalars.keys() == BY_THE_CLOCK | {
        *("train_loss", "train_loss_smoothed", "learning_rate", "gradient_norm", "tokens_seen"),
        *("val_loss", "val_perplexity", "val_bits_per_byte", "skipped_steps", "loss_spikes"),
    }
    assert unbroken.scalars["tokens_seen"] == [(5, 5 * 2 * 3 * 24), (10, 10 * 2 * 3 * 24)]
    assert [step for step, _ in unbroken.scalars["val_loss"]] == [2, 4, 6, 8, 10, 12]
    assert unbroken.texts.keys() == {"config", "corpus", "samples"}
    assert [step for step, _ in unbroken.texts["samples"]] == [3, 6, 9, 12]
    assert unbroken.samples.count("step ") == 4
    assert any(name.startswith("gradients/layers.1.") for name in unbroken.histograms)
    assert any(name.startswith("weights/layers.1.") for name in unbroken.histograms)

    # From between two values of the curves, when all that came after has been logged.
    with next(run_dir.glob("events.out.*")).open("ab") as file:
        file.write(b"\x20\0\0\0\0\0\0\0cut off by a kill")
    checkpoint = run_dir / "checkpoints/step=00000007.ckpt"
    outcome = qwen_pl("fit", "--config", two_loggers, *OPTIONS, "--ckpt_path", checkpoint)
    assert outcome.code == 0, outcome.err
    resumed = shown(run_dir)
    assert resumed.steady() == unbroken.steady()
    for name in BY_THE_CLOCK:
        assert [step for step, _ in resumed.scalars[name]] == [5, 10]


def test_writing_samples_changes_nothing_of_the_training(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    for run, steps in (("silent", 0), ("writing", 1)):
        samples = ("--samples.every_n_steps", steps, "--samples.max_new_tokens", 5)
        outcome = qwen_pl("fit", "--config", config, "--run", run, *samples)
        assert outcome.code == 0, outcome.err
    silent, writing = (
        weights(folder / f"lightning_logs/{run}/checkpoints/step=00000012.ckpt")
        for run in ("silent", "writing")
    )
    assert all(torch.equal(silent[name], writing[name]) for name in silent)
    assert not (folder / "lightning_logs/silent/samples.txt").exists()


def test_prompts_of_the_user_are_written_on_from(qwen_pl: Run, config: Path, folder: Path) -> None:
    prompts = '--samples.prompts=["Bane tol", ""]'
    options = ("--samples.every_n_steps=6", "--samples.max_new_tokens=5", "--trainer.max_steps=7")
    assert qwen_pl("fit", "--config", config, prompts, *options).code == 0
    text = (folder / "lightning_logs/small/samples.txt").read_text(encoding="utf-8")
    assert text.count("    Bane tol|") == text.count("    |") == 2
    assert "step 6\n" in text and "step 7\n" in text


def test_a_resumed_run_tells_its_config_again_only_if_it_is_another(
    qwen_pl: Run, two_loggers: Path, folder: Path
) -> None:
    def fit(steps: int, *options: object) -> None:
        outcome = qwen_pl("fit", "--config", two_loggers, "--trainer.max_steps", steps, *options)
        assert outcome.code == 0, outcome.err

    fit(3)
    fit(3, "--ckpt_path", "last")
    fit(4, "--ckpt_path", "last")  # of another length, so of another config
    fit(4, "--ckpt_path", folder / "lightning_logs/small/checkpoints/step=00000003.ckpt")
    texts = shown(folder / "lightning_logs/small").texts
    assert [step for step, _ in texts["corpus"]] == [1]
    assert [step for step, _ in texts["config"]] == [1, 4]
    assert ["max_steps: 4" in text for _, text in texts["config"]] == [False, True]
    assert "small.pdf" in texts["corpus"][0][1]


@pytest.mark.parametrize(
    ("callback", "setting", "value"),
    [
        (TrainingCurves, "curves.smoothing_steps", 0),
        (TrainingCurves, "curves.peak_flops", -1.0),
        (TrainingCurves, "curves.histograms_every_n_steps", -2),
        (TextSamples, "samples.every_n_steps", -3),
        (TextSamples, "samples.prompts", []),
        (TextSamples, "samples.max_new_tokens", 0),
        (TextSamples, "samples.temperature", float("nan")),
    ],
)
def test_an_impossible_setting_is_refused_by_its_name(
    callback: type, setting: str, value: object
) -> None:
    with pytest.raises(InputError, match=setting.replace(".", r"\.")):
        callback(**{setting.split(".")[1]: value})


@pytest.mark.parametrize("tied", [True, False])
def test_flops_are_those_that_pytorch_counts(tied: bool) -> None:
    config = Qwen3Config(
        vocab_size=608,
        hidden_size=144,
        intermediate_size=320,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=40,
        tie_word_embeddings=tied,
    )
    with torch.device("meta"):
        network = Qwen3ForCausalLM(config)
        ids = torch.zeros(5, 64, dtype=torch.long)
    forward = measure_flops(network, lambda: network(ids)) / ids.numel()
    assert flops_per_token(config, 64) == pytest.approx(3 * forward, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "precision", "expected"),
    [
        ("NVIDIA A100-SXM4-80GB", "bf16-mixed", 312e12),
        ("NVIDIA A100 80GB PCIe", "16-mixed", 312e12),
        ("NVIDIA A100-PCIE-40GB", "32-true", 19.5e12),
        ("NVIDIA H100 80GB HBM3", "bf16-true", 989.4e12),
        ("NVIDIA H100 PCIe", "bf16-true", 756e12),
        ("NVIDIA H200 NVL", "bf16-mixed", 835e12),
        ("NVIDIA L40S", "bf16-mixed", 362e12),
        ("Tesla V100-SXM2-16GB", "16-mixed", 125e12),
        ("Tesla V100-SXM2-16GB", "bf16-mixed", None),
        ("NVIDIA GeForce RTX 4090", "bf16-mixed", 165.2e12),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "bf16-mixed", None),
        ("NVIDIA H200", "64-true", None),
        ("Some other device", "bf16-mixed", None),
    ],
)
def test_a_peak_is_that_of_this_very_device_and_precision(
    name: str, precision: str, expected: float | None
) -> None:
    assert peak_flops(name, precision) == expected


def test_each_value_is_that_of_its_step(qwen_pl: Run, two_loggers: Path, folder: Path) -> None:
    options = ("--trainer.log_every_n_steps", 1, "--trainer.max_steps", 4)
    options += ("--model.warmup_steps", 4, "--samples.every_n_steps", 0)
    qwen_pl("fit", "--config", two_loggers, *options, "--curves.peak_flops", 3e9)
    run_dir = folder / "lightning_logs/small"
    with (run_dir / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["train_loss"]]
    columns = {name: [float(row[name]) for row in rows] for name in rows[0] if rows[0][name]}
    assert columns["step"] == [1, 2, 3, 4]
    assert columns["learning_rate"] == pytest.approx([0.0025, 0.005, 0.0075, 0.01])
    assert columns["tokens_seen"] == [72, 144, 216, 288]
    sizes = yaml.safe_load(two_loggers.read_text())["model"]["config"]
    flops = flops_per_token(Qwen3Config(**sizes, vocab_size=320), seq_len=24)
    assert columns["mfu"] == pytest.approx([flops * v / 3e9 for v in columns["tokens_per_second"]])
    assert all(0 <= share < 1 for share in columns["data_wait"])
    assert all(0.05 < memory < 64 for memory in columns["device_memory_gb"])
    smoothed = SmoothedValue(steps=100)
    expected = [smoothed.add(loss) for loss in columns["train_loss"]]
    assert columns["train_loss_smoothed"] == pytest.approx(expected)


@pytest.mark.parametrize(("world_size", "expected"), [(3, 5.5), (2, 4.5)])
def test_each_process_gets_its_own_sum_back(world_size: int, expected: float) -> None:
    curves = TrainingCurves()
    curves.load_state_dict(curves.state_dict() | {"losses": [3.0, 5.0, 5.5]})
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    curves.on_train_start(
        SimpleNamespace(
            global_step=7,
            world_size=world_size,
            global_rank=2 if world_size == 3 else 1,
            strategy=strategy,
            train_dataloader=None,
        ),
        None,
    )
    assert curves.state_dict()["losses"] == [expected]
