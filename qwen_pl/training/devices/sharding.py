"""Splits a network over the processes of a run, layer by layer, with the weights of one process."""

from collections.abc import Callable
from typing import Any

import torch
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode

from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.training.devices.dtensors import own_rows

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
        config: Sizes of the network.
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
        whole = torch.empty(tensor.shape, dtype=tensor.dtype, device=self.device)
        func(whole, *how, **kwargs or {})
        if not tensor.is_meta:
            tensor.to_local().copy_(own_rows(whole, tensor.device_mesh))
        return tensor
