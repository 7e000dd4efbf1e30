"""An average that forgets: what remains of a noisy curve when the noise is gone."""

import math


class SmoothedValue:
    """An exponential moving average over steps, without the pull to 0 that it would begin with.

    After ``s`` steps of value ``x`` the average is ``a·average + (1 - a)·x`` with ``a = exp(-s /
    steps)``, over the weight that all values have together. What is no number is left out.

    Source: Kingma and Ba 2015, https://arxiv.org/abs/1412.6980, section 3, for the weight

    Args:
        steps: Steps after which a value counts 1/e of what it did.

    >>> smoothed = SmoothedValue(steps=10)
    >>> smoothed.add(5.0), round(smoothed.add(5.0, steps=3), 9)
    (5.0, 5.0)
    >>> round(smoothed.add(3.0, steps=4), 3), smoothed.add(math.nan) == smoothed.value
    (3.803, True)
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._sum = 0.0
        self._weight = 0.0

    @property
    def value(self) -> float:
        """The average so far; not a number before there is one."""
        return self._sum / self._weight if self._weight else math.nan

    def add(self, value: float, steps: int = 1) -> float:
        """Takes in a value that stands for so many steps, and gives the average."""
        if math.isfinite(value):
            kept = math.exp(-steps / self.steps)
            self._sum = kept * self._sum + (1 - kept) * value
            self._weight = kept * self._weight + (1 - kept)
        return self.value

    def state_dict(self) -> dict[str, float]:
        return {"sum": self._sum, "weight": self._weight}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self._sum, self._weight = state["sum"], state["weight"]
