"""What is laid over the layers of a network to train it: less memory, float8, a compiler."""

import logging

import torch
from torch import Tensor, nn

from qwen_pl.errors import InputError
from qwen_pl.model.by_hand import gated_product, is_plain
from qwen_pl.model.compilers import lacks_to_compile
from qwen_pl.model.qwen3 import MLP, Qwen3ForCausalLM

MULTIPLE = 16
"""Rows and columns of a matrix have to be a multiple of it to be multiplied in float8."""
OLDEST_CAPABILITY = (8, 9)
"""The first CUDA devices that multiply in float8: Ada, then Hopper (9, 0)."""


def make_frugal(network: Qwen3ForCausalLM) -> None:
    """Lets the feed-forward blocks of a network compute their middle again in backward.

    Blocks are changed where they stand, so that parameters keep their names, and hooks their place.
    """
    for block in network.modules():
        if type(block) is MLP:
            block.__class__ = FrugalMLP


class FrugalMLP(MLP):
    """``down(silu(gate(x)) * up(x))`` in one step, where nothing asks for what is between.

    A hook on ``down_proj`` asks, and so does whatever multiplies in another way (float8, pruning,
    an adapter in its place): then the block computes as it reads. So do compilers, which find out
    by themselves what need not be kept.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(B, T, D)`` to the same shape."""
        is_learning = torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if not is_learning or not is_plain(self.down_proj):
            return super().forward(x)
        return gated_product(self.gate_proj(x), self.up_proj(x), self.down_proj.weight)


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


def compile_layers(network: Qwen3ForCausalLM, device: torch.device) -> None:
    """Compiles each decoder layer where it stands, so that parameters keep their names.

    All layers run the same code, so it is compiled once for each shape of batch. Shapes stay
    apart: code that served several would be made after the second was met, and a run that resumes
    meets them in another order.

    Raises:
        InputError: If there is nothing to compile with.
    """
    if (missing := lacks_to_compile(device)) is not None:
        raise InputError(
            f"model.compile needs {missing} where it trains on {device.type}: install it (g++ or "
            "clang are compilers, on Windows Visual C++), or leave model.compile out"
        )
    # Warns that nothing may change in place where activations are computed again: nothing does.
    logging.getLogger("torch._higher_order_ops.wrap").setLevel(logging.ERROR)
    for layer in network.model.layers:
        layer.compile(dynamic=False)
