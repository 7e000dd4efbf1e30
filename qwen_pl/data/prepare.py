"""Prepares a corpus once: text, tokenizer and token file, each kept under its fingerprint."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tokenizers
from filelock import FileLock
from tokenizers import Tokenizer
from tqdm import tqdm

from qwen_pl.data.corpus import Document, Reading, fingerprint, read_corpus
from qwen_pl.data.tokenizer import (
    TOKENIZER_VERSION,
    load_tokenizer,
    save_tokenizer,
    train_tokenizer,
    unfilled,
)
from qwen_pl.data.tokens import (
    PARAGRAPH_END,
    TOKENS_VERSION,
    TextDocument,
    TokenFile,
    split_points,
    write_token_file,
)
from qwen_pl.errors import InputError


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is made of a corpus.

    Attributes:
        source: Files, folders or glob patterns.
        vocab_size: Ids to train a tokenizer for, special tokens included.
        tokenizer: A tokenizer folder to use instead of training one.
        val_fraction: Share of the text held out for validation.
        test_fraction: Share of the text held out for testing.
    """

    source: str | Sequence[str]
    vocab_size: int
    tokenizer: str | None = None
    val_fraction: float = 0.0
    test_fraction: float = 0.0
    reading: Reading = field(default_factory=Reading)

    def __post_init__(self) -> None:
        for name in ("val_fraction", "test_fraction"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise InputError(f"{name} is {value}: it has to be at least 0 and below 1")
        if self.val_fraction + self.test_fraction >= 1:
            raise InputError("val_fraction and test_fraction leave nothing to train on")


@dataclass(frozen=True)
class Prepared:
    """Where the results of a preparation lie."""

    documents: Sequence[Document]
    tokenizer_dir: Path
    tokens: TokenFile

    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the tokens."""
        return load_tokenizer(self.tokenizer_dir)


def prepare(recipe: Recipe, cache_dir: Path, *, progress: bool = False) -> Prepared:
    """Makes what is missing in ``cache_dir`` and tells where everything is.

    Processes that prepare at the same time wait for each other, so the work is done once.

    Args:
        progress: Whether to show bars and one line per result on standard error.

    Raises:
        InputError: If a source is missing, no source has text, or a setting cannot be used.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_dir / ".lock"):
        documents = read_corpus(recipe.source, recipe.reading, cache_dir, progress=progress)
        texts = [str(document.text_file.name) for document in documents]
        fractions = [recipe.val_fraction, recipe.test_fraction]

        tokenizer_dir = _tokenizer_dir(recipe, [*texts, *fractions], documents, cache_dir, progress)
        used = hashlib.sha256((tokenizer_dir / "tokenizer.json").read_bytes()).hexdigest()
        made_of = [texts, fractions, used, TOKENS_VERSION]
        folder = cache_dir / "tokens" / fingerprint(made_of)
        if not folder.is_dir():
            _write_tokens(folder, [d.text() for d in documents], tokenizer_dir, recipe, progress)
    return Prepared(documents, tokenizer_dir, TokenFile(folder))


def tokenizer_fingerprint(tokenizer: Tokenizer) -> str:
    """Changes with anything that gives other ids or other text."""
    return hashlib.sha256(tokenizer.to_str().encode()).hexdigest()[:12]


def _tokenizer_dir(
    recipe: Recipe,
    made_of: list,
    documents: Sequence[Document],
    cache_dir: Path,
    progress: bool,
) -> Path:
    if recipe.tokenizer is not None:
        load_tokenizer(Path(recipe.tokenizer))  # complains of what is none
        return Path(recipe.tokenizer)
    made_of = [*made_of, recipe.vocab_size, TOKENIZER_VERSION, tokenizers.__version__]
    folder = cache_dir / "tokenizer" / fingerprint(made_of)
    if not folder.is_dir():
        texts = [document.text() for document in documents]
        _tell(progress, f"training a tokenizer of {recipe.vocab_size:,} tokens")
        # Held-out text is held out from the tokenizer too: names learned there would flatter the
        # bits per byte measured on it.
        train_end, _ = split_points(texts, recipe.val_fraction, recipe.test_fraction)
        train_text = _leading_paragraphs(texts, train_end)
        tokenizer = train_tokenizer(
            train_text, recipe.vocab_size, progress=progress and sys.stderr.isatty()
        )
        save_tokenizer(tokenizer, folder)
    size = load_tokenizer(folder).get_vocab_size()
    if size < recipe.vocab_size:
        _tell(
            progress,
            unfilled(size, recipe.vocab_size)
            + f", and data.vocab_size={size} makes the model smaller too",
        )
    return folder


def _leading_paragraphs(texts: Sequence[TextDocument], count: int) -> Iterator[str]:
    for text in texts:
        for paragraph in text.paragraphs[:count]:
            yield paragraph + PARAGRAPH_END
        count = max(0, count - len(text.paragraphs))


def _write_tokens(
    folder: Path,
    texts: Sequence[TextDocument],
    tokenizer_dir: Path,
    recipe: Recipe,
    progress: bool,
) -> None:
    val_start, test_start = split_points(texts, recipe.val_fraction, recipe.test_fraction)
    total = sum(len(text.paragraphs) for text in texts)
    hide = None if progress else True
    with tqdm(desc="tokenizing", total=total, unit=" paragraphs", disable=hide) as bar:
        write_token_file(
            folder,
            texts,
            load_tokenizer(tokenizer_dir),
            val_start=val_start,
            test_start=test_start,
            on_paragraphs=bar.update,
        )
    _tell(progress, f"{len(TokenFile(folder).tokens):,} tokens -> {folder}")


def _tell(progress: bool, line: str) -> None:
    if progress:
        print(line, file=sys.stderr, flush=True)
