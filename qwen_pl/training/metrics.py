"""What evaluation measures: loss, perplexity and bits per byte, averaged by tokens."""

import math
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class LanguageModelMetric(Metric):
    """Sums losses over tokens and bytes, on all devices, and averages once at the end.

    ``loss`` is the mean negative log-likelihood per token in nats, ``perplexity`` its exponential,
    and ``bits_per_byte`` the summed likelihood in bits over the UTF-8 bytes of the text. The last
    alone can be compared between tokenizers.

    >>> metric = LanguageModelMetric()
    >>> metric.update(torch.tensor(6 * math.log(2)), torch.tensor(3), torch.tensor(12))
    >>> {name: round(value.item(), 3) for name, value in metric.compute().items()}
    {'loss': 1.386, 'perplexity': 4.0, 'bits_per_byte': 0.5}
    """

    full_state_update = False
    nats: Tensor
    num_tokens: Tensor
    num_bytes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("nats", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("num_tokens", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("num_bytes", torch.tensor(0), dist_reduce_fx="sum")

    def _apply(self, *args: Any, **kwargs: Any) -> "LanguageModelMetric":
        """Keeps the sum in float32 where a whole module becomes bfloat16, which cannot count."""
        super()._apply(*args, **kwargs)
        self.nats = self.nats.float()
        return self

    def update(self, nats: Tensor, num_tokens: Tensor, num_bytes: Tensor) -> None:
        """Adds a batch: its summed loss in nats, its labelled tokens, and the bytes they spell."""
        self.nats += nats
        self.num_tokens += num_tokens
        self.num_bytes += num_bytes

    def compute(self) -> dict[str, Tensor]:
        loss = self.nats / self.num_tokens
        bits = self.nats / math.log(2)
        return {
            "loss": loss,
            "perplexity": loss.exp(),
            "bits_per_byte": bits / self.num_bytes,
        }
