"""Tensors and networks that processes share, each with its rows; of plain tensors all is here."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard
from torch.utils._python_dispatch import TorchDispatchMode

from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

MakeNetwork = Callable[[Qwen3Config], Qwen3ForCausalLM]


def sharded_network(
    make_network: MakeNetwork,
    config: Qwen3Config,
    mesh: DeviceMesh,
    precision: str,
    change: Callable[[Qwen3ForCausalLM], None] | None = None,
) -> Qwen3ForCausalLM:
    """The network that ``make_network`` makes, of which every process holds its rows.

    One that is drawn at random is never whole in a process: each matrix is drawn for itself, as one
    process would draw it from the same seed, and the rows of others are let go.

    Args:
        make_network: ``Qwen3ForCausalLM``, or what reads published weights.
        mesh: The processes, one dimension of them.
        precision: The Trainer's.
        change: What is done to the network before it is split.
    """
    change = change or (lambda network: None)
    if make_network is not Qwen3ForCausalLM:
        network = make_network(config)
        change(network)
        return shard(network, mesh, precision)
    device = torch.device(mesh.device_type)
    with SameDraws(device):
        with torch.device("meta"):
            network = Qwen3ForCausalLM(config)
        change(network)
        shard(network, mesh, precision).to_empty(device=device)
        network.init_weights()
    return network


def shard(network: Qwen3ForCausalLM, mesh: DeviceMesh, precision: str) -> Qwen3ForCausalLM:
    """Splits the rows of every parameter over the processes, in place; FSDP2 puts them together.

    A layer is whole while it computes, forward and backward, and no longer. Embedding, head and
    last norm are whole throughout a step: the loss reads the head's weights by itself, and tied
    embeddings are one matrix.

    Source: Zhao et al. 2023, https://arxiv.org/abs/2304.11277
    """
    # In mixed precision the layers travel in half of the bytes, to compute as autocast has them
    # compute. What runs between the layers stays in float32, as in one process, and so does the
    # embedding that it begins with. Gradients are always summed in float32.
    half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)
    sums = torch.float32
    layers = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=sums, cast_forward_inputs=False)
    rest = MixedPrecisionPolicy(reduce_dtype=sums, cast_forward_inputs=False)
    for layer in network.model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=layers)
    fully_shard(network, mesh=mesh, mp_policy=rest)
    return network


class SameDraws(TorchDispatchMode):
    """Lets random fills draw the same numbers whether a tensor is whole, sharded, or has no memory.

    The generator moves on as if every tensor were whole; of a sharded one, its rows are kept.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        is_draw = func in (torch.ops.aten.normal_.default, torch.ops.aten.uniform_.default)
        if not is_draw or not (args[0].is_meta or isinstance(args[0], DTensor)):
            return func(*args, **kwargs or {})
        tensor, *how = args
        drawn = torch.empty(tensor.shape, dtype=tensor.dtype, device=self.device)
        func(drawn, *how, **kwargs or {})
        if not tensor.is_meta:
            tensor.to_local().copy_(own_rows(drawn, tensor.device_mesh))
        return tensor


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor; where it is sharded, every process has to ask at the same time."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def own_rows(tensor: Tensor, mesh: DeviceMesh) -> Tensor:
    """The rows of a whole tensor that this process has when it is sharded; a view, maybe empty."""
    parts = tensor.chunk(mesh.size())
    rank = mesh.get_local_rank()
    return parts[rank] if rank < len(parts) else tensor[:0]


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


def of_all_processes(mine: Any) -> list[Any]:
    """What each process has as ``mine``, which can be pickled, by rank; all of them have to ask."""
    if not (dist.is_available() and dist.is_initialized()):
        return [mine]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, mine)
    return values
