"""Pretrain a Qwen3 language model on your own PDFs, with PyTorch Lightning."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qwen_pl.generation.generate import generate

__version__ = "0.1.0"
__all__ = ["generate"]


def __getattr__(name: str) -> Any:
    """The door for Python: ``from qwen_pl import generate``, which loads torch when it is asked."""
    if name == "generate":
        from qwen_pl.generation.generate import generate

        return generate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
