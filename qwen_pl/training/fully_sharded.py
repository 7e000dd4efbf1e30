"""The strategy behind ``configs/strategy/fsdp2.yaml``: FSDP2 over all processes of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from qwen_pl.training.checkpoints.checkpoint import load_checkpoint
from qwen_pl.training.checkpoints.sharded_folder import load_sharded, save_sharded
from qwen_pl.training.devices.sharding import sharded_like, whole


class FullySharded(ModelParallelStrategy):
    """Every process holds its rows of the weights and of the optimizer's state.

    Checkpoints hold the same whichever strategy wrote them, in the same order, so that a run goes
    on from any of them. Lightning's own strategy names what the optimizer keeps in another way,
    writes past our ``WholeCheckpointIO``, and cannot read what one process wrote.

    Args:
        save_distributed_checkpoint: Whether each process writes what it holds into a folder,
            instead of the first one writing all into a file.
        process_group_backend: By default nccl on GPUs and gloo on CPUs.
    """

    def __init__(
        self, save_distributed_checkpoint: bool = False, process_group_backend: str | None = None
    ) -> None:
        super().__init__(
            save_distributed_checkpoint=save_distributed_checkpoint,
            process_group_backend=process_group_backend,
        )
        self.saves_folders = save_distributed_checkpoint

    def setup_environment(self) -> None:
        # Sizes that were given would have to be known before the processes are.
        self._data_parallel_size = self.num_nodes * self.num_processes
        self._tensor_parallel_size = 1
        super().setup_environment()

    @property
    def lightning_restore_optimizer(self) -> bool:
        return True

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """All weights, sharded; a tied one is the same object under both its names."""
        module = self._module
        state_dict = module.state_dict()
        first: dict[int, str] = {}
        for name, parameter in module.named_parameters(remove_duplicate=False):
            state_dict[name] = state_dict[first.setdefault(id(parameter), name)]
        return state_dict

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        if isinstance(optimizer, LightningOptimizer):
            optimizer = optimizer.optimizer
        return optimizer.state_dict()

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any | None = None
    ) -> None:
        if self.saves_folders:
            save_sharded(checkpoint, Path(filepath))
            return
        complete = gathered(checkpoint, keep=self.is_global_zero)
        if self.is_global_zero:
            self.checkpoint_io.save_checkpoint(complete, filepath, storage_options=storage_options)

    def load_checkpoint(
        self, checkpoint_path: str | Path, weights_only: bool | None = None
    ) -> dict[str, Any]:
        path = self.broadcast(str(checkpoint_path))
        if "://" in path:
            return self.checkpoint_io.load_checkpoint(path)
        if Path(path).is_dir():
            return load_sharded(Path(path), self.device_mesh["data_parallel"])
        # Each process reads its rows where they lie in the file, and no others.
        return load_checkpoint(Path(path), mmap=True)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        held, saved = self._module.state_dict(), checkpoint["state_dict"]
        state_dict = {name: _sharded_as(value, held.get(name)) for name, value in saved.items()}
        self._module.load_state_dict(state_dict, strict=strict)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            # The parameters are numbered through all groups, in their order.
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            state = {
                number: {name: _sharded_as(v, parameters[number]) for name, v in values.items()}
                for number, values in saved["state"].items()
            }
            optimizer.load_state_dict({**saved, "state": state})

    @property
    def _module(self) -> LightningModule:
        assert self.lightning_module is not None  # while a run lasts
        return self.lightning_module


def gathered(checkpoint: Any, *, keep: bool) -> Any:
    """A checkpoint with the sharded tensors in it put together on the CPU, one after the other.

    All processes have to ask; in one that does not ``keep`` the result, there is None for them.
    """
    known: dict[int, Tensor | None] = {}  # a tied weight is one object, and stays one

    def together(tensor: DTensor) -> Tensor | None:
        if id(tensor) not in known:
            all_of_it = whole(tensor.detach())
            known[id(tensor)] = all_of_it.cpu() if keep else None
        return known[id(tensor)]

    return apply_to_collection(checkpoint, DTensor, together)


def _sharded_as(value: Any, held: Any) -> Any:
    """A tensor of the shape of one that is held in shards, sharded as that is; all else as is."""
    is_whole = isinstance(value, Tensor) and not isinstance(value, DTensor)
    if is_whole and isinstance(held, DTensor) and value.shape == held.shape:
        return sharded_like(value, held)
    return value
