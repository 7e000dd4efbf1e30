"""Learning-rate schedules as pure functions of the step."""

import math


def warmup_cosine(step: int, *, warmup_steps: int, max_steps: int, min_lr_ratio: float) -> float:
    """The share of the full learning rate that ``step`` (from 0) uses.

    It rises in a straight line over ``warmup_steps``, reaching 1 at the last of them, then falls
    along half a cosine to ``min_lr_ratio`` at ``max_steps`` and stays there.

    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, without restarts.

    >>> shares = [warmup_cosine(s, warmup_steps=2, max_steps=6, min_lr_ratio=0.0) for s in range(7)]
    >>> [round(share, 3) for share in shares]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, max_steps - warmup_steps))
    return min_lr_ratio + (1 - min_lr_ratio) * 0.5 * (1 + math.cos(math.pi * progress))
