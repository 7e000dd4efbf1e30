"""``generate``: writes with a trained model, on the terminal as it goes."""

import sys

from qwen_pl.commands.arguments import VerbParser
from qwen_pl.commands.checkpoint_arguments import (
    add_checkpoint_options,
    checkpoint_of,
    load_writer,
)


def main(args: list[str]) -> None:
    """Continues a prompt and prints both.

    Raises:
        InputError: If no checkpoint is found or a sampling setting cannot be used.
    """
    parser = VerbParser("generate", "Write with a trained model.")
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what to continue")
    add_checkpoint_options(parser, "to write with")
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

    sampling = Sampling(
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        seed=options.seed,
    )
    checkpoint = checkpoint_of(options)
    network, tokenizer, _ = load_writer(checkpoint, options.tokenizer)
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
