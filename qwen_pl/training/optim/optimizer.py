"""The optimizer of a config: AdamW, or Muon with AdamW for what Muon is not made for."""

import math
from collections.abc import Iterable
from typing import Literal

from torch import nn
from torch.optim import AdamW, Optimizer

from qwen_pl.errors import InputError
from qwen_pl.training.optim.muon import MuonAndAdamW

OptimizerName = Literal["adamw", "muon"]
NAMES = ("adamw", "muon")

NamedParameters = list[tuple[str, nn.Parameter]]


def check_optimizer(
    name: str, *, lr: float, weight_decay: float, betas: tuple[float, float]
) -> None:
    """Refuses what no optimizer could use.

    Raises:
        InputError: If a setting is outside its range.
    """
    if name not in NAMES:
        raise InputError(f"model.optimizer is {name}: give {' or '.join(NAMES)}")
    for setting, value in (("lr", lr), ("weight_decay", weight_decay)):
        if not 0 <= value < math.inf:
            raise InputError(f"model.{setting} is {value}: it has to be 0 or more")
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        given = ", ".join(map(str, betas))
        raise InputError(f"model.betas is [{given}]: give two numbers in [0, 1)")


def make_optimizer(
    kind: OptimizerName,
    module: nn.Module,
    *,
    lr: float,
    weight_decay: float,
    betas: tuple[float, float],
) -> Optimizer:
    """One optimizer over all parameters of ``module``; only those of two dimensions are decayed.

    Gains of norms are vectors: pulling them to zero would shrink the network's stream, not
    simplify what it has learned. Muon takes the matrices inside the decoder layers. The embedding
    and the head, which are looked up or scored row by row, and the vectors stay with AdamW.

    The groups hold the parameters' names, so that a saved state says which moment is whose.
    """
    parameters = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    matrices = [(name, p) for name, p in parameters if p.ndim >= 2]
    vectors = [(name, p) for name, p in parameters if p.ndim < 2]
    if kind == "adamw":
        return _adamw(matrices, vectors, lr=lr, weight_decay=weight_decay, betas=betas)
    hidden = [(name, p) for name, p in matrices if _is_hidden(name)]
    others = [(name, p) for name, p in matrices if not _is_hidden(name)]
    adamw = _adamw(others, vectors, lr=lr, weight_decay=weight_decay, betas=betas)
    return MuonAndAdamW(hidden, adamw, lr=lr, weight_decay=weight_decay)


def settings_of(optimizer: Optimizer) -> list[dict[str, object]]:
    """What each group of an optimizer is set to, without its parameters and its learning rate."""
    apart = ("params", "param_names", "lr", "initial_lr")
    return [
        {key: value for key, value in group.items() if key not in apart}
        for group in optimizer.param_groups
    ]


def _adamw(
    matrices: NamedParameters,
    vectors: NamedParameters,
    *,
    lr: float,
    weight_decay: float,
    betas: tuple[float, float],
) -> AdamW:
    """AdamW that decays matrices and leaves vectors alone.

    Source: Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101
    """
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    fused = _can_fuse(p for _, p in [*matrices, *vectors])
    optimizer = AdamW(groups, lr=lr, betas=betas, fused=fused)
    # A fused AdamW could unscale float16 gradients itself, and the Trainer then refuses to clip
    # them. It unscales them before clipping, so nothing is left for the optimizer to unscale.
    optimizer._step_supports_amp_scaling = False
    return optimizer


def _can_fuse(parameters: Iterable[nn.Parameter]) -> bool:
    return all(p.device.type in ("cpu", "cuda") for p in parameters)


def _is_hidden(name: str) -> bool:
    return ".layers." in f".{name}"
