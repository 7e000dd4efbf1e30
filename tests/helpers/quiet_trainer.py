"""A Trainer that neither prints nor writes anything."""

from typing import Any

import lightning.pytorch as pl


def quiet_trainer(**settings: Any) -> pl.Trainer:
    """Lightning's Trainer on the CPU with these settings."""
    return pl.Trainer(
        **settings,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
