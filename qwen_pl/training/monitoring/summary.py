"""The lines that a run opens with: what is trained, on what, for how long."""

import sys

import lightning.pytorch as pl


class RunSummary(pl.Callback):
    """Prints the size of the network, the device, and how often the text will be seen."""

    def __init__(self, name: str) -> None:
        self.name = name

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        data = trainer.datamodule
        windows = data.settings.batch_size * trainer.world_size * trainer.accumulate_grad_batches
        tokens = windows * data.settings.seq_len
        passes = tokens * trainer.max_steps / data.train_tokens
        print(
            f"{self.name}: {pl_module.config.num_parameters():,} parameters on "
            f"{trainer.world_size} x {trainer.strategy.root_device.type} in {trainer.precision}\n"
            f"steps {trainer.global_step:,} to {trainer.max_steps:,} of {tokens:,} tokens: "
            f"{passes:.1f} passes over {data.train_tokens:,} training tokens",
            file=sys.stderr,
        )
