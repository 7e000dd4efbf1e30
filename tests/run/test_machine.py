"""Which precision a run takes where its user names none."""

import pytest

from qwen_pl.run.machine import fitting_precision


@pytest.mark.parametrize(
    ("accelerator", "has_cuda", "cuda_multiplies", "capabilities", "precision"),
    [
        ("auto", True, True, {}, "bf16-mixed"),
        ("gpu", True, True, {}, "bf16-mixed"),
        ("auto", True, False, {"amx_bf16": True}, "32-true"),
        ("cpu", True, True, {}, "32-true"),
        ("cpu", False, False, {"avx512_bf16": True}, "bf16-mixed"),
        ("auto", False, False, {"amx_bf16": True}, "bf16-mixed"),
        ("auto", False, False, {"avx512_bf16": False}, "32-true"),
        ("mps", False, False, {}, "32-true"),
    ],
)
def test_bfloat16_is_taken_where_the_hardware_multiplies_in_it(
    monkeypatch: pytest.MonkeyPatch,
    accelerator: str,
    has_cuda: bool,
    cuda_multiplies: bool,
    capabilities: dict[str, bool],
    precision: str,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: has_cuda)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: cuda_multiplies)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: capabilities, raising=False)
    assert fitting_precision(accelerator) == precision
