"""A reference text is measured beside the validation part, and changes nothing else."""

from pathlib import Path

import pytest
import torch
from command_line import Run, complains
from pdf_writer import made_up_pages, write_pdf
from run_folder import same, scalars

NAMES = ("reference_loss", "reference_perplexity", "reference_bits_per_byte")


@pytest.fixture
def other(folder: Path) -> Path:
    write_pdf(folder / "other.pdf", made_up_pages(3, seed=1))
    return folder / "other.pdf"


def test_a_reference_text_is_measured_at_every_validation(
    qwen_pl: Run, config: Path, other: Path, folder: Path
) -> None:
    options = ["--config", config, "--data.reference_text", other]
    outcome = qwen_pl("fit", *options)
    assert outcome.code == 0, outcome.err
    run_dir = folder / "lightning_logs/small"
    for name in NAMES:
        assert list(scalars(run_dir, name)) == [4, 8, 12]
        assert name in outcome.out
    assert "dataloader_idx" not in outcome.out
    checkpoint = torch.load(run_dir / "checkpoints/step=00000010.ckpt", weights_only=True)
    measured = checkpoint["qwen_pl"]["measured"]["reference_bits_per_byte"]
    assert measured == pytest.approx(scalars(run_dir, NAMES[2])[8])

    outcome = qwen_pl("validate", *options)
    for name in (*NAMES, "val_loss"):
        assert f"{scalars(run_dir, name)[12]:.4f}" in outcome.out


def test_a_run_trains_the_same_with_a_reference_text_and_resumes_with_another(
    qwen_pl: Run, config: Path, other: Path, small_pdf: Path, folder: Path
) -> None:
    qwen_pl("fit", "--config", config, "--run", "plain")
    half = ["--trainer.limit_train_batches", 5, "--trainer.max_epochs", 1]
    options = ["--config", config, "--run", "measured"]
    assert qwen_pl("fit", *options, "--data.reference_text", other, *half).code == 0
    outcome = qwen_pl("fit", *options, "--data.reference_text", small_pdf, "--ckpt_path", "last")
    assert outcome.code == 0, outcome.err
    assert "of data.reference_text" in outcome.err and "is in the training text too" in outcome.err
    last = "checkpoints/step=00000012.ckpt"
    plain, measured = (folder / "lightning_logs" / name for name in ("plain", "measured"))
    assert same(plain / last, measured / last)
    assert scalars(plain, "val_loss") == scalars(measured, "val_loss")


def test_only_a_reference_text_may_be_measured(
    qwen_pl: Run, config: Path, other: Path, folder: Path
) -> None:
    options = ["--data.val_fraction", 0, "--data.reference_text", other]
    outcome = qwen_pl("fit", "--config", config, *options)
    assert outcome.code == 0, outcome.err
    assert list(scalars(folder / "lightning_logs/small", NAMES[0])) == [4, 8, 12]
    assert "val_loss" not in outcome.out


def test_prepare_prepares_the_reference_text_too(qwen_pl: Run, config: Path, other: Path) -> None:
    options = ["--config", config, "--data.reference_text", other]
    assert "reference  " in qwen_pl("prepare", *options).out
    outcome = qwen_pl("fit", *options, "--trainer.max_steps", 1)
    assert "tokens ->" not in outcome.err  # all was there


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.pdf", ["data.reference_text", "no such file or folder: none.pdf"]),
        ("empty.txt", ["data.reference_text", "empty.txt: no text in the file"]),
        ("table.csv", ["data.reference_text", "cannot read table.csv"]),
    ],
)
def test_a_reference_text_that_cannot_be_read_is_named(
    qwen_pl: Run, config: Path, folder: Path, name: str, words: list[str]
) -> None:
    (folder / "empty.txt").write_text("\n")
    (folder / "table.csv").write_text("a,b\n")
    complains(qwen_pl("fit", "--config", config, "--data.reference_text", name), *words)
    assert not list(folder.glob("lightning_logs/*"))
