"""How a run starts from published weights: what it takes from them, and what is told of it."""

import dataclasses
import sys

from jsonargparse import Namespace

from qwen_pl.any_tokenizer import num_ids
from qwen_pl.data.tokens.tokenizer import load_tokenizer
from qwen_pl.errors import InputError
from qwen_pl.model.config import Qwen3Config, check_architecture
from qwen_pl.run.reading import LINKED_SIZES, padded
from qwen_pl.terminal import tell


def given_sizes(config: Namespace, published: Qwen3Config) -> Qwen3Config:
    """The sizes that the user has given beside ``model.from_pretrained``.

    Raises:
        InputError: If the weights that it names have no place in such a network.
    """
    given = Qwen3Config(**config.model.config.as_dict())
    check_architecture(given, published, config.model.from_pretrained)
    return given


def linked_sizes(config: Namespace, given: Qwen3Config, published: Qwen3Config) -> dict[str, int]:
    """The sizes that follow from the data of a run and from the network that it starts from.

    Raises:
        InputError: If the published weights have no rows for all ids of the tokenizer.
    """
    name = config.model.from_pretrained
    try:
        needed = num_ids(load_tokenizer(config.data.tokenizer))
    except InputError as error:
        raise InputError(f"{error}, or give data.tokenizer") from None
    vocab_size = published.vocab_size
    if config.model.resize_vocabulary:
        vocab_size = padded(needed)
    elif needed > vocab_size:
        raise InputError(
            f"tokenizer {config.data.tokenizer} has {needed:,} ids, {name} has {vocab_size:,} "
            "rows for them: give its own tokenizer, or model.resize_vocabulary=true"
        )
    longest = max(published.max_position_embeddings, config.data.seq_len)
    if (yarn := given.rope_scaling) is not None and yarn != published.rope_scaling:
        longest = max(longest, int(yarn.factor * yarn.original_max_position_embeddings))
    return {"vocab_size": vocab_size, "max_position_embeddings": longest}


def tell_of_start(verb: str, config: Namespace, published: Qwen3Config, given: Qwen3Config) -> None:
    """One line on what a run starts from, and one on each thing that is not as published."""
    name, tokenizer = config.model.from_pretrained, config.data.tokenizer
    begins = "starting from" if verb == "fit" else "measuring"
    tell(f"{begins} the weights of {name}, with tokenizer {tokenizer}", file=sys.stderr)
    for field in dataclasses.fields(published):
        theirs, mine = getattr(published, field.name), getattr(given, field.name)
        if theirs != mine and field.name not in LINKED_SIZES:
            tell(f"model.config.{field.name} is {mine}, published is {theirs}", file=sys.stderr)
    vocab_size = config.model.config.vocab_size
    if vocab_size != published.vocab_size:
        change = f"from {published.vocab_size:,} to {vocab_size:,} rows"
        tell(f"resizing the vocabulary {change}", file=sys.stderr)
    if (moved := _moved_ids(name, tokenizer)) > 0:
        tell(
            f"tokenizer {tokenizer} means something else than that of {name} by {moved:,} ids: "
            "their rows have to be learned anew",
            file=sys.stderr,
        )


def _moved_ids(name: str, tokenizer: str) -> int:
    """Ids that mean another token than they did to the weights; 0 where that is not known."""
    if name == tokenizer:
        return 0
    try:
        theirs = load_tokenizer(name)
    except InputError:  # published without a tokenizer
        return 0
    mine = load_tokenizer(tokenizer)
    ids = range(min(num_ids(mine), num_ids(theirs)))
    return sum(mine.id_to_token(i) != theirs.id_to_token(i) for i in ids)
