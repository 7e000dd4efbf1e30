"""What a check has found, and how it is told."""

from collections.abc import Sequence
from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that was compared."""

    what: str
    figure: str
    """What was measured or counted, or how the two differ."""
    agrees: bool


def findings_table(findings: Sequence[Finding]) -> str:
    """A line for each finding.

    >>> print(findings_table([Finding("weights", "24 tensors equal", True)]))
      ok       weights       24 tensors equal
    """
    return "\n".join(
        f"  {'ok' if agrees else 'DIFFERS':<8} {what:<13} {figure}"
        for what, figure, agrees in findings
    )
