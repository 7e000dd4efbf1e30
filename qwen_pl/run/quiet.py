"""Leaves out what Lightning says on every run and no user of this project can act on."""

import logging
import os
import warnings

SAID_ON_EVERY_RUN = (
    r".*does not have many workers.*",
    r".*when using `ckpt_path`, callbacks used to create.*",
    r".*The dirpath has changed from.*",
    r".*Checkpoint directory .* exists and is not empty.*",
    r".*isinstance\(treespec, LeafSpec\).*",
    r".*but have no logger configured.*",
    r".*It is recommended to use `self\.log\(.*sync_dist=True.*",
    r".*Total length of `list` across ranks is zero.*",
    r".*lr_scheduler\.step.* before .*optimizer\.step.*",
)


def quieten() -> None:
    """Does so for this process."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    for message in SAID_ON_EVERY_RUN:
        warnings.filterwarnings("ignore", message)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
