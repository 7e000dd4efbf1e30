"""Lightning's own callbacks, as a config names them, fitted to runs that have steps, not epochs."""

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.callbacks import Callback, LearningRateFinder, StochasticWeightAveraging

from qwen_pl.errors import InputError
from qwen_pl.training.lightning_fixes.lr_finder import TidyLearningRateFinder
from qwen_pl.training.lightning_fixes.stopping import ToldStop


def fitted(callbacks: Sequence[Callback], run_dir: Path) -> list[Callback]:
    """The callbacks in the form they need here, in their order.

    Raises:
        InputError: If one of them cannot work here.
    """
    for callback in callbacks:
        if isinstance(callback, StochasticWeightAveraging):
            raise InputError(
                "StochasticWeightAveraging counts epochs, of which a run has none: leave it out"
            )
    tidy = [
        TidyLearningRateFinder.of(c, run_dir) if type(c) is LearningRateFinder else c
        for c in callbacks
    ]
    return [ToldStop(tidy), *tidy]
