"""The optimizer: AdamW that decays matrices and leaves vectors alone."""

from torch import nn
from torch.optim import AdamW


def adamw(
    network: nn.Module, *, lr: float, weight_decay: float, betas: tuple[float, float]
) -> AdamW:
    """AdamW over all parameters; only those of two or more dimensions are decayed.

    Gains of norms are vectors: pulling them to zero would shrink the network's stream, not
    simplify what it has learned.

    Source: Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in ("cpu", "cuda") for p in parameters)
    optimizer = AdamW(groups, lr=lr, betas=betas, fused=fused)
    # A fused AdamW could unscale float16 gradients itself, and the Trainer then refuses to clip
    # them. It unscales them before clipping, so nothing is left for the optimizer to unscale.
    optimizer._step_supports_amp_scaling = False
    return optimizer
