"""Settings of the Trainer: the precision where none is given, and those that no run can use."""

import torch
from jsonargparse import Namespace

from qwen_pl.errors import InputError


def fitting_precision(accelerator: str) -> str:
    """bfloat16 where the hardware multiplies in it, else float32, which is then the faster one.

    ``benchmarks/precision.py`` compares the two on the machine at hand.
    """
    has_bfloat16 = False
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    elif accelerator == "cpu" or (accelerator == "auto" and not torch.backends.mps.is_available()):
        capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        has_bfloat16 = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return "bf16-mixed" if has_bfloat16 else "32-true"


def check_trainer_settings(trainer: Namespace) -> None:
    """Refuses what the Trainer takes and then fails at, in the middle of a run.

    Raises:
        InputError: If a setting cannot be used.
    """
    for name, least in (("accumulate_grad_batches", 1), ("val_check_interval", 0)):
        value = getattr(trainer, name)
        if isinstance(value, int | float) and (value < least or value == 0):
            raise InputError(f"trainer.{name} is {value}: it has to be at least 1")
    if trainer.gradient_clip_val is not None and trainer.gradient_clip_val < 0:
        raise InputError(
            f"trainer.gradient_clip_val is {trainer.gradient_clip_val}: it has to be positive, or "
            "0 for no clipping"
        )
    if trainer.precision == "16-true":
        raise InputError(
            "trainer.precision is 16-true, and AdamW's moments are too small for float16: give "
            "16-mixed, or bf16-true"
        )
