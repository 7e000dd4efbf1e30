"""The sizes of a Qwen3, named as in Hugging Face's ``Qwen3Config``, and the published ones."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from qwen_pl.errors import InputError


@dataclass(frozen=True)
class RopeScaling:
    """YaRN: how rotary embedding is stretched to contexts longer than those trained on.

    Named as Hugging Face's ``rope_scaling``, so that a model card's snippet can be copied.

    The formulas are in ``yarn.py``. Source: Peng et al. 2023, https://arxiv.org/abs/2309.00071

    Raises:
        InputError: If a setting is outside its range.
    """

    factor: float
    """How many times longer the context becomes; at least 1."""
    original_max_position_embeddings: int
    """Longest context in tokens that the weights were trained on."""
    beta_fast: float = 32.0
    """Pairs that turn this often in the original context, or more, keep their speed."""
    beta_slow: float = 1.0
    """Pairs that turn this often or less are slowed by the whole ``factor``."""
    attention_factor: float | None = None
    """Sharpens attention; by default ``0.1 ln(factor) + 1``, as the paper found."""
    rope_type: Literal["yarn"] = "yarn"

    def __post_init__(self) -> None:
        if self.rope_type != "yarn":
            raise InputError(f"rope_type is {self.rope_type}: only yarn is known here")
        if not 1 <= self.factor < math.inf:
            raise InputError(f"rope_scaling.factor is {self.factor}: give 1 or more")
        if not self.original_max_position_embeddings >= 1:
            raise InputError(
                "rope_scaling.original_max_position_embeddings is "
                f"{self.original_max_position_embeddings}: give the tokens trained on"
            )
        if not 0 < self.beta_slow < self.beta_fast:
            raise InputError(
                f"rope_scaling.beta_fast is {self.beta_fast}: give more than beta_slow, which is "
                f"{self.beta_slow} and above 0"
            )
        if self.attention_factor is not None and not 0 < self.attention_factor < math.inf:
            raise InputError(
                f"rope_scaling.attention_factor is {self.attention_factor}: give a value above 0"
            )


@dataclass(frozen=True)
class Qwen3Config:
    """The sizes that decide what the network computes; the defaults are the published Qwen3-0.6B.

    "20 layers" and "0.6B" do not go together. Qwen3-0.6B has 28 layers and a vocabulary of 151,936,
    which makes 596,049,920 parameters; the same widths with 20 layers and 30,000 tokens have
    345,339,904. And the "hidden size 3072" sometimes quoted for it is ``intermediate_size``.

    Source: Qwen3 Technical Report 2025, https://arxiv.org/abs/2505.09388

    Raises:
        InputError: If a size is not positive, the heads cannot be grouped, or ``head_dim`` is odd.
    """

    vocab_size: int = 151_936
    """Rows of the embedding: the tokenizer's ids, or more where padding makes it faster."""
    hidden_size: int = 1024
    """Width of the residual stream."""
    intermediate_size: int = 3072
    """Width inside the feed-forward block, usually three times ``hidden_size``."""
    num_hidden_layers: int = 28
    num_attention_heads: int = 16
    """Query heads; a multiple of ``num_key_value_heads``."""
    num_key_value_heads: int = 8
    """Key/value heads, each read by a group of query heads."""
    head_dim: int = 128
    """Width of one head, even. It need not be ``hidden_size // num_attention_heads``."""
    max_position_embeddings: int = 40_960
    """Longest context in tokens when generating; rotary embedding itself has no limit."""
    rms_norm_eps: float = 1e-6
    rope_theta: float = 1_000_000.0
    """Base of the rotary wavelengths, which run from 2π to about 2π times this many tokens."""
    rope_scaling: RopeScaling | None = None
    """YaRN, for contexts longer than those trained on."""
    tie_word_embeddings: bool = True
    """Read tokens and predict them with one matrix."""
    initializer_range: float = 0.02
    """Standard deviation of every matrix at the start."""

    def __post_init__(self) -> None:
        if isinstance(self.rope_scaling, Mapping):  # as a checkpoint holds it
            object.__setattr__(self, "rope_scaling", RopeScaling(**self.rope_scaling))
        for name, value in vars(self).items():
            if name not in ("tie_word_embeddings", "rope_scaling") and not value > 0:
                raise InputError(f"{name} is {value}: give a value above 0")
        if self.num_attention_heads % self.num_key_value_heads:
            raise InputError(
                f"num_attention_heads is {self.num_attention_heads}: give a multiple of "
                f"num_key_value_heads, which is {self.num_key_value_heads}"
            )
        if self.head_dim % 2:
            raise InputError(
                f"head_dim is {self.head_dim}: give an even number, as rotary embedding turns pairs"
            )

    def num_parameters(self) -> int:
        """Counts what is trained; a tied matrix counts once."""
        query_size = self.num_attention_heads * self.head_dim
        key_value_size = self.num_key_value_heads * self.head_dim
        attention = 2 * self.hidden_size * (query_size + key_value_size) + 2 * self.head_dim
        feed_forward = 3 * self.hidden_size * self.intermediate_size
        layer = attention + feed_forward + 2 * self.hidden_size
        embeddings = (1 if self.tie_word_embeddings else 2) * self.vocab_size * self.hidden_size
        return embeddings + self.num_hidden_layers * layer + self.hidden_size


ARCHITECTURES = {
    name: Qwen3Config(
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        tie_word_embeddings=is_tied,
    )
    for name, hidden_size, intermediate_size, num_layers, num_heads, is_tied in [
        ("qwen3-0.6b", 1024, 3072, 28, 16, True),
        ("qwen3-1.7b", 2048, 6144, 28, 16, True),
        ("qwen3-4b", 2560, 9728, 36, 32, True),
        ("qwen3-8b", 4096, 12288, 36, 32, False),
        ("qwen3-14b", 5120, 17408, 40, 40, False),
        ("qwen3-32b", 5120, 25600, 64, 64, False),
    ]
}
"""The dense family as published; all else in it is as the defaults say.

Source: config.json of the repositories Qwen/Qwen3-0.6B to Qwen/Qwen3-32B.
"""


def named_config(name: str) -> Qwen3Config:
    """The published sizes of ``name``, which may be written like a repository of Qwen's.

    Raises:
        InputError: If there is no such architecture.
    """
    plain = name.lower().removeprefix("qwen/")
    if plain in ARCHITECTURES:
        return ARCHITECTURES[plain]
    near = difflib.get_close_matches(plain, ARCHITECTURES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(ARCHITECTURES)}"
    raise InputError(f"no architecture {name}: {hint}")


def check_architecture(config: Qwen3Config, published: Qwen3Config, origin: str) -> None:
    """Refuses sizes that contradict those published of ``origin``, but for the vocabulary.

    Raises:
        InputError: If any differs; all that do are named.
    """
    names = [
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "tie_word_embeddings",
    ]
    differing = [
        f"model.config.{name} is {getattr(config, name)}, not {getattr(published, name)}"
        for name in names
        if getattr(config, name) != getattr(published, name)
    ]
    if differing:
        raise InputError(f"{'; '.join(differing)} as in {origin}: leave out one of the two")
