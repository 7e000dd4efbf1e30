"""Compiles the decoder layers of a network, one like the other."""

import logging
import os
import shutil

import torch

from qwen_pl.errors import InputError
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

COMPILERS = ("c++", "g++", "clang++", "cl")


def compile_layers(network: Qwen3ForCausalLM, device: torch.device) -> None:
    """Compiles each decoder layer where it stands, so that parameters keep their names.

    All layers run the same code, so it is compiled once for each shape of batch. Shapes stay
    apart: code that served several would be made after the second was met, and a run that resumes
    meets them in another order.

    Raises:
        InputError: If there is nothing to compile with.
    """
    if device.type == "cpu" and not any(
        map(shutil.which, (os.environ.get("CXX", "c++"), *COMPILERS))
    ):
        raise InputError(
            "model.compile needs a C++ compiler where it trains on a CPU: install one (g++, clang "
            "or Visual C++), or leave it out"
        )
    # Warns that nothing may change in place where activations are computed again: nothing does.
    logging.getLogger("torch._higher_order_ops.wrap").setLevel(logging.ERROR)
    for layer in network.model.layers:
        layer.compile(dynamic=False)
