"""Pretrain a Qwen3 language model on your own PDFs, with PyTorch Lightning."""

__version__ = "0.1.0"
