"""What is known of the step being taken: who finds it out, and who asks for it."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class StepFacts:
    """Handed by those that find something out to those that need it.

    The module makes one, and callbacks get it in their constructors. ``BadSteps`` tells the first
    two, before each step; ``WeightAveraging`` tells the third.

    Attributes:
        gradient_norm: That of the whole gradient, before clipping; None if nobody has computed it.
            Clipping and the curves ask for it, that it is computed once.
        was_skipped: Whether the step has left the weights as they were. The average and the curves
            ask, which do not count such steps.
        is_averaged: Whether the network holds the average of its weights for now. The module asks,
            to say so in a checkpoint.
    """

    gradient_norm: Tensor | None = None
    was_skipped: bool = False
    is_averaged: bool = False
