"""How much memory training takes, on the device or, where that is a CPU, in this process."""

import ctypes
import os
import sys
from pathlib import Path

import torch


def take_peak_memory(device: torch.device) -> dict[str, float]:
    """The peak of allocated memory since the last call, under the names of their curves.

    On CUDA that is what tensors took, and the share of the device; elsewhere what the process
    holds at this moment. Nothing waits for the device. Empty where the system does not tell.
    """
    if device.type != "cuda":
        held = process_memory()
        return {} if held is None else {"device_memory_gb": held / 1e9}
    peak = torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    total = torch.cuda.get_device_properties(device).total_memory
    return {"device_memory_gb": peak / 1e9, "device_memory_share": peak / total}


def process_memory() -> int | None:
    """Bytes of memory that this process holds; None where the system does not tell.

    >>> process_memory() > 1e6
    True
    """
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    if sys.platform == "win32":
        return _windows_working_set()
    try:
        import resource
    except ImportError:
        return None
    # macOS tells only the most that was ever held, and in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _windows_working_set() -> int | None:
    class Counters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS of psapi.h."""

        _fields_ = [
            ("size", ctypes.c_uint32),
            ("page_faults", ctypes.c_uint32),
            ("peak_working_set", ctypes.c_size_t),
            ("working_set", ctypes.c_size_t),
            ("others", ctypes.c_size_t * 6),
        ]

    counters = Counters(size=ctypes.sizeof(Counters))
    ask = ctypes.windll.kernel32.K32GetProcessMemoryInfo
    this_process = ctypes.c_void_p(-1)
    told = ask(this_process, ctypes.byref(counters), counters.size)
    return counters.working_set if told else None
