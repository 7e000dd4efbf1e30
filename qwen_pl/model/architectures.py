"""The published sizes of the dense Qwen3 family, by name."""

import difflib

from qwen_pl.errors import InputError
from qwen_pl.model.config import Qwen3Config

# hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads,
# tie_word_embeddings. Source: config.json of the repositories Qwen/Qwen3-0.6B to Qwen/Qwen3-32B.
# All have heads of 128, a vocabulary of 151,936, rope_theta 1,000,000 and 40,960 positions.
_SIZES = {
    "qwen3-0.6b": (1024, 3072, 28, 16, 8, True),
    "qwen3-1.7b": (2048, 6144, 28, 16, 8, True),
    "qwen3-4b": (2560, 9728, 36, 32, 8, True),
    "qwen3-8b": (4096, 12288, 36, 32, 8, False),
    "qwen3-14b": (5120, 17408, 40, 40, 8, False),
    "qwen3-32b": (5120, 25600, 64, 64, 8, False),
}

ARCHITECTURES: dict[str, Qwen3Config] = {
    name: Qwen3Config(
        vocab_size=151_936,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        num_key_value_heads=num_key_value_heads,
        head_dim=128,
        max_position_embeddings=40_960,
        rms_norm_eps=1e-6,
        rope_theta=1_000_000.0,
        tie_word_embeddings=tie_word_embeddings,
        initializer_range=0.02,
    )
    for name, (
        hidden_size,
        intermediate_size,
        num_hidden_layers,
        num_attention_heads,
        num_key_value_heads,
        tie_word_embeddings,
    ) in _SIZES.items()
}
"""Sizes as published, vocabulary and context included; ``dataclasses.replace`` changes some."""

SHAPES = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "tie_word_embeddings",
)
"""The fields of a config that make an architecture; the vocabulary is the tokenizer's."""


def named_config(name: str) -> Qwen3Config:
    """The published sizes of ``name``, which may be written like a repository of Qwen's.

    Raises:
        InputError: If there is no such architecture.

    >>> f"{named_config('qwen3-1.7b').num_parameters():,}"
    '1,720,574,976'
    >>> named_config("Qwen/Qwen3-32B").num_hidden_layers
    64
    """
    plain = name.lower().removeprefix("qwen/")
    if plain in ARCHITECTURES:
        return ARCHITECTURES[plain]
    near = difflib.get_close_matches(plain, ARCHITECTURES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(ARCHITECTURES)}"
    raise InputError(f"no architecture {name}: {hint}")


def check_architecture(config: Qwen3Config, published: Qwen3Config, origin: str) -> None:
    """Refuses sizes that contradict published ones.

    Args:
        origin: What the published ones are of, for the message.

    Raises:
        InputError: If any differs; all that do are named.
    """
    differing = [
        f"model.config.{name} is {getattr(config, name)}, not {getattr(published, name)}"
        for name in SHAPES
        if getattr(config, name) != getattr(published, name)
    ]
    if differing:
        raise InputError(f"{'; '.join(differing)} as in {origin}: leave out one of the two")
