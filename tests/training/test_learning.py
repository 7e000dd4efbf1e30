"""What the network learns, and what it must not be able to learn."""

import math
from collections.abc import Iterator

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from quiet_trainer import quiet_trainer
from torch.utils.data import DataLoader

from qwen_pl.data.batches.windows import TokenWindows
from qwen_pl.errors import InputError
from qwen_pl.model.config import Qwen3Config
from qwen_pl.training.module import Qwen3Module
from qwen_pl.training.monitoring.curves import TrainingCurves

VOCABULARY = 61
SIZES = Qwen3Config(
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=72,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=10,
)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def windows(tokens: np.ndarray, batch_size: int) -> DataLoader:
    sizes = np.ones(VOCABULARY, dtype=np.int64)
    cut = TokenWindows(tokens, seq_len=20, spans=[(0, len(tokens))], num_bytes=sizes)
    starts = list(range(0, len(tokens) - 20, 20))
    return DataLoader(cut, batch_size, sampler=starts, collate_fn=lambda batch: batch)


def fit(module: Qwen3Module, loader: DataLoader, steps: int, **trainer: object) -> pl.Trainer:
    trainer = quiet_trainer(max_steps=steps, **trainer)
    trainer.fit(module, loader)
    return trainer


def test_independent_random_tokens_cannot_be_learned_by_copying() -> None:
    # With labels that are not shifted, the loss falls towards 0 within these steps.
    random = np.random.default_rng(0)
    module = Qwen3Module(SIZES, lr=1e-2, warmup_steps=5, weight_decay=0.0)
    fit(module, windows(random.integers(0, VOCABULARY, 16_000), 16), steps=50)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    fresh = windows(random.integers(0, VOCABULARY, 4_000), 16)
    [measured] = trainer.validate(module, fresh, verbose=False)
    assert measured["val_loss"] > math.log(VOCABULARY) - 0.02
    assert measured["val_loss"] < math.log(VOCABULARY) + 0.3


def test_four_windows_can_be_learned_by_heart() -> None:
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, 81)
    module = Qwen3Module(SIZES, lr=1e-2, warmup_steps=5, weight_decay=0.0)
    curves = TrainingCurves()
    fit(module, windows(tokens, 4), steps=150, callbacks=[curves], log_every_n_steps=10)
    assert curves.latest["train_loss"] < 0.1


def test_the_learning_rate_follows_warmup_and_cosine() -> None:
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, 400)
    module = Qwen3Module(SIZES, lr=0.5, warmup_steps=3, min_lr_ratio=0.2)
    seen = []

    class Watch(pl.Callback):
        def on_before_optimizer_step(self, trainer: pl.Trainer, *args: object) -> None:
            seen.append(trainer.optimizers[0].param_groups[0]["lr"])

    fit(module, windows(tokens, 2), steps=9, callbacks=[Watch()])
    assert seen[:3] == pytest.approx([0.5 / 3, 1.0 / 3, 0.5])
    assert seen[3:] == sorted(seen[3:], reverse=True)
    assert seen[6] == pytest.approx(0.5 * (0.2 + 0.8 * 0.5))  # half way down


def test_only_matrices_decay() -> None:
    module = Qwen3Module(SIZES, lr=1.0, weight_decay=0.5)
    module.trainer = pl.Trainer(max_steps=1, accelerator="cpu", logger=False)
    module.configure_model()
    matrices, vectors = module.configure_optimizers()["optimizer"].param_groups
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.5, 0.0)
    assert {p.ndim for p in matrices["params"]} == {2}
    assert {p.ndim for p in vectors["params"]} == {1}
    count = len(matrices["params"]) + len(vectors["params"])
    assert count == len(list(module.model.parameters()))


@pytest.mark.parametrize("setting", [False, True, 2, "selective"])
def test_gradient_checkpointing_is_one_setting(setting: bool | int | str) -> None:
    module = Qwen3Module(SIZES, gradient_checkpointing=setting)
    module.configure_model()
    assert module.model.gradient_checkpointing == setting


@pytest.mark.parametrize("setting", [-1, 3, "every"])
def test_gradient_checkpointing_that_names_no_layer_is_refused(setting: int | str) -> None:
    with pytest.raises(InputError, match=f"gradient_checkpointing is {setting} .* 2 layers"):
        Qwen3Module(SIZES, gradient_checkpointing=setting)


def test_compiled_layers_keep_the_names_of_their_parameters() -> None:
    module, plain = Qwen3Module(SIZES, compile=True), Qwen3Module(SIZES)
    for either in (module, plain):
        either.configure_model()
    assert all(layer._compiled_call_impl is not None for layer in module.model.model.layers)
    assert module.state_dict().keys() == plain.state_dict().keys()


def test_compiling_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InputError, match=r"model\.compile needs a C\+\+ compiler"):
        Qwen3Module(SIZES, compile=True).configure_model()


