"""Splits a network over the processes of a run, layer by layer, with the weights of one process."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard
from torch.utils._python_dispatch import TorchDispatchMode

from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

MakeNetwork = Callable[[Qwen3Config], Qwen3ForCausalLM]


def sharded_network(
    make_network: MakeNetwork, config: Qwen3Config, mesh: DeviceMesh, precision: str
) -> Qwen3ForCausalLM:
    """The network that ``make_network`` makes, of which every process holds its rows.

    One that is drawn at random is never whole in a process: each matrix is drawn for itself, as one
    process would draw it from the same seed, and the rows of others are let go.

    Args:
        make_network: ``Qwen3ForCausalLM``, or what reads published weights.
        config: Sizes of the network.
        mesh: The processes, one dimension of them.
        precision: The Trainer's.
    """
    if make_network is not Qwen3ForCausalLM:
        return shard(make_network(config), mesh, precision)
    device = torch.device(mesh.device_type)
    with SameDraws(device):
        with torch.device("meta"):
            network = Qwen3ForCausalLM(config)
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
    return fully_shard(network, mesh=mesh, mp_policy=rest)


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
        whole = torch.empty(tensor.shape, dtype=tensor.dtype, device=self.device)
        func(whole, *how, **kwargs or {})
        if not tensor.is_meta:
            tensor.to_local().copy_(own_rows(whole, tensor.device_mesh))
        return tensor


def own_rows(whole: Tensor, mesh: DeviceMesh) -> Tensor:
    """The rows of ``whole`` that this process holds when it is sharded; a view, maybe empty."""
    parts = whole.chunk(mesh.size())
    rank = mesh.get_local_rank()
    return parts[rank] if rank < len(parts) else whole[:0]


def as_sharded(whole: Tensor, like: DTensor) -> DTensor:
    """``whole``, which every process has, sharded like ``like`` and on its device; a copy."""
    rows = own_rows(whole, like.device_mesh).to(like.to_local().device, copy=True)
    return DTensor.from_local(
        rows,
        like.device_mesh,
        [Shard(0)],
        run_check=False,
        shape=whole.shape,
        stride=torch.empty(whole.shape, device="meta").stride(),  # row-major
    )
