"""Tensors that processes share, whole and in parts; of plain tensors all is here already."""

from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, Replicate


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor; where it is sharded, every process has to ask at the same time."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def sharded_like(tensor: Tensor, other: Tensor) -> Tensor:
    """This process's part of a whole tensor that all of them have, laid out as ``other`` is."""
    if not isinstance(other, DTensor):
        return tensor
    everywhere = [Replicate()] * other.device_mesh.ndim
    distributed = DTensor.from_local(tensor, other.device_mesh, everywhere, run_check=False)
    return distributed.redistribute(placements=other.placements)


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
