"""How much memory training takes, on the device or, where that is a CPU, in this process."""

import psutil
import torch


def take_peak_memory(device: torch.device) -> dict[str, float]:
    """The peak of allocated memory since the last call, under the names of their curves.

    On CUDA that is what tensors took, and the share of the device; elsewhere what the process
    holds at this moment. Nothing waits for the device.
    """
    if device.type != "cuda":
        return {"device_memory_gb": psutil.Process().memory_info().rss / 1e9}
    peak = torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    total = torch.cuda.get_device_properties(device).total_memory
    return {"device_memory_gb": peak / 1e9, "device_memory_share": peak / total}
