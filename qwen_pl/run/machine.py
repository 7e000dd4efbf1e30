"""What a machine gives a run: the processes that were started on it, and its fastest precision."""

import os
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from jsonargparse import Namespace

from qwen_pl.errors import InputError


class Launched(NamedTuple):
    """The processes that something else than Lightning has started."""

    by: str
    per_machine: int
    machines: int


def launched(environment: Mapping[str, str] = os.environ) -> Launched | None:
    """The processes of this run, or None where Lightning is to start them.

    A single SLURM task starts further ones itself, if it is told to take several devices.

    >>> launched({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"})
    Launched(by='torchrun', per_machine=4, machines=2)
    >>> launched({"SLURM_NTASKS": "6", "SLURM_NNODES": "3"})
    Launched(by='srun', per_machine=2, machines=3)
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        processes, here = int(environment["WORLD_SIZE"]), int(environment["LOCAL_WORLD_SIZE"])
        return Launched("torchrun", here, processes // here)
    tasks = int(environment.get("SLURM_NTASKS", 1))
    # A shell on a cluster has the variables of its job too; Lightning knows it by these names.
    is_shell = environment.get("SLURM_JOB_NAME") in ("bash", "interactive")
    if tasks > 1 and not is_shell:
        machines = int(environment.get("SLURM_NNODES", 1))
        return Launched("srun", tasks // machines, machines)
    return None


def fitting_launcher(trainer: Namespace) -> dict[str, Any]:
    """The devices and machines that a config leaves open, as they were started.

    Raises:
        InputError: If the config asks for others.
    """
    found = launched()
    if found is None:
        return {}
    leaves_open = trainer.devices in (None, "auto", -1, "-1")
    if not leaves_open and (asked := _count(trainer.devices)) != found.per_machine:
        raise InputError(
            f"trainer.devices is {asked}, but {found.by} started {found.per_machine} processes on "
            "this machine: leave one of the two to the other"
        )
    if trainer.num_nodes not in (1, found.machines):
        raise InputError(
            f"trainer.num_nodes is {trainer.num_nodes}, but {found.by} started processes on "
            f"{found.machines}: leave it out"
        )
    if found.by == "srun":
        # Lightning wants to be told what it could have counted.
        os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(found.per_machine))
    devices = {"devices": found.per_machine} if leaves_open else {}
    return devices | {"num_nodes": found.machines}


def _count(devices: Any) -> int:
    """How many devices a setting names: a number, or a list of them.

    >>> _count(2), _count("2"), _count("0,3,5"), _count([1, 2])
    (2, 2, 3, 2)
    """
    if isinstance(devices, list):
        return len(devices)
    text = str(devices)
    return len([part for part in text.split(",") if part]) if "," in text else int(text)


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


def end_with_parent() -> None:
    """Lets a process that Lightning has started end soon after the first one, however that ended.

    It would else wait for it, on GPUs for half an hour. torchrun and SLURM see to that themselves.
    """
    if os.name == "nt" or "LOCAL_RANK" not in os.environ or launched() is not None:
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()
