"""What code for a device is compiled with, where it can be."""

import os
import shutil
from importlib.util import find_spec

import torch

COMPILERS = {"cpu": ("CXX", "c++", "g++", "clang++", "cl"), "cuda": ("CC", "gcc", "clang", "cl")}
"""The variable that names one, and the names that are looked for: on CUDA, that of what starts a
kernel; Triton makes the kernel itself."""

OLDEST_CAPABILITY = (7, 0)
"""The first CUDA devices that Triton makes code for: Volta."""


def lacks_to_compile(device: torch.device) -> str | None:
    """What is missing to compile for a device; None if nothing is."""
    if device.type == "cuda":
        if find_spec("triton") is None:
            return "the package triton"
        if torch.cuda.get_device_capability(device) < OLDEST_CAPABILITY:
            return "a GPU of the Volta generation or newer"
    if device.type not in COMPILERS:
        return None
    variable, *names = COMPILERS[device.type]
    if any(map(shutil.which, (os.environ.get(variable, names[0]), *names))):
        return None
    return "a C++ compiler" if device.type == "cpu" else "a C compiler"
