"""From a PDF to an export: every verb of a run, on a CPU and on a GPU."""

import json
from pathlib import Path

import pytest
import torch
from command_line import Run
from own_process import in_ranks

from qwen_pl.training.monitoring.recorded import read_curves

PRECISE = {"cpu": 1e-6, "cuda": 0.02}
"""How far two measures of the same weights may lie apart; on CUDA, in bfloat16."""


def test_a_run_is_measured_and_written_with_where_it_was_trained(
    qwen_pl: Run, config: Path, folder: Path, device: torch.device, on_device: list[str]
) -> None:
    def run(*words: object) -> str:
        outcome = qwen_pl(*words)
        assert outcome.code == 0, outcome.err
        return outcome.out

    run("fit", "--config", config, *on_device)
    curves = read_curves(folder / "lightning_logs/small")
    assert curves["train_loss"][-1][1] < curves["train_loss"][0][1]
    assert all(value > 0 for _, value in curves["device_memory_gb"])
    is_known = device.type == "cuda" and "H" in torch.cuda.get_device_name()
    assert ("mfu" in curves) == is_known
    measured = run("validate", "--config", config, *on_device)
    loss = float(measured.split("val_loss")[1].split()[0])
    assert abs(loss - curves["val_loss"][-1][1]) < PRECISE[device.type] * loss + 1e-4
    assert "test_loss" in run("test", "--config", config, *on_device)
    (folder / "prompts.txt").write_text("Ba\nNo\n")
    sampling = ["--sampling.max_new_tokens", 7, "--sampling.temperature", 0]
    precise = ["--trainer.precision", "32-true"]  # as generate writes
    run(
        "predict",
        "--run",
        "small",
        "--data.prompts",
        "prompts.txt",
        *sampling,
        *precise,
        *on_device,
    )
    lines = (folder / "lightning_logs/small/predictions.jsonl").read_text().splitlines()
    options = ["--max_new_tokens", 7, "--temperature", 0]
    written = run("generate", "--run", "small", "--prompt", "Ba", *options)
    assert written == f"Ba{json.loads(lines[0])['completion']}\n"
    run("export", "--run", "small", "--out", "out")
    assert (folder / "out/model.safetensors").is_file()


@pytest.mark.gpu
@pytest.mark.parametrize(
    "changes",
    [
        {"trainer.precision": "bf16-true"},
        {"trainer.precision": "16-mixed", "model.optimizer": "muon"},
        {"trainer.precision": "32-true", "weight_averaging.decay": 0.9},
        {"data.mask_documents": "true", "model.gradient_checkpointing": "selective"},
        {"model.compile": "true", "model.gradient_checkpointing": "true", "model.z_loss": 1e-4},
        {"model.compile": "true", "data.mask_documents": "true", "model.optimizer": "muon"},
        {
            "model.fp8": "true",
            "model.config.hidden_size": 64,
            "model.config.intermediate_size": 128,
            "model.config.head_dim": 16,
        },
        {"trainer.strategy": "ddp", "trainer.accumulate_grad_batches": 2},
    ],
    ids=lambda changes: ", ".join(f"{name} {value}" for name, value in changes.items()),
)
def test_every_setting_trains_and_resumes_on_a_gpu(
    config: Path, folder: Path, changes: dict[str, object]
) -> None:
    words = ["fit", "--config", config, "--trainer.accelerator", "gpu", "--trainer.devices", 1]
    words += [word for name, value in changes.items() for word in (f"--{name}", value)]
    [half] = in_ranks([*words, "--trainer.max_steps", 6], folder, devices=1)
    assert half.code == 0, half.err
    [ended] = in_ranks([*words, "--ckpt_path", "last"], folder, devices=1)
    assert ended.code == 0, ended.err
    curves = read_curves(folder / "lightning_logs/small")
    assert curves["train_loss"][-1][1] < curves["train_loss"][0][1]
