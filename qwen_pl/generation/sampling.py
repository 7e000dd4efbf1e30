"""How the next token is drawn from its logits."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from qwen_pl.errors import InputError


@dataclass(frozen=True)
class Sampling:
    """How much to write, and how freely.

    Raises:
        InputError: If a setting is outside its range.
    """

    max_new_tokens: int = 128
    temperature: float = 0.8
    """Below 1 the likely tokens become likelier; 0 always takes the likeliest."""
    top_k: int | None = 50
    """Choose among this many likeliest tokens; 0 for all."""
    top_p: float | None = 0.95
    """Choose among the likeliest tokens that hold this share of the probability; 1 for all."""
    seed: int | None = None
    """The same seed writes the same text; without one, each text is new."""

    def __post_init__(self) -> None:
        if self.max_new_tokens < 0:
            raise InputError(f"max_new_tokens is {self.max_new_tokens}: give 0 or more")
        _check(self.temperature, self.top_k, self.top_p)


def sample(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draws one token per row.

    The order is that of Transformers: temperature, then the ``top_k`` likeliest, then of those the
    fewest that hold ``top_p`` of the probability (Holtzman et al. 2020,
    https://arxiv.org/abs/1904.09751).

    Args:
        logits: ``(B, V)``, any floating dtype.
        temperature: 0 takes the likeliest token.
        top_k: 0 or None for all tokens.
        top_p: In (0, 1]; None for all tokens.
        generator: Where randomness comes from, on the device of the logits.

    Returns:
        ``(B,)`` int64.

    Raises:
        InputError: If a setting is outside its range.

    >>> logits = torch.tensor([[0.0, 2.0, 1.0]])
    >>> sample(logits, temperature=0), sample(logits, top_k=1), sample(logits, top_p=0.5)
    (tensor([1]), tensor([1]), tensor([1]))
    """
    _check(temperature, top_k, top_p)
    if temperature == 0:
        return logits.argmax(-1)
    # Sorted once, both cuts keep a head of the list.
    size = min(top_k or logits.shape[-1], logits.shape[-1])
    logits, tokens = logits.float().topk(size, dim=-1)  # (B, size), likeliest first
    # Colder than this only overflows.
    probabilities = (logits / max(temperature, 1e-6)).softmax(-1)
    if top_p is not None:
        before = probabilities.cumsum(-1) - probabilities
        before[:, 0] = 0.0  # the likeliest stays, whatever rounding did
        probabilities = probabilities.masked_fill(before >= top_p, 0.0)
    choice = torch.multinomial(probabilities, 1, generator=generator)
    return tokens.gather(-1, choice).squeeze(-1)


def _check(temperature: float, top_k: int | None, top_p: float | None) -> None:
    if not 0 <= temperature < math.inf:
        raise InputError(f"temperature is {temperature}: give 0 for the likeliest token, or more")
    if top_k is not None and top_k < 0:
        raise InputError(f"top_k is {top_k}: give 0 for all tokens, or more")
    if top_p is not None and not 0 < top_p <= 1:
        raise InputError(f"top_p is {top_p}: give a share above 0, up to 1 for all tokens")
