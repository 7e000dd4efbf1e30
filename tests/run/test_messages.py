"""What a run says that does not fit into memory."""

from pathlib import Path

import pytest
import torch
from command_line import Run, complains

from qwen_pl import __main__
from qwen_pl.training.module import Qwen3Module

FULL = [  # what is said where memory is full, in the words of whoever has none
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    MemoryError(),
]


def test_a_run_that_does_not_fit_into_memory_is_told_what_takes_less(
    qwen_pl: Run,
    config: Path,
    device: torch.device,
    on_device: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = Qwen3Module.training_step

    def training_step(self: Qwen3Module, *args: object) -> torch.Tensor:
        if self.trainer.global_step == 6:
            torch.empty(2**52, device=device)
        return plain(self, *args)

    monkeypatch.setattr(Qwen3Module, "training_step", training_step)
    outcome = qwen_pl("fit", "--config", config, *on_device)
    complains(outcome, "no memory left", "data.batch_size, which is 3", "which is false, to true")
    assert "step=00000005.ckpt: make room and go on with --ckpt_path last" in outcome.err


@pytest.mark.parametrize("error", FULL, ids=lambda error: str(error)[:20])
def test_other_verbs_are_told_too(
    qwen_pl: Run, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(__main__, "import_module", fails)
    complains(qwen_pl("generate"), "no memory left, and ", " more was asked for: ask for")


def test_other_errors_are_not_taken_for_it(qwen_pl: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(__main__, "import_module", fails)
    with pytest.raises(RuntimeError, match="shapes differ"):
        qwen_pl("generate")
