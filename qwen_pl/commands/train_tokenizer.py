"""``train-tokenizer``: trains a tokenizer on PDFs or text."""

import sys
from pathlib import Path

from qwen_pl.commands.options import VerbParser, add_corpus_options, corpus_of
from qwen_pl.errors import InputError
from qwen_pl.files import check_place
from qwen_pl.terminal import tell


def main(args: list[str]) -> None:
    """Trains on all sources and writes a folder that other tools load.

    Raises:
        InputError: If a source cannot be used or the folder already holds something.
    """
    parser = VerbParser("train-tokenizer", "Train a byte-level BPE tokenizer like Qwen's.")
    add_corpus_options(parser)
    parser.add_argument("--vocab_size", type=int, default=4096, help="ids, special ones included")
    parser.add_argument(
        "--max_train_bytes", type=int, default=100_000_000, help="text that is learned from at most"
    )
    parser.add_argument("--out", type=Path, default=Path("data/tokenizer"), help="a new folder")
    options = parser.parse_args(args)

    from qwen_pl.data.corpus.duplicates import Duplicates
    from qwen_pl.data.prepare.prepare import Preparation, Recipe
    from qwen_pl.data.tokens.tokenizer import save_tokenizer, unfilled

    if options.out.exists():
        raise InputError(f"{options.out} already exists: give another --out, or remove it")
    check_place(options.out)
    corpus = corpus_of(options, Duplicates())
    recipe = Recipe(options.source, options.vocab_size, max_train_bytes=options.max_train_bytes)
    tokenizer = Preparation(recipe, corpus, options.cache_dir).train_tokenizer(progress=True)
    save_tokenizer(tokenizer, options.out)
    size = tokenizer.get_vocab_size()
    if size < options.vocab_size:
        tell(unfilled(size, options.vocab_size), file=sys.stderr)
    tell(f"{size:,} tokens -> {options.out}")
