"""The old name of ``FullySharded``, which configs of earlier runs have."""

from qwen_pl.training.checkpoints.fully_sharded import FullySharded

__all__ = ["FullySharded"]
