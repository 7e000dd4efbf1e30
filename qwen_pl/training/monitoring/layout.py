"""Which curves stand together in TensorBoard's tab of custom scalars."""

from lightning.pytorch.loggers import TensorBoardLogger

# Names are patterns, and one that is not ended would take in longer ones too.
LAYOUT = {
    "learning": {
        "loss": ["Multiline", [r"train_loss$", r"train_loss_smoothed$", r"val_loss$"]],
        "bits per byte": ["Multiline", [r"val_bits_per_byte$", r"reference_bits_per_byte$"]],
        "gradient norm": ["Multiline", [r"gradient_norm$"]],
        "learning rate": ["Multiline", [r"learning_rate$"]],
    },
    "machine": {
        "tokens per second": ["Multiline", [r"tokens_per_second$"]],
        "shares": ["Multiline", [r"mfu$", r"data_wait$", r"device_memory_share$"]],
        "memory in GB": ["Multiline", [r"device_memory_gb$"]],
    },
}


def log_layout(logger: TensorBoardLogger) -> None:
    """Lets TensorBoard show on one page what belongs together; once in a run."""
    logger.experiment.add_custom_scalars(LAYOUT)