def test_validation_averages_over_tokens_and_not_over_batches() -> None:
    module = Qwen3Module(SIZES)
    tokens = np.random.default_rng(2).integers(0, VOCABULARY, 135)  # the last batch is smaller
    loader = windows(tokens, 4)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    [measured] = trainer.validate(module, loader, verbose=False)
    batches = list(loader)
    assert len({len(batch["labels"]) for batch in batches}) == 2
    with torch.no_grad():
        losses = torch.cat(
            [
                torch.nn.functional.cross_entropy(
                    module(batch["input_ids"]).transpose(1, 2),
                    batch["labels"],
                    reduction="none",
                ).flatten()
                for batch in batches
            ]
        )
    assert measured["val_loss"] == pytest.approx(losses.mean().item(), rel=1e-5)
    assert measured["val_perplexity"] == pytest.approx(losses.mean().exp().item(), rel=1e-4)
    bits = losses.sum().item() / math.log(2) / len(losses)  # every token here has one byte
    assert measured["val_bits_per_byte"] == pytest.approx(bits, rel=1e-5)


def test_noise_changes_inputs_and_never_labels() -> None:
    module = Qwen3Module(SIZES, input_noise=0.3)
    inputs = torch.randint(0, VOCABULARY, (50, 40))
    noisy = module._noisy(inputs)
    changed = (noisy != inputs).float().mean().item()
    assert 0.25 < changed < 0.33
    assert torch.equal(Qwen3Module(SIZES)._noisy(inputs), inputs)


def test_accumulated_batches_count_as_one_step(tmp_path: object) -> None:
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, 2000)
    curves = TrainingCurves()
    trainer = fit(
        Qwen3Module(SIZES, lr=1e-3),
        windows(tokens, 2),
        steps=4,
        accumulate_grad_batches=3,
        callbacks=[curves],
        log_every_n_steps=4,
    )
    assert trainer.global_step == 4
    assert trainer.fit_loop.epoch_loop.batch_progress.total.ready == 12
    assert curves.latest["train_loss"] == pytest.approx(math.log(VOCABULARY), abs=0.5)


def test_masked_documents_are_trained_and_measured_apart() -> None:
    tokens = np.random.default_rng(3).integers(0, VOCABULARY, 121)
    cut = TokenWindows(
        tokens,
        seq_len=20,
        spans=[(0, len(tokens))],
        num_bytes=np.ones(VOCABULARY, dtype=np.int64),
        document_starts=np.array([0, 7, 31, 33, 70]),
    )
    loader = DataLoader(cut, 3, sampler=range(0, 120, 20), collate_fn=lambda batch: batch)
    module = Qwen3Module(SIZES)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    [measured] = trainer.validate(module, loader, verbose=False)
    nats, count = 0.0, 0
    with torch.no_grad():
        for batch in loader:
            for row in zip(batch["input_ids"], batch["labels"], batch["document_ids"], strict=True):
                for document in row[2].unique():
                    inputs, labels = (tensor[row[2] == document][None] for tensor in row[:2])
                    nats += module.model(inputs, labels, reduction="sum").item()
                    count += (labels >= 0).sum().item()
            expected = nats / count
    assert measured["val_loss"] == pytest.approx(expected, rel=1e-5)
    batch = next(iter(loader))
    apart = module.training_step(batch, 0).item()
    assert apart != pytest.approx(module.training_step(batch | {"document_ids": None}, 0).item())


def test_z_loss_adds_to_training_and_not_to_validation() -> None:
    tokens = np.random.default_rng(3).integers(0, VOCABULARY, 121)
    batch = next(iter(windows(tokens, 3)))
    losses = []
    for z_loss in (0.0, 0.1):
        torch.manual_seed(0)
        module = Qwen3Module(SIZES, z_loss=z_loss)
        module.configure_model()
        with torch.no_grad():
            squares = module(batch["input_ids"]).logsumexp(-1).square().mean().item()
        losses.append(module.training_step(batch, 0).item())
    assert losses[1] - losses[0] == pytest.approx(0.1 * squares, rel=1e-4)
    module.validation_step(batch, 0)
    assert module.metric.compute()["loss"].item() == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.parametrize("z_loss", [-1e-4, float("inf"), float("nan")])
def test_an_impossible_z_loss_is_refused_with_its_value(z_loss: float) -> None:
    with pytest.raises(InputError, match=rf"model\.z_loss is {z_loss}"):
        Qwen3Module(SIZES, z_loss=z_loss)


def test_validation_in_bfloat16_sums_up_in_float32() -> None:
    tokens = np.random.default_rng(4).integers(0, VOCABULARY, 6_001)
    measured = {}
    for precision in ("32-true", "bf16-true", "bf16-mixed"):
        torch.manual_seed(0)
        trainer = pl.Trainer(
            accelerator="cpu", precision=precision, logger=False, enable_progress_bar=False
        )
        [measured[precision]] = trainer.validate(
            Qwen3Module(SIZES), windows(tokens, 3), verbose=False
        )
    for name, value in measured["32-true"].items():
        for precision in ("bf16-true", "bf16-mixed"):
            assert measured[precision][name] == pytest.approx(value, rel=2e-3)
