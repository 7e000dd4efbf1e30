"""The sizes of a Qwen3, named as in Hugging Face's ``Qwen3Config``, and the published ones."""

import dataclasses
import difflib
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from qwen_pl.errors import InputError

T = TypeVar("T")


MOST_POSITIONS = 2**30
"""Tokens of a context; no network reads a hundredth of it today."""
MOST_PARAMETERS = 10**12
"""Of which the weights take four terabytes; thirty times the largest that was published."""

LARGEST: dict[str, float] = {
    "vocab_size": 2**24,
    "hidden_size": 2**18,
    "intermediate_size": 2**20,
    "num_hidden_layers": 2**12,
    "num_attention_heads": 2**14,
    "num_key_value_heads": 2**14,
    "head_dim": 2**14,
    "max_position_embeddings": MOST_POSITIONS,
    "rms_norm_eps": 1.0,
    "rope_theta": 1e11,
    "initializer_range": 100.0,
    "factor": 2**20,
    "original_max_position_embeddings": MOST_POSITIONS,
    "beta_fast": 1e6,
    "beta_slow": 1e6,
    "attention_factor": 1e3,
}
"""What no network comes near: a file that says more is damaged, or was made to do harm."""


def _check(name: str, value: object, kind: type, *, label: str = "") -> None:
    """Refuses a setting of another type, one that is not above 0, and one that is absurd."""
    label = label or name
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is bool:
        if not isinstance(value, bool):
            raise InputError(f"{label} is {reprlib.repr(value)}: give true or false")
        return
    if not (type(value) is int if kind is int else is_number):
        wanted = "a whole number" if kind is int else "a number"
        raise InputError(f"{label} is {reprlib.repr(value)}: give {wanted}")
    if not value > 0:  # type: ignore[operator]  # as NaN is not, either
        raise InputError(f"{label} is {reprlib.repr(value)}: give a value above 0")
    if not value <= LARGEST[name]:  # type: ignore[operator]
        raise InputError(f"{label} is {reprlib.repr(value)}: give {LARGEST[name]:,} at most")


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
            raise InputError(f"rope_type is {self.rope_type!r}: only yarn is known here")
        for name in ("factor", "original_max_position_embeddings", "beta_slow", "beta_fast"):
            kind = int if name.startswith("original") else float
            _check(name, getattr(self, name), kind, label=f"rope_scaling.{name}")
        if self.attention_factor is not None:
            label = "rope_scaling.attention_factor"
            _check("attention_factor", self.attention_factor, float, label=label)
        if self.factor < 1:
            raise InputError(f"rope_scaling.factor is {self.factor}: give 1 or more")
        if not self.beta_slow < self.beta_fast:
            raise InputError(
                f"rope_scaling.beta_fast is {self.beta_fast}: give more than beta_slow, which is "
                f"{self.beta_slow}"
            )


@dataclass(frozen=True)
class Qwen3Config:
    """The sizes that decide what the network computes; the defaults are the published Qwen3-0.6B.

    "20 layers" and "0.6B" do not go together. Qwen3-0.6B has 28 layers and a vocabulary of 151,936,
    which makes 596,049,920 parameters; the same widths with 20 layers and 30,000 tokens have
    345,339,904. And the "hidden size 3072" sometimes quoted for it is ``intermediate_size``.

    Source: Qwen3 Technical Report 2025, https://arxiv.org/abs/2505.09388

    Raises:
        InputError: If a size is not positive or absurd, the heads cannot be grouped, or
            ``head_dim`` is odd.
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
            object.__setattr__(self, "rope_scaling", _made(RopeScaling, self.rope_scaling))
        if not isinstance(self.rope_scaling, RopeScaling | None):
            raise InputError(f"rope_scaling is {reprlib.repr(self.rope_scaling)}: give settings")
        for field in dataclasses.fields(self):
            if field.name != "rope_scaling":
                _check(field.name, getattr(self, field.name), type(field.default))
        if self.rope_theta <= 1:
            raise InputError(f"rope_theta is {self.rope_theta}: give a value above 1")
        if self.num_attention_heads % self.num_key_value_heads:
            raise InputError(
                f"num_attention_heads is {self.num_attention_heads}: give a multiple of "
                f"num_key_value_heads, which is {self.num_key_value_heads}"
            )
        if self.head_dim % 2:
            raise InputError(
                f"head_dim is {self.head_dim}: give an even number, as rotary embedding turns pairs"
            )
        if (count := self.num_parameters()) > MOST_PARAMETERS:
            raise InputError(
                f"these sizes make {count:,} parameters: give smaller ones, for up to "
                f"{MOST_PARAMETERS:,}"
            )

    @classmethod
    def of(cls, values: object, origin: str | Path) -> "Qwen3Config":
        """The sizes that a checkpoint has written down.

        Raises:
            InputError: If they are none.
        """
        try:
            return _made(cls, values)
        except InputError as error:
            raise InputError(f"{origin}: {error}") from None

    def num_parameters(self) -> int:
        """Counts what is trained; a tied matrix counts once."""
        query_size = self.num_attention_heads * self.head_dim
        key_value_size = self.num_key_value_heads * self.head_dim
        attention = 2 * self.hidden_size * (query_size + key_value_size) + 2 * self.head_dim
        feed_forward = 3 * self.hidden_size * self.intermediate_size
        layer = attention + feed_forward + 2 * self.hidden_size
        embeddings = (1 if self.tie_word_embeddings else 2) * self.vocab_size * self.hidden_size
        return embeddings + self.num_hidden_layers * layer + self.hidden_size


def _made(kind: type[T], values: object) -> T:
    """A dataclass of these values, whoever wrote them."""
    if not isinstance(values, Mapping):
        raise InputError(f"its sizes are {reprlib.repr(values)}: they have to have names")
    fields = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := [name for name in values if name not in fields]:
        raise InputError(f"there is no size {reprlib.repr(unknown[0])}")
    try:
        return kind(**values)
    except TypeError as error:  # one is missing
        raise InputError(str(error).split("() ")[-1]) from None


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
