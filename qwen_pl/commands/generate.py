"""``generate``: writes with a trained model, on the terminal as it goes."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qwen_pl.commands.arguments import VerbParser
from qwen_pl.errors import InputError
from qwen_pl.runs import newest_run, run_dir

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from qwen_pl.model.qwen3 import Qwen3ForCausalLM


class Writer(NamedTuple):
    """What it takes to write: a network and the tokenizer it was trained with."""

    network: "Qwen3ForCausalLM"
    tokenizer: "Tokenizer"


def main(args: list[str]) -> None:
    """Continues a prompt and prints both.

    Raises:
        InputError: If no checkpoint is found or a sampling setting cannot be used.
    """
    parser = VerbParser("generate", "Write with a trained model.")
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what to continue")
    parser.add_argument("--run", metavar="NAME", help="the run; without it the newest one")
    parser.add_argument(
        "--ckpt_path", default="last", metavar="last|best|FILE", help="the checkpoint to write with"
    )
    parser.add_argument(
        "--tokenizer",
        metavar="DIR|REPOSITORY",
        help="a tokenizer that has to be the checkpoint's own, which is used without it",
    )
    parser.add_argument("--max_new_tokens", type=int, default=128, help="when to stop")
    parser.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest")
    parser.add_argument("--top_k", type=int, default=50, help="tokens to choose from, 0 for all")
    parser.add_argument("--top_p", type=float, default=0.95, help="their summed probability")
    parser.add_argument("--seed", type=int, help="the same seed writes the same text")
    options = parser.parse_args(args)

    from qwen_pl.data.tokenizer import END_OF_TEXT
    from qwen_pl.generation.generate import generate
    from qwen_pl.generation.sampling import Sampling
    from qwen_pl.generation.stream import TextStream
    from qwen_pl.training.checkpoint import find_checkpoint

    sampling = Sampling(
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        seed=options.seed,
    )
    if options.run is not None:
        folder = run_dir(options.run)
    else:
        folder = newest_run() if options.ckpt_path in ("last", "best") else Path()
    checkpoint = find_checkpoint(options.ckpt_path, folder)
    network, tokenizer = load_writer(checkpoint, options.tokenizer)
    print(f"{checkpoint}:", file=sys.stderr, flush=True)
    print(options.prompt, end="", flush=True)
    stream = TextStream(lambda ids: tokenizer.decode(ids))
    ids = generate(
        network,
        tokenizer.encode(options.prompt).ids,
        sampling,
        stop_ids=[tokenizer.token_to_id(END_OF_TEXT)],
        num_tokens=tokenizer.get_vocab_size(),
    )
    for token_id in ids:
        print(stream.push(token_id), end="", flush=True)
    print(stream.flush())


def load_writer(checkpoint: Path, tokenizer: str | None = None) -> Writer:
    """The network in a checkpoint, on the fastest device there is, and its tokenizer.

    Args:
        tokenizer: A folder or repository whose tokenizer has to be the checkpoint's.

    Raises:
        InputError: If the checkpoint cannot be read, has no tokenizer in it, or has another one.
    """
    import torch
    from tokenizers import Tokenizer

    from qwen_pl.data.same_tokenizer import check_same_tokenizer
    from qwen_pl.data.tokenizer import load_tokenizer
    from qwen_pl.training.checkpoint import load_network

    network, rest = load_network(checkpoint)
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
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return Writer(network.to(accelerator or "cpu"), Tokenizer.from_str(data["tokenizer"]))
