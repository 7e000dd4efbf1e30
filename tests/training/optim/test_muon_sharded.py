"""Muon on weights that two processes share, in the manner of FSDP2."""

import os
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing
from small_networks import backward, build, optimizer_of
from torch.distributed.checkpoint.state_dict import (
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


def test_muon_moves_sharded_weights_as_whole_ones(tmp_path: Path) -> None:
    whole = build()
    optimizer = optimizer_of(whole)
    for seed in range(2):
        backward(whole, seed)
        optimizer.step()
    torch.multiprocessing.spawn(_train, (str(tmp_path),), nprocs=2)
    sharded = torch.load(tmp_path / "weights", weights_only=True)
    for name, p in whole.named_parameters():
        torch.testing.assert_close(sharded[name], p.detach(), rtol=1e-4, atol=1e-5)


def _train(rank: int, folder: str) -> None:
    os.environ.update(OMP_NUM_THREADS="1")
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    network = build()
    mesh = init_device_mesh("cpu", (2,))
    for layer in network.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(network, mesh=mesh)
    optimizer = optimizer_of(network)
    for seed in range(2):
        # Both see the same batch, so the mean of their gradients is that of one process.
        backward(network, seed)
        optimizer.step()
        state = get_optimizer_state_dict(network, optimizer)  # as sharded checkpoints hold it
        optimizer = optimizer_of(network, lr=7.0)
        set_optimizer_state_dict(network, optimizer, state)
    weights = {name: p.full_tensor() for name, p in network.named_parameters()}
    if rank == 0:
        torch.save(weights, f"{folder}/weights")
    dist.destroy_process_group()
