"""The optimizer of a config: AdamW, or Muon with AdamW for what Muon is not made for."""

import math
from typing import Literal, get_args

from torch import nn
from torch.optim import AdamW, Optimizer

from qwen_pl.errors import InputError
from qwen_pl.training.optim.muon import MuonAndAdamW

OptimizerName = Literal["adamw", "muon"]
NAMES = get_args(OptimizerName)


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

    Source: Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101, for the decay
    """

    def is_for_muon(name: str) -> bool:
        return kind == "muon" and ".layers." in f".{name}"

    parameters = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    matrices = [(name, p) for name, p in parameters if p.ndim >= 2]
    others = [(name, p) for name, p in matrices if not is_for_muon(name)]
    vectors = [(name, p) for name, p in parameters if p.ndim < 2]
    groups = [
        {"params": others, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    fused = all(p.device.type in ("cpu", "cuda") for _, p in [*others, *vectors])
    adamw = AdamW(groups, lr=lr, betas=betas, fused=fused)
    # A fused AdamW could unscale float16 gradients itself, and the Trainer then refuses to clip
    # them. It unscales them before clipping, so nothing is left for the optimizer to unscale.
    adamw._step_supports_amp_scaling = False
    if kind == "adamw":
        return adamw
    hidden = [(name, p) for name, p in matrices if is_for_muon(name)]
    return MuonAndAdamW(hidden, adamw, lr=lr, weight_decay=weight_decay)


def settings_of(optimizer: Optimizer) -> list[dict[str, object]]:
    """What each group of an optimizer is set to, without its parameters and its learning rate."""
    apart = ("params", "param_names", "lr", "initial_lr")
    return [
        {key: value for key, value in group.items() if key not in apart}
        for group in optimizer.param_groups
    ]
