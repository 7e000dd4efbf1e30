"""The keys and values of the tokens seen so far, so that the next one costs one token."""

import torch
from torch import Tensor

from qwen_pl.model.config import Qwen3Config


class KeyValueCache:
    """Room for ``max_len`` tokens in every layer, allocated once.

    Each forward pass writes behind the tokens already there, attends to all of them, and advances
    ``length`` when every layer has written. All rows of a batch have the same length.

    Args:
        config: The sizes of the network that will use it.
        batch_size: Rows in the batch.
        max_len: Tokens per row.
        device: Where the network is.
        dtype: What the network computes in.

    >>> config = Qwen3Config(num_hidden_layers=3, num_key_value_heads=2, head_dim=4)
    >>> cache = KeyValueCache(config, batch_size=1, max_len=7)
    >>> key = torch.ones(1, 2, 5, 4)
    >>> for layer in range(3):
    ...     keys, values = cache.update(layer, key, -key)
    >>> cache.advance(5)
    >>> tuple(keys.shape), cache.length
    ((1, 2, 5, 4), 5)
    """

    def __init__(
        self,
        config: Qwen3Config,
        batch_size: int,
        max_len: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        layers, heads = config.num_hidden_layers, config.num_key_value_heads
        shape = (layers, batch_size, heads, max_len, config.head_dim)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.max_len = max_len
        self.length = 0

    def update(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Adds ``(B, K, T, H)`` to a layer and returns all it holds, ``(B, K, length + T, H)``.

        Raises:
            ValueError: If the tokens do not fit.
        """
        end = self.length + key.shape[2]
        if end > self.max_len:
            raise ValueError(f"{end} tokens in a cache for {self.max_len}: give a larger max_len")
        self.keys[layer, :, :, self.length : end] = key
        self.values[layer, :, :, self.length : end] = value
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def advance(self, num_tokens: int) -> None:
        self.length += num_tokens

    def reset(self) -> None:
        """Forgets all tokens and keeps the memory."""
        self.length = 0
