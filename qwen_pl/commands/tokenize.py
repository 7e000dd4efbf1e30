"""``tokenize``: shows how a text is cut into tokens and whether it comes back whole."""

import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from qwen_pl.commands.options import VerbParser
from qwen_pl.errors import InputError
from qwen_pl.terminal import tell

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TRAINED = Path("data/tokenizer")
PREPARED = Path("data/cache/tokenizer")


def main(args: list[str]) -> None:
    """Prints ids, pieces and the round trip.

    Raises:
        InputError: If no tokenizer is found.
    """
    parser = VerbParser("tokenize", "Show how a text is cut into tokens.")
    parser.add_argument("text", metavar="TEXT", help="- reads standard input")
    parser.add_argument("--run", metavar="NAME", help="use the tokenizer of this run")
    parser.add_argument(
        "--tokenizer",
        metavar="DIR|REPOSITORY",
        help="the tokenizer, which with --run has to be that of the run; without either "
        f"{TRAINED}, or else the newest prepared one",
    )
    options = parser.parse_args(args)

    tokenizer = _tokenizer(options.run, options.tokenizer)
    text = sys.stdin.read() if options.text == "-" else options.text
    encoded = tokenizer.encode(text)
    decoded = tokenizer.decode(encoded.ids, skip_special_tokens=False)
    num_bytes = len(text.encode())
    tell(f"ids:    {' '.join(map(str, encoded.ids))}")
    tell(f"pieces: {' | '.join(_piece(tokenizer, i) for i in encoded.ids)}")
    per_token = f", {num_bytes / len(encoded.ids):.2f} bytes per token" if encoded.ids else ""
    tell(f"{len(encoded.ids)} tokens for {num_bytes} bytes{per_token}")
    whole = decoded == unicodedata.normalize("NFC", text)
    tell(f"round trip: {'exact' if whole else f'differs: {decoded!r}'}")


def _piece(tokenizer: "Tokenizer", token_id: int) -> str:
    """The text of one token; bytes that are no character as escapes."""
    from tokenizers import pre_tokenizers

    token = tokenizer.id_to_token(token_id) or ""
    text = tokenizer.decode([token_id], skip_special_tokens=False)
    if "\ufffd" in text and set(token) <= set(pre_tokenizers.ByteLevel.alphabet()):
        return token
    return text


def _tokenizer(run: str | None, name: str | None) -> "Tokenizer":
    from qwen_pl.data.tokens.tokenizer import load_tokenizer
    from qwen_pl.seals import SEAL

    if run is not None:
        from qwen_pl.commands.options import load_trained
        from qwen_pl.runs import run_dir
        from qwen_pl.training.checkpoints.checkpoint import newest_checkpoint

        return load_trained(newest_checkpoint(run_dir(run)), name).tokenizer
    if name is None:
        prepared = sorted(PREPARED.glob(f"*/{SEAL}"), key=lambda f: f.stat().st_mtime)
        folder = TRAINED if TRAINED.is_dir() else prepared[-1].parent if prepared else None
        if folder is None:
            raise InputError(
                "no tokenizer yet: run prepare or train-tokenizer, or give --tokenizer"
            )
        tell(f"tokenizer: {folder}", file=sys.stderr)
        name = str(folder)
    return load_tokenizer(name)
