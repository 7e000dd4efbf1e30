"""``train-tokenizer``: trains a tokenizer on PDFs or text."""

import sys
from pathlib import Path

from qwen_pl.commands.arguments import VerbParser
from qwen_pl.errors import InputError


def main(args: list[str]) -> None:
    """Trains on all sources and writes a folder that other tools load.

    Raises:
        InputError: If a source cannot be used or the folder already holds something.
    """
    parser = VerbParser("train-tokenizer", "Train a byte-level BPE tokenizer like Qwen's.")
    parser.add_argument(
        "source", nargs="+", metavar="SRC", help="a file, a folder or a pattern in quotes"
    )
    parser.add_argument("--vocab_size", type=int, default=4096, help="ids, special ones included")
    parser.add_argument("--out", type=Path, default=Path("data/tokenizer"), help="a new folder")
    parser.add_argument("--cache_dir", type=Path, default=Path("data/cache"), help="kept texts")
    options = parser.parse_args(args)

    from qwen_pl.data.corpus import Reading, read_corpus
    from qwen_pl.data.tokenizer import save_tokenizer, train_tokenizer, unfilled
    from qwen_pl.data.tokens import PARAGRAPH_END

    if options.out.exists():
        raise InputError(f"{options.out} already exists: give another --out, or remove it")
    documents = read_corpus(options.source, Reading(), options.cache_dir, progress=True)
    texts = (p + PARAGRAPH_END for document in documents for p in document.text().paragraphs)
    tokenizer = train_tokenizer(texts, options.vocab_size, progress=sys.stderr.isatty())
    save_tokenizer(tokenizer, options.out)
    size = tokenizer.get_vocab_size()
    if size < options.vocab_size:
        print(unfilled(size, options.vocab_size), file=sys.stderr)
    print(f"{size:,} tokens -> {options.out}")
