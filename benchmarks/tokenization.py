"""How fast is the token file written, beside the tokenizers library's own batch speed?

    python -m benchmarks.tokenization [--megabytes 64] [--vocab_size 8192]

Both work on the same paragraphs of the sample book, repeated, and with all cores: the library in
threads on batches that are in memory already, the token file from and to the disk. The two take
turns; the ratio is that of their best times.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from tokenizers import Tokenizer

from qwen_pl.data.cleaning.clean_text import Paragraph
from qwen_pl.data.corpus.document import Document, written_document
from qwen_pl.data.prepare.prepare import prepare
from qwen_pl.data.prepare.settings import DataSettings
from qwen_pl.data.processes import available_cores
from qwen_pl.data.tokens.splits import Piece
from qwen_pl.data.tokens.write import write_token_file

_BATCH = 4096  # paragraphs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--vocab_size", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--num_proc", type=int, default=available_cores())
    options = parser.parse_args()
    settings = DataSettings(vocab_size=options.vocab_size)
    prepared = prepare(settings.recipe, settings.cache_dir)
    tokenizer_file = prepared.tokenizer_dir / "tokenizer.json"
    folder = Path(tempfile.mkdtemp(prefix="tokenization-"))
    try:
        document = _long_document(folder, prepared.documents[0], options.megabytes << 20)
        texts = document.texts(0, document.num_paragraphs)
        ours, theirs = [], []
        for number in range(options.rounds):
            started = time.perf_counter()
            pieces = [Piece(0, 0, document.num_paragraphs, "train")]
            out = folder / f"tokens-{number}"
            write_token_file(out, [document], pieces, tokenizer_file, num_proc=options.num_proc)
            ours.append(time.perf_counter() - started)
            theirs.append(_library(tokenizer_file, texts))
            print(f"token file {ours[-1]:6.2f} s   library {theirs[-1]:6.2f} s", flush=True)
    finally:
        shutil.rmtree(folder)
    megabytes = document.num_bytes / 2**20
    print(
        f"{options.num_proc} processes: {megabytes / min(ours):.1f} MB/s, library "
        f"{megabytes / min(theirs):.1f} MB/s, ratio {min(theirs) / min(ours):.2f}"
    )


def _library(tokenizer_file: Path, texts: list[str]) -> float:
    """Seconds that the library takes to turn the texts into lists of ids."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    started = time.perf_counter()
    for first in range(0, len(texts), _BATCH):
        for encoding in tokenizer.encode_batch_fast(texts[first : first + _BATCH]):
            _ = encoding.ids
    return time.perf_counter() - started


def _long_document(folder: Path, book: Document, num_bytes: int) -> Document:
    """A book again and again, until it has so many bytes."""
    paragraphs = [Paragraph(text, 1) for text in book.texts(0, book.num_paragraphs)]
    times = -(-num_bytes // book.num_bytes)
    with written_document(folder / "long.txt") as writer:
        for _ in range(times):
            writer.write(paragraphs)
    count, size = times * len(paragraphs), times * book.num_bytes
    return Document("long", "", writer.text, count, size)


if __name__ == "__main__":
    main()
