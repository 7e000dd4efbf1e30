"""Whether a tokenizer is the one that a checkpoint was trained with."""

import hashlib
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from qwen_pl.errors import InputError


def tokenizer_fingerprint(tokenizer: Tokenizer) -> str:
    """Changes with anything that gives other ids or other text."""
    return hashlib.sha256(tokenizer.to_str().encode()).hexdigest()[:12]


def tokenizer_state(tokenizer: Tokenizer, origin: str | Path) -> dict[str, str]:
    """What a checkpoint keeps of a tokenizer: all of it, and for people where it came from."""
    return {
        "tokenizer": tokenizer.to_str(),
        "tokenizer_fingerprint": tokenizer_fingerprint(tokenizer),
        "tokenizer_origin": str(origin),
    }


def check_same_tokenizer(
    state: dict[str, Any], tokenizer: Tokenizer, origin: str | Path, *, giver: str, way_out: str
) -> None:
    """Refuses a tokenizer to which ids mean other text than to a checkpoint's own.

    Args:
        state: What ``tokenizer_state`` gave when the checkpoint was written.
        origin: Where ``tokenizer`` comes from.
        giver: What names it, for the message.
        way_out: What to do about it, for the message.

    Raises:
        InputError: If the two are not the same.
    """
    mine = tokenizer_fingerprint(tokenizer)
    if state["tokenizer_fingerprint"] == mine:
        return
    theirs = Tokenizer.from_str(state["tokenizer"])
    if tokenizer_fingerprint(theirs) == mine:
        return  # another version of the library has put the same one into other words
    # Checkpoints of earlier versions do not know where theirs came from, only what it was for.
    known = state.get("tokenizer_origin") or state.get("source", "an unknown place")
    raise InputError(
        f"the checkpoint was trained with tokenizer {state['tokenizer_fingerprint']} "
        f"({theirs.get_vocab_size():,} ids, from {known}), {giver} gives {mine} "
        f"({tokenizer.get_vocab_size():,} ids, from {origin}): {way_out}"
    )
