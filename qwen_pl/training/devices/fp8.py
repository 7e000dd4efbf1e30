"""Products of the decoder layers in float8, by torchao; weights stay as they are."""

import torch
from torch import nn

from qwen_pl.errors import InputError
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

MULTIPLE = 16
"""Rows and columns of a matrix have to be a multiple of it."""

OLDEST_CAPABILITY = (8, 9)
"""The first CUDA devices that multiply in float8: Ada, then Hopper (9, 0)."""


def check_fp8(device: torch.device) -> None:
    """Makes sure that a device multiplies in float8.

    Raises:
        InputError: If it does not.
    """
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
    if capability is None or capability < OLDEST_CAPABILITY:
        name = device.type if capability is None else torch.cuda.get_device_name(device)
        raise InputError(
            f"model.fp8 needs an NVIDIA GPU of the Hopper generation or newer, and this is {name}: "
            "leave it out"
        )


def multiply_in_fp8(network: Qwen3ForCausalLM, *, emulate: bool = False) -> None:
    """Lets every matrix of the decoder layers multiply in float8, forward and backward.

    Inputs, weights and gradients are each scaled by their largest element and rounded: activations
    and weights to e4m3, gradients to e5m2. Sums are in higher precision, and parameters keep name
    and dtype, so checkpoints are those of any other run. The head is left as it is.

    Source: Micikevicius et al. 2022, https://arxiv.org/abs/2209.05433

    Args:
        network: Its layers are changed in place.
        emulate: Whether to round to float8 but to multiply in the dtype of the inputs, as any
            device can.

    Raises:
        InputError: If torchao is missing, or no matrix has sizes that fit.
    """
    try:
        from torchao.float8 import Float8LinearConfig, convert_to_float8_training
    except ImportError:
        raise InputError("model.fp8 needs torchao: pip install torchao") from None
    converted: list[str] = []

    def is_fitting(module: nn.Linear, name: str) -> bool:
        fits = module.in_features % MULTIPLE == module.out_features % MULTIPLE == 0
        converted.extend([name] * fits)
        return fits

    # The sum over tokens of a gradient is padded, as a batch may have any number of them.
    config = Float8LinearConfig(emulate=emulate, pad_inner_dim=True)
    convert_to_float8_training(network.model, module_filter_fn=is_fitting, config=config)
    if not converted:
        raise InputError(
            f"model.fp8 needs sizes in model.config that are multiples of {MULTIPLE}, and none is"
        )
