"""Tensors that processes share, whole and in parts; of plain tensors all is here already."""

import torch
from torch import Tensor, nn
from torch.distributed import DeviceMesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, Shard


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor; where it is sharded, every process has to ask at the same time."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def sharded_like(tensor: Tensor, other: Tensor) -> Tensor:
    """This process's rows of a whole tensor that all of them have, as ``other`` has its own.

    They are a copy, and all that goes to the device of ``other``. Where that is not sharded, it is
    the whole tensor on that device, and no copy if it is there already.
    """
    if not isinstance(other, DTensor):
        return tensor.to(other.device)
    rows = own_rows(tensor, other.device_mesh).to(
        other.to_local().device, copy=True, memory_format=torch.contiguous_format
    )
    return DTensor.from_local(
        rows,
        other.device_mesh,
        [Shard(0)],
        run_check=False,
        shape=tensor.shape,
        stride=torch.empty(tensor.shape, device="meta").stride(),  # row-major
    )


def own_rows(whole: Tensor, mesh: DeviceMesh) -> Tensor:
    """The rows of ``whole`` that this process holds when it is sharded; a view, maybe empty."""
    parts = whole.chunk(mesh.size())
    rank = mesh.get_local_rank()
    return parts[rank] if rank < len(parts) else whole[:0]


def own_weights(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The named parameters of a module, as this process keeps them.

    FSDP2 leaves some put together after a validation, as copies that may be read and not changed.
    """
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()
    return list(module.named_parameters())


def is_sharded(module: nn.Module) -> bool:
    """Whether any weight of a module lies in parts on several processes."""
    return any(isinstance(parameter, DTensor) for parameter in module.parameters())
