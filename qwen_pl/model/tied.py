"""Tied embeddings in a state dict: one matrix under two names."""

from torch import Tensor

from qwen_pl.errors import InputError


def fill_in_tied(state_dict: dict[str, Tensor], *names: str) -> None:
    """Gives both ``names`` of the one matrix to a state dict of which one is there.

    Raises:
        InputError: If both are, and differ: then one of two matrices would be lost.
    """
    held = [state_dict[name] for name in names if name in state_dict]
    if not held:
        return
    if not _is_one(held[0], held[-1]):
        raise InputError(
            f"{names[0]} and {names[1]} differ, but tie_word_embeddings is true: these weights are "
            "of a network with tie_word_embeddings false"
        )
    for name in names:
        state_dict.setdefault(name, held[0])


def _is_one(embedding: Tensor, head: Tensor) -> bool:
    """Whether two tensors are the same memory or hold the same, of whatever dtype."""
    if embedding is head or embedding.is_meta or head.is_meta or embedding.shape != head.shape:
        return True  # shapes that do not fit are complained of when they are loaded
    # DTensors, of which each process has its own rows; to load that class takes half a second.
    if hasattr(embedding, "to_local") and hasattr(head, "to_local"):
        embedding, head = embedding.to_local(), head.to_local()
    if embedding.data_ptr() == head.data_ptr():
        return True
    same = embedding.eq(head) | (embedding.isnan() & head.isnan())
    return bool(same.all())
