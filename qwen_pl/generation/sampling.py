"""How the next token is drawn from its logits."""

import math
from dataclasses import dataclass
from typing import Literal

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
    min_p: float | None = None
    """Leave out tokens less likely than this share of the likeliest one's probability."""
    repetition_penalty: float = 1.0
    """Above 1, tokens of the prompt and the text so far become less likely; 1 leaves them."""
    stop: tuple[str, ...] = ()
    """Strings that end the text, which is cut before them."""
    seed: int | None = None
    """The same seed writes the same text; without one, each text is new."""
    when_full: Literal["slide", "stop"] = "slide"
    """At the longest context of the model, go on from the newest half of it, or end the text."""

    def __post_init__(self) -> None:
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        object.__setattr__(self, "stop", stop)
        if not self.max_new_tokens >= 0:
            raise InputError(f"max_new_tokens is {self.max_new_tokens}: give 0 or more")
        if not 0 <= self.temperature < math.inf:
            raise InputError(
                f"temperature is {self.temperature}: give 0 for the likeliest token, or more"
            )
        if self.top_k is not None and not self.top_k >= 0:
            raise InputError(f"top_k is {self.top_k}: give 0 for all tokens, or more")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise InputError(f"top_p is {self.top_p}: give a share above 0, up to 1 for all tokens")
        if self.min_p is not None and not 0 <= self.min_p <= 1:
            raise InputError(f"min_p is {self.min_p}: give a share from 0, for all tokens, to 1")
        if not 0 < self.repetition_penalty < math.inf:
            raise InputError(
                f"repetition_penalty is {self.repetition_penalty}: give 1 for none, or more"
            )
        if not all(isinstance(text, str) and text for text in stop):
            raise InputError(f"stop is {list(stop)}: an empty string would end every text at once")
        if self.when_full not in ("slide", "stop"):
            raise InputError(f"when_full is {self.when_full}: give slide or stop")


def sample(logits: Tensor, sampling: Sampling, chances: Tensor | None = None) -> Tensor:
    """Draws one token per row, each with its own chance.

    Args:
        logits: ``(B, V)``, any floating dtype.
        sampling: How freely.
        chances: ``(B,)`` float32 in [0, 1), uniform: the tokens left are laid out on a line,
            likeliest first and each as long as it is likely, and this share of it is the choice.
            Not needed at temperature 0.

    Returns:
        ``(B,)`` int64.

    >>> logits = torch.tensor([[0.0, 2.0, 1.0]])
    >>> sample(logits, Sampling(temperature=0))
    tensor([1])
    >>> sample(logits, Sampling(temperature=1, top_k=2), torch.tensor([0.9]))
    tensor([2])
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    assert chances is not None, "a temperature above 0 needs chances"
    probabilities, tokens = distribution(logits, sampling)
    line = probabilities.cumsum(-1)  # (B, size)
    place = torch.searchsorted(line, chances.unsqueeze(-1) * line[:, -1:], right=True)
    # Rounding may lead past the end; the likely tokens come first, so the last one left is there.
    last = (probabilities > 0).sum(-1, keepdim=True) - 1
    return tokens.gather(-1, torch.minimum(place, last)).squeeze(-1)


def distribution(logits: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """The tokens that may be drawn, likeliest first, and how likely they are.

    The order is that of Transformers: temperature, the ``top_k`` likeliest, of those the fewest
    that hold ``top_p`` of the probability (Holtzman et al. 2020, https://arxiv.org/abs/1904.09751),
    of those the ones with ``min_p`` of the likeliest one's (Nguyen et al. 2024,
    https://arxiv.org/abs/2407.01082).

    Args:
        logits: ``(B, V)``, any floating dtype; the temperature is above 0.

    Returns:
        Probabilities ``(B, size)`` float32, up to a factor, zero for what is left out; and the
        token ids ``(B, size)`` int64.
    """
    # Sorted once, every cut keeps a head of the list.
    size = min(sampling.top_k or logits.shape[-1], logits.shape[-1])
    logits, tokens = logits.float().topk(size, dim=-1)  # (B, size), likeliest first
    # Colder than this only overflows.
    probabilities = (logits / max(sampling.temperature, 1e-6)).softmax(-1)
    if sampling.top_p is not None and sampling.top_p < 1:
        before = probabilities.cumsum(-1) - probabilities
        before[:, 0] = 0.0  # the likeliest stays, whatever rounding did
        probabilities = probabilities.masked_fill(before >= sampling.top_p, 0.0)
    if sampling.min_p:
        least = sampling.min_p * probabilities[:, :1]
        probabilities = probabilities.masked_fill(probabilities < least, 0.0)
    return probabilities, tokens


def penalise(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Makes tokens less likely that were there before, all alike however often they were.

    Of ``(B, V)`` logits, ``seen`` is a bool for each, whether its token was there. Negative ones
    are multiplied, as in Transformers, since dividing them would make their tokens likelier.

    Source: Keskar et al. 2019, https://arxiv.org/abs/1909.05858, section 4.1

    >>> penalise(torch.tensor([[3.0, -3.0, 3.0]]), torch.tensor([[True, True, False]]), 1.5)
    tensor([[ 2.0000, -4.5000,  3.0000]])
    """
    lowered = torch.where(logits < 0, logits * penalty, logits / penalty)
    return torch.where(seen, lowered, logits)
