"""What the ledger says a step sees is what the network gets in it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from batch_recorder import Recorder, record
from quiet_trainer import quiet_trainer

from qwen_pl.data.batches.order import WindowOrder, with_gaps
from qwen_pl.data.datamodule import PDFDataModule
from qwen_pl.data.tokens.token_file import TokenFile
from qwen_pl.training.steps.ledger import Stretch, read_ledger
from qwen_pl.training.steps.ledger_callback import SampleLedger


@pytest.fixture
def data(small_data: dict[str, Any]) -> dict[str, Any]:
    return small_data | {"seq_len": 24, "stride": 17, "batch_size": 3, "seed": 5}


def inputs(stretch: Stretch, step: int) -> torch.Tensor:
    """The inputs that the ledger leads to, ``(samples_per_step, seq_len)``."""
    tokens = TokenFile(Path(stretch.tokens))
    spans = with_gaps(tokens, stretch.seq_len)
    order = WindowOrder(spans, stretch.seq_len, stretch.stride, stretch.seed)
    starts = [order.start(position) for position in stretch.samples_of(step)]
    cut = [tokens.tokens[start : start + stretch.seq_len].tolist() for start in starts]
    return torch.tensor(cut)


def test_the_ledger_leads_to_the_inputs_of_every_step(data: dict[str, Any], tmp_path: Path) -> None:
    ledger = SampleLedger(tmp_path / "samples.jsonl")
    seen = record(data, 4, accumulate_grad_batches=2, callbacks=[ledger])
    [stretch] = read_ledger(tmp_path / "samples.jsonl")
    assert (stretch.from_step, stretch.to_step) == (0, 4)
    for step in range(1, 5):
        got = torch.cat(seen[2 * (step - 1) : 2 * step])
        assert torch.equal(inputs(stretch, step), got)


def test_steps_that_an_epoch_cuts_short_have_lines_of_their_own(
    data: dict[str, Any], tmp_path: Path
) -> None:
    ledger = SampleLedger(tmp_path / "samples.jsonl")
    options = {"accumulate_grad_batches": 2, "limit_train_batches": 3, "max_epochs": -1}
    seen = record(data, 6, callbacks=[ledger], **options)
    assert len(seen) == 9  # two batches and then one, three times
    stretches = read_ledger(tmp_path / "samples.jsonl")
    latest = {step: s for s in stretches for step in range(s.from_step + 1, s.to_step + 1)}
    told = torch.cat([inputs(latest[step], step) for step in range(1, 7)])
    assert torch.equal(told, torch.cat(seen))


def test_a_step_that_fails_is_in_the_ledger(data: dict[str, Any], tmp_path: Path) -> None:
    class Failing(Recorder):
        def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
            if batch_idx == 2:
                raise RuntimeError("out of memory")
            return super().training_step(batch, batch_idx)

    trainer = quiet_trainer(
        max_steps=9,
        limit_val_batches=0,
        callbacks=[SampleLedger(tmp_path / "samples.jsonl")],
    )
    with pytest.raises(RuntimeError, match="out of memory"):
        trainer.fit(Failing(), datamodule=PDFDataModule(**data))
    [stretch] = read_ledger(tmp_path / "samples.jsonl")
    assert stretch.to_step == 3
