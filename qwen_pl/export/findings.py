"""What a check has found, and how it is told."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that was compared.

    >>> print(Finding("weights", "24 tensors equal", True))
      ok       weights       24 tensors equal
    """

    what: str
    figure: str
    """What was measured or counted, or how the two differ."""
    agrees: bool

    def __str__(self) -> str:
        return f"  {'ok' if self.agrees else 'DIFFERS':<8} {self.what:<13} {self.figure}"
