"""The keys and values of the tokens seen so far, so that the next one costs one token."""

import torch
import torch.nn.functional as F
from torch import Tensor

from qwen_pl.model.config import Qwen3Config


class KeyValueCache:
    """Room for ``max_len`` tokens in every layer, allocated once.

    Each forward pass writes behind the tokens already there, attends to all of them, and advances
    ``lengths`` when every layer has written. Rows may differ in length: what a shorter prompt was
    padded with on its right is forgotten by setting its length, and the next token overwrites it.
    It takes ``2 · layers · B · K · max_len · H`` numbers.

    Source: Pope et al. 2022, https://arxiv.org/abs/2211.05102

    >>> config = Qwen3Config(num_hidden_layers=3, num_key_value_heads=2, head_dim=4)
    >>> cache = KeyValueCache(config, batch_size=1, max_len=7)
    >>> key = torch.ones(1, 2, 5, 4)
    >>> for layer in range(3):
    ...     keys, values = cache.update(layer, key, -key)
    >>> cache.advance(5)
    >>> tuple(keys.shape), cache.lengths
    ((1, 2, 5, 4), [5])
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
        keys, values = (torch.zeros(shape, device=device, dtype=dtype) for _ in range(2))
        self._take(keys, values, [0] * batch_size)

    def _take(self, keys: Tensor, values: Tensor, lengths: list[int]) -> None:
        self.keys = keys
        self.values = values
        self.max_len = keys.shape[3]
        self._layers = list(zip(keys.unbind(), values.unbind(), strict=True))  # (B, K, max_len, H)
        self.lengths = lengths
        """Tokens that each row holds. May be set, to forget the newest ones of a row."""
        self._places: tuple[list[int], int, Tensor] | None = None

    @property
    def length(self) -> int:
        """Tokens that the longest row holds."""
        return max(self.lengths, default=0)

    def rows(self, first: int, end: int) -> "KeyValueCache":
        """Some of the rows, as a cache in the same memory with lengths of its own."""
        part = object.__new__(KeyValueCache)
        part._take(self.keys[:, first:end], self.values[:, first:end], self.lengths[first:end])
        return part

    def resized(self, batch_size: int, max_len: int) -> "KeyValueCache":
        """The same rows in a larger cache."""
        num_new = batch_size - len(self.lengths)
        padding = (0, 0, 0, max_len - self.max_len, 0, 0, 0, num_new)  # from the last dimension on
        larger = object.__new__(KeyValueCache)
        keys, values = (F.pad(old, padding) for old in (self.keys, self.values))
        larger._take(keys, values, self.lengths + [0] * num_new)
        return larger

    def move(self, origin: int, target: int) -> None:
        """Writes one row over another."""
        length = self.lengths[origin]
        for held in (self.keys, self.values):
            held[:, target, :, :length] = held[:, origin, :, :length]
        self.lengths[target] = length

    def positions(self, num_tokens: int) -> Tensor:
        """Where the next ``T`` tokens stand: ``(T,)`` int64, or ``(B, T)`` where rows differ."""
        if self._places is None or self._places[:2] != (self.lengths, num_tokens):
            device = self.keys.device
            if self._is_even:
                places = torch.arange(self.length, self.length + num_tokens, device=device)
            else:
                new = torch.arange(num_tokens, device=device)
                places = torch.tensor(self.lengths, device=device).unsqueeze(1) + new
            self._places = (self.lengths.copy(), num_tokens, places)  # every layer asks again
        return self._places[2]

    def mask(self, num_tokens: int) -> Tensor | None:
        """Whom the next ``T`` tokens see, ``(1 or B, 1, T, S)`` bool; None for all, causally.

        ``S`` is what ``update`` returns: the longest row with its new tokens.
        """
        if self._is_even and (num_tokens == 1 or self.length == 0):
            return None
        positions = self.positions(num_tokens).view(-1, 1, num_tokens, 1)
        return torch.arange(self.length + num_tokens, device=positions.device) <= positions

    def update(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Adds ``(B, K, T, H)`` to a layer and returns all it holds, ``(B, K, S, H)``.

        Raises:
            ValueError: If the tokens do not fit.
        """
        start, num_tokens = self.length, key.shape[2]
        end = start + num_tokens
        if end > self.max_len:
            raise ValueError(f"{end} tokens in a cache for {self.max_len}: give a larger max_len")
        keys, values = self._layers[layer]
        if self._is_even:
            keys.narrow(2, start, num_tokens).copy_(key)
            values.narrow(2, start, num_tokens).copy_(value)
        else:
            rows = torch.arange(len(self.lengths), device=key.device).unsqueeze(1)  # (B, 1)
            positions = self.positions(num_tokens)  # (B, T)
            # Indexed from both sides of the heads, the places come out as (B, T, K, H).
            keys[rows, :, positions] = key.transpose(1, 2).to(keys.dtype)
            values[rows, :, positions] = value.transpose(1, 2).to(values.dtype)
        return keys.narrow(2, 0, end), values.narrow(2, 0, end)

    def advance(self, num_tokens: int) -> None:
        self.lengths = [length + num_tokens for length in self.lengths]

    @property
    def _is_even(self) -> bool:
        return len(set(self.lengths)) < 2
