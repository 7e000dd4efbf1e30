"""Learning-rate schedules as pure functions of the step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from qwen_pl.errors import InputError

ScheduleName = Literal["cosine", "linear", "wsd"]
DecayShape = Literal["sqrt", "linear", "cosine"]

SHAPES: dict[str, Callable[[float], float]] = {
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
    "linear": lambda progress: 1 - progress,
    "sqrt": lambda progress: 1 - math.sqrt(progress),
}
"""Ways from 1 to 0 while the progress goes from 0 to 1."""


@dataclass(frozen=True)
class Schedule:
    """A schedule as a config describes it: which share of the full learning rate a step uses.

    It rises in a straight line over ``warmup_steps``, reaching 1 at the last of them, and falls to
    ``min_lr_ratio`` at ``max_steps``, where it stays.

    - ``cosine`` falls along half a cosine. Source: Loshchilov and Hutter 2017,
      https://arxiv.org/abs/1608.03983, without restarts
    - ``linear`` falls in a straight line. Source: Bergsma et al. 2025, "Straight to zero",
      https://arxiv.org/abs/2502.15938, who find it better than the cosine where it ends at 0
    - ``wsd`` stays at 1 and falls over the last ``decay_ratio`` of ``max_steps``, but begins after
      the warmup, and does not fall where no step is left to it. Until it begins nothing depends on
      ``max_steps``, so a run can be prolonged from there. Source: Hu et al. 2024, "MiniCPM",
      https://arxiv.org/abs/2404.06395; the fall as one minus a square root: Hägele et al. 2024,
      https://arxiv.org/abs/2405.18392

    Raises:
        InputError: If a setting is outside its range.

    >>> def shares(name, max_steps, **settings):
    ...     schedule = Schedule(name, warmup_steps=2, **settings)
    ...     return [round(schedule.share(step, max_steps), 3) for step in range(max_steps + 1)]
    >>> shares("cosine", 6, min_lr_ratio=0.0)
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    >>> shares("linear", 6, min_lr_ratio=0.2)
    [0.5, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2]
    >>> shares("wsd", 10, min_lr_ratio=0.0, decay_ratio=0.4)
    [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.293, 0.134, 0.0]
    """

    name: ScheduleName = "cosine"
    warmup_steps: int = 1000
    min_lr_ratio: float = 0.1
    decay_ratio: float = 0.2
    """For ``wsd`` alone, as is ``decay_shape``."""
    decay_shape: DecayShape = "sqrt"

    def __post_init__(self) -> None:
        if self.name not in get_args(ScheduleName):
            raise InputError(f"model.schedule is {self.name}: give cosine, linear or wsd")
        if self.decay_shape not in SHAPES:
            raise InputError(f"model.decay_shape is {self.decay_shape}: give {', '.join(SHAPES)}")
        if self.warmup_steps < 0:
            raise InputError(f"model.warmup_steps is {self.warmup_steps}: it has to be 0 or more")
        for name in ("min_lr_ratio", "decay_ratio"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InputError(f"model.{name} is {value}: it has to be in [0, 1]")

    def share(self, step: int, max_steps: int) -> float:
        """The share of the full learning rate that ``step`` (from 0) of ``max_steps`` uses."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        decay_from, shape = self.warmup_steps, str(self.name)
        if self.name == "wsd":
            decay_from = max(decay_from, max_steps - round(self.decay_ratio * max_steps))
            shape = self.decay_shape
            if decay_from >= max_steps:
                return 1.0  # there is no step left to fall in
        if step <= decay_from < max_steps:
            return 1.0
        progress = min(1.0, (step - decay_from) / max(1, max_steps - decay_from))
        return self.min_lr_ratio + (1 - self.min_lr_ratio) * SHAPES[shape](progress)
