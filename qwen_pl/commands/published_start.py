"""What is told of a run that starts from published weights."""

import dataclasses
import sys

from qwen_pl.data.tokenizer import load_tokenizer
from qwen_pl.errors import InputError
from qwen_pl.model.config import Qwen3Config

LINKED_SIZES = ("vocab_size", "max_position_embeddings")  # these follow from the data


def tell_of_start(
    name: str,
    published: Qwen3Config,
    given: Qwen3Config,
    vocab_size: int,
    tokenizer: str,
    verb: str = "starting from",
) -> None:
    """One line on what a run starts from, and one on each thing that is not as published."""
    print(f"{verb} the weights of {name}, with tokenizer {tokenizer}", file=sys.stderr)
    for field in dataclasses.fields(published):
        theirs, mine = getattr(published, field.name), getattr(given, field.name)
        if theirs != mine and field.name not in LINKED_SIZES:
            print(f"model.config.{field.name} is {mine}, published is {theirs}", file=sys.stderr)
    if vocab_size != published.vocab_size:
        change = f"from {published.vocab_size:,} to {vocab_size:,} rows"
        print(f"resizing the vocabulary {change}", file=sys.stderr)
    if (moved := _moved_ids(name, tokenizer)) > 0:
        print(
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
    ids = range(min(mine.get_vocab_size(), theirs.get_vocab_size()))
    return sum(mine.id_to_token(i) != theirs.id_to_token(i) for i in ids)
