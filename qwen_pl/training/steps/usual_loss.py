"""What the loss usually is, learned as training goes, to tell when it is not."""

import math
from dataclasses import dataclass

HORIZON = 100
"""Steps that the mean and the deviation look back on, about."""
LEAST_DEVIATION = 0.01
"""As a share of the mean: a loss that has hardly moved for long would else seem to leap."""


@dataclass
class UsualLoss:
    """Running mean and deviation of the loss, of which leaps move little.

    The first steps count alike, later ones fade: each ``1 / HORIZON`` of what is left. A loss
    farther from the mean than ``most`` deviations counts as if it were that far. So one leap hides
    no other, and a loss that stays where it leapt to is soon the usual one.

    >>> usual = UsualLoss()
    >>> for loss in (4.0, 3.8, 4.2, 3.9, 4.1):
    ...     usual.add(loss, most=6)
    >>> round(usual.mean, 2), round(usual.deviation, 3), round(usual.deviations(5.0), 1)
    (4.0, 0.141, 7.1)
    """

    mean: float = 0.0
    variance: float = 0.0
    count: int = 0

    @property
    def deviation(self) -> float:
        """The standard deviation, but at least a hundredth of the mean."""
        return max(math.sqrt(self.variance), LEAST_DEVIATION * abs(self.mean))

    def deviations(self, loss: float) -> float:
        """How many deviations a loss lies above the mean."""
        return (loss - self.mean) / self.deviation if self.count else 0.0

    def add(self, loss: float, most: float) -> None:
        """Counts the loss of a step, if it is a number."""
        if not math.isfinite(loss):
            return
        if self.count > 1:
            reach = most * self.deviation
            loss = min(max(loss, self.mean - reach), self.mean + reach)
        self.count += 1
        share = max(1 / self.count, 1 / HORIZON)
        difference = loss - self.mean
        self.mean += share * difference
        self.variance = (1 - share) * (self.variance + share * difference**2)
