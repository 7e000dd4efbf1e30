"""``generate``: writes with a trained model, on the terminal as it goes."""

import argparse
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

from qwen_pl.commands.options import (
    VerbParser,
    add_checkpoint_options,
    checkpoint_of,
    load_writer,
    unescaped,
)
from qwen_pl.commands.parts.prompt_loop import PromptLoop, print_texts
from qwen_pl.errors import InputError
from qwen_pl.terminal import tell

if TYPE_CHECKING:
    from qwen_pl.generation.sampling import Sampling


def main(args: list[str]) -> None:
    """Continues a prompt and prints both, or asks for prompts on a terminal.

    Raises:
        InputError: If no checkpoint is found or a sampling setting cannot be used.
    """
    parser = VerbParser(
        "generate",
        "Write with a trained model. Without --prompt it reads the prompt from a pipe, or asks "
        "for prompts on a terminal.",
    )
    parser.add_argument("--prompt", metavar="TEXT", help="what to continue; - reads it from stdin")
    add_checkpoint_options(parser, "to write with")
    parser.add_argument(
        "--tokenizer",
        metavar="DIR|REPOSITORY",
        help="a tokenizer that has to be the checkpoint's own, which is used without it",
    )
    _add_sampling_options(parser)
    parser.add_argument("--num_samples", type=int, default=1, help="texts to write, all at once")
    options = parser.parse_args(args)
    is_asking = options.prompt is None and sys.stdin is not None and sys.stdin.isatty()
    prompt = _read_prompt() if options.prompt in (None, "-") and not is_asking else options.prompt

    from qwen_pl.generation.writer import Writer, samples_of

    sampling = _sampling_of(options)
    samples_of(sampling, options.num_samples)  # told now, and not when the network is loaded
    checkpoint = checkpoint_of(options)
    network, tokenizer, _ = load_writer(checkpoint, options.tokenizer)
    writer = Writer(network, tokenizer)
    tell(f"{checkpoint}:", file=sys.stderr)
    if is_asking:
        PromptLoop(writer, sampling, options.num_samples).run()
    else:
        print_texts(writer, prompt, sampling, options.num_samples)


def _add_sampling_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--max_new_tokens", type=int, default=128, help="when to stop")
    add("--temperature", type=float, default=0.8, help="0 takes the likeliest")
    add("--top_k", type=int, default=50, help="tokens to choose from, 0 for all")
    add("--top_p", type=float, default=0.95, help="their summed probability")
    add("--min_p", type=float, help="leave out tokens below this share of the likeliest one")
    add(
        "--repetition_penalty",
        type=float,
        default=1.0,
        help="above 1, tokens that were there before become less likely",
    )
    add(
        "--stop",
        action="append",
        default=[],
        metavar="TEXT",
        help=r"end before this text; may be given several times, \n is a new line",
    )
    add("--seed", type=int, help="the same seed writes the same text")
    add(
        "--when_full",
        choices=["slide", "stop"],
        default="slide",
        help="at the longest context: go on from its newest half, or end",
    )


def _sampling_of(options: argparse.Namespace) -> "Sampling":
    from qwen_pl.generation.sampling import Sampling

    given = {field.name: getattr(options, field.name) for field in fields(Sampling)}
    return Sampling(**given | {"stop": tuple(map(unescaped, options.stop))})


def _read_prompt() -> str:
    """The prompt that is piped in, less the new line that echo adds."""
    try:
        data = sys.stdin.buffer.read()
        text = data.decode() if isinstance(data, bytes) else data
    except UnicodeDecodeError as error:
        raise InputError(f"the prompt from stdin is not UTF-8 at byte {error.start}") from None
    except (OSError, AttributeError):  # there is no stdin
        text = ""
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise InputError('no prompt: give --prompt "TEXT", or pipe one in')
    return text
