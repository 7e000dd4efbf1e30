"""Prints what is written as it comes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qwen_pl.generation.sampling import Sampling
    from qwen_pl.generation.writer import Writer


def print_texts(writer: "Writer", prompt: str, sampling: "Sampling", num_samples: int) -> None:
    """Prints a prompt and what is written after it as it comes; several samples under headings.

    All samples are written at once. The first is shown as it grows, and each of the others as far
    as it is when the one before it has ended.

    Raises:
        InputError: If the prompt cannot be written on from.
    """
    pieces = writer.stream_samples(prompt, sampling, num_samples)

    def open_text(index: int) -> None:
        if num_samples > 1:
            print("\n" * (index > 0) + f"--- {index + 1} of {num_samples} ---")
        print(prompt, end="", flush=True)

    held = [""] * num_samples
    ended = [False] * num_samples
    shown = 0
    open_text(0)
    for index, piece, is_last in pieces:
        held[index] += piece
        ended[index] = is_last
        while shown < num_samples:
            print(held[shown], end="", flush=True)
            held[shown] = ""
            if not ended[shown]:
                break
            print(flush=True)
            shown += 1
            if shown < num_samples:
                open_text(shown)
