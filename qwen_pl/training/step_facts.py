"""What is known of the step being taken: who finds it out, and who asks for it."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class StepFacts:
    """Handed by those that find something out to those that need it.

    The module makes one, and callbacks get it in their constructors. ``BadSteps`` tells the first
    two, before each step; ``WeightAveraging`` tells the third.
    """

    gradient_norm: Tensor | None = None
    """That of the whole gradient, before clipping. Clipping and the curves ask for it."""
    was_skipped: bool = False
    """Whether the step has left the weights as they were: average and curves do not count it."""
    is_averaged: bool = False
    """Whether the network holds the average of its weights for now: a checkpoint says so."""
