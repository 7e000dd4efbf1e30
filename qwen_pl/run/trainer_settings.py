"""Settings of the Trainer: the precision where none is given, and those that no run can use."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jsonargparse import Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException

from qwen_pl.errors import InputError


def fitting_precision(accelerator: str) -> str:
    """bfloat16 where the hardware multiplies in it, else float32, which is then the faster one.

    ``benchmarks/precision.py`` compares the two on the machine at hand.
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    elif accelerator == "cpu" or (accelerator == "auto" and not torch.backends.mps.is_available()):
        capabilities = getattr(torch.cpu, "get_capabilities", dict)()
        has_bfloat16 = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    else:
        has_bfloat16 = False
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


@contextmanager
def refusals_in_one_line() -> Iterator[None]:
    """Makes what the Trainer says of settings that it cannot take an error of the user's."""
    try:
        yield
    except InputError:
        raise
    except (MisconfigurationException, ModuleNotFoundError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"the Trainer cannot be made from these settings: {reason}") from error
