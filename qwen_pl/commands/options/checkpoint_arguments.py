"""The options that choose a trained model, and what is read from the checkpoint they choose."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qwen_pl.errors import InputError
from qwen_pl.runs import newest_run, run_dir

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from qwen_pl.model.qwen3 import Qwen3ForCausalLM


class Trained(NamedTuple):
    """What a checkpoint holds: a network and the tokenizer it was trained with."""

    network: "Qwen3ForCausalLM"
    tokenizer: "Tokenizer"
    rest: dict[str, Any]
    """All else that the checkpoint says of the run, without the state of its optimizer."""


def add_checkpoint_options(parser: argparse.ArgumentParser, purpose: str) -> None:
    """The options of verbs that use a trained model; ``purpose`` reads like "to write with"."""
    parser.add_argument("--run", metavar="NAME", help="the run; without it the newest one")
    parser.add_argument(
        "--ckpt_path",
        default="last",
        metavar="last|best|FILE",
        help=f"the checkpoint {purpose}",
    )


def checkpoint_of(options: argparse.Namespace) -> Path:
    """The file that ``add_checkpoint_options`` describe.

    Raises:
        InputError: If there is none.
    """
    from qwen_pl.training.checkpoints.checkpoint import find_checkpoint

    if options.run is not None:
        folder = run_dir(options.run)
    else:
        folder = newest_run() if options.ckpt_path in ("last", "best") else Path()
    return find_checkpoint(options.ckpt_path, folder)


def load_trained(checkpoint: Path, tokenizer: str | None = None, *, mmap: bool = False) -> Trained:
    """The network in a checkpoint, on the CPU and in evaluation mode, and what goes with it.

    Args:
        tokenizer: A folder or repository whose tokenizer has to be the checkpoint's.
        mmap: Whether weights stay in the file until they are needed, which must not change then.

    Raises:
        InputError: If the checkpoint cannot be read, has no tokenizer in it, or has another one.
    """
    from tokenizers import Tokenizer

    from qwen_pl.data.tokens.same_tokenizer import check_same_tokenizer
    from qwen_pl.data.tokens.tokenizer import load_tokenizer
    from qwen_pl.training.checkpoints.checkpoint import load_network

    network, rest = load_network(checkpoint, mmap=mmap)
    rest.pop("optimizer_states", None)  # twice the size of the network
    data = rest.get("PDFDataModule")
    if data is None:
        raise InputError(f"{checkpoint} has no tokenizer in it")
    if tokenizer is not None:
        check_same_tokenizer(
            data,
            load_tokenizer(tokenizer),
            tokenizer,
            giver="--tokenizer",
            way_out="leave it out to use the checkpoint's own",
        )
    return Trained(network, Tokenizer.from_str(data["tokenizer"]), rest)


def load_writer(checkpoint: Path, tokenizer: str | None = None) -> Trained:
    """``load_trained`` with the network on the fastest device there is.

    Raises:
        InputError: As ``load_trained`` does.
    """
    import torch

    trained = load_trained(checkpoint, tokenizer)
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return trained._replace(network=trained.network.to(accelerator or "cpu"))
