"""Prepares a corpus once: text, tokenizer and token file, each kept under its fingerprint."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tokenizers
from filelock import FileLock
from tokenizers import Tokenizer
from tqdm import tqdm

from qwen_pl.data.cache_dir import CacheDir
from qwen_pl.data.corpus.corpus import Corpus, find_corpus, read_corpus
from qwen_pl.data.corpus.document import PARAGRAPH_END, Document, read_texts
from qwen_pl.data.corpus.duplicates import Duplicates
from qwen_pl.data.corpus.reading import ReadingSettings
from qwen_pl.data.report.write import write_report
from qwen_pl.data.tokens.splits import SPLITS_VERSION, Piece, split_corpus
from qwen_pl.data.tokens.token_file import TokenFile
from qwen_pl.data.tokens.tokenizer import (
    TOKENIZER_JSON,
    TOKENIZER_VERSION,
    load_tokenizer,
    save_tokenizer,
    tokenizer_file,
    train_tokenizer,
    unfilled,
)
from qwen_pl.data.tokens.write import TOKENS_VERSION, write_token_file
from qwen_pl.errors import InputError
from qwen_pl.files import fingerprint, remove_unfinished, sha256

_PARAGRAPHS_AT_ONCE = 4096


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is made of a corpus; ``DataSettings`` says what each means."""

    source: str | Sequence[str]
    vocab_size: int
    tokenizer: str | None = None
    max_train_bytes: int = 100_000_000
    val_fraction: float = 0.0
    test_fraction: float = 0.0
    reading: ReadingSettings = field(default_factory=ReadingSettings)
    duplicates: Duplicates = field(default_factory=Duplicates)
    strict: bool = False

    def __post_init__(self) -> None:
        for name in ("val_fraction", "test_fraction"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise InputError(f"{name} is {value}: it has to be at least 0 and below 1")
        if self.val_fraction + self.test_fraction >= 1:
            raise InputError("val_fraction and test_fraction leave nothing to train on")
        if self.max_train_bytes < 1:
            raise InputError(f"max_train_bytes is {self.max_train_bytes}: it has to be at least 1")


@dataclass(frozen=True)
class Prepared:
    """Where the results of a preparation lie."""

    corpus: Corpus
    tokenizer_dir: Path
    tokens: TokenFile

    @property
    def documents(self) -> Sequence[Document]:
        """The documents of the corpus."""
        return self.corpus.documents

    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the tokens."""
        return load_tokenizer(self.tokenizer_dir)


def prepare(
    recipe: Recipe, cache_dir: Path, *, num_proc: int = 1, progress: bool = False
) -> Prepared:
    """Makes what is missing in ``cache_dir`` and tells where everything is.

    Processes that prepare at the same time wait for each other, so the work is done once.

    Args:
        num_proc: Processes to read and tokenize in; the result does not depend on it.
        progress: Whether to show bars and one line per result on standard error.

    Raises:
        InputError: If a source is missing, no source has text, or a setting cannot be used.
    """
    with locked(cache_dir):
        plan, tokenizer_dir = make_plan(recipe, cache_dir, num_proc=num_proc, progress=progress)
        folder = plan.tokens_dir(cache_dir, tokenizer_dir)
        is_new = not folder.is_dir()
        if is_new:
            _write_tokens(folder, plan, tokenizer_dir, num_proc, progress)
        corpus, tokens = plan.corpus, TokenFile(folder)
        if is_new or corpus.is_new:
            write_report(corpus.folder, corpus.reports, facts=_facts(plan, tokens))
    return Prepared(corpus, tokenizer_dir, tokens)


def find_prepared(recipe: Recipe, cache_dir: Path, *, progress: bool = False) -> Prepared | None:
    """What ``prepare`` has made earlier, or None if it would have something to do.

    Raises:
        InputError: As ``prepare`` does.
    """
    corpus = find_corpus(
        recipe.source,
        recipe.reading,
        cache_dir,
        duplicates=recipe.duplicates,
        strict=recipe.strict,
    )
    if corpus is None:
        return None
    plan = DataPlan.of(recipe, corpus)
    tokenizer_dir = plan.find_tokenizer_dir(cache_dir)
    if not (tokenizer_dir / TOKENIZER_JSON).is_file():
        return None
    _tell(progress, plan.complaint(tokenizer_dir))
    folder = plan.tokens_dir(cache_dir, tokenizer_dir)
    return Prepared(corpus, tokenizer_dir, TokenFile(folder)) if folder.is_dir() else None


@contextlib.contextmanager
def locked(cache_dir: Path) -> Iterator[None]:
    """Waits until no other process prepares in ``cache_dir``, and keeps them waiting."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(CacheDir(cache_dir).lock):
        remove_unfinished(cache_dir)
        yield


def make_plan(
    recipe: Recipe, cache_dir: Path, *, num_proc: int, progress: bool
) -> "tuple[DataPlan, Path]":
    """All of ``prepare`` but the tokens: the plan, and the folder of a tokenizer that is there."""
    corpus = read_corpus(
        recipe.source,
        recipe.reading,
        cache_dir,
        duplicates=recipe.duplicates,
        strict=recipe.strict,
        num_proc=num_proc,
        progress=progress,
    )
    plan = DataPlan.of(recipe, corpus)
    tokenizer_dir = plan.find_tokenizer_dir(cache_dir)
    if not tokenizer_dir.is_dir():  # one that the user names is always there
        save_tokenizer(plan.train_tokenizer(progress=progress), tokenizer_dir)
    _tell(progress, plan.complaint(tokenizer_dir))
    return plan, tokenizer_dir


@dataclass(frozen=True)
class DataPlan:
    """What is to be made of a corpus, and under which fingerprints.

    Attributes:
        made_of: Changes with the text of the corpus and with how it is split.
    """

    recipe: Recipe
    corpus: Corpus
    pieces: Sequence[Piece]
    made_of: Sequence[object]

    @classmethod
    def of(cls, recipe: Recipe, corpus: Corpus) -> "DataPlan":
        """The plan for a corpus."""
        fractions = [float(recipe.val_fraction), float(recipe.test_fraction)]
        pieces = split_corpus(corpus.documents, *fractions)
        return cls(recipe, corpus, pieces, [corpus.fingerprint, *fractions, SPLITS_VERSION])

    def find_tokenizer_dir(self, cache_dir: Path) -> Path:
        """The folder of the tokenizer, whether it is there or has yet to be trained."""
        recipe = self.recipe
        if recipe.tokenizer is not None:
            load_tokenizer(recipe.tokenizer)  # complains of what is none
            return tokenizer_file(recipe.tokenizer).parent
        made_of = [*self.made_of, recipe.vocab_size, recipe.max_train_bytes, TOKENIZER_VERSION]
        return CacheDir(cache_dir).tokenizer(fingerprint([*made_of, tokenizers.__version__]))

    def complaint(self, tokenizer_dir: Path) -> str:
        """One line if the text does not fill the vocabulary asked for, empty if it does."""
        if self.recipe.tokenizer is not None:
            return ""
        wanted = self.recipe.vocab_size
        size = load_tokenizer(tokenizer_dir).get_vocab_size()
        if size >= wanted:
            return ""
        return f"{unfilled(size, wanted)}, and data.vocab_size={size} makes the model smaller too"

    def tokens_dir(self, cache_dir: Path, tokenizer_dir: Path) -> Path:
        """The folder of the token file, whether it is there or not."""
        used = sha256(tokenizer_dir / TOKENIZER_JSON)
        # The token file names its sources, so it is another one where these are called otherwise.
        names = [document.source for document in self.corpus.documents]
        made_of = [*self.made_of, names, used, TOKENS_VERSION]
        return CacheDir(cache_dir).tokens(fingerprint(made_of)).folder

    def train_tokenizer(self, *, progress: bool) -> Tokenizer:
        """A tokenizer of the training text, or of a sample of it if there is much."""
        # Held-out text is held out from the tokenizer too: names learned there would flatter the
        # bits per byte measured on it.
        documents = self.corpus.documents
        training = [piece for piece in self.pieces if piece.split == "train"]
        total = sum(
            int(documents[piece.document].kept_bytes()[piece.first : piece.end].sum())
            for piece in training
        )
        share = min(1.0, self.recipe.max_train_bytes / max(1, total))
        sample = f" on {share:.0%} of the text" if share < 1 else ""
        _tell(progress, f"training a tokenizer of {self.recipe.vocab_size:,} tokens{sample}")
        texts = sample_paragraphs(documents, training, share)
        is_shown = progress and sys.stderr.isatty()
        return train_tokenizer(texts, self.recipe.vocab_size, progress=is_shown)


def sample_paragraphs(
    documents: Sequence[Document], pieces: Sequence[Piece], share: float
) -> Iterator[str]:
    """A share of the text of ``pieces``, spread evenly over them and over each document.

    Args:
        share: From 0 to 1, in bytes; with 1, every paragraph comes.
    """
    due = 0.0  # bytes that should have come by now, less those that have
    for text_file, rows in _paragraphs(documents, pieces):
        chosen = []
        for number, size in enumerate(rows["num_bytes"].tolist()):
            due += size * share
            if due >= size / 2:
                chosen.append(number)
                due -= size
        if chosen:
            texts = read_texts(text_file, rows)
            yield from (texts[number] + PARAGRAPH_END for number in chosen)


def _paragraphs(
    documents: Sequence[Document], pieces: Sequence[Piece]
) -> Iterator[tuple[Path, np.ndarray]]:
    """The kept paragraphs of some pieces, some at a time: a text file and rows of its index."""
    for piece in pieces:
        document = documents[piece.document]
        index = document.index
        for first, end in document.kept(piece.first, piece.end):
            for begin in range(first, end, _PARAGRAPHS_AT_ONCE):
                yield document.text_file, index[begin : min(begin + _PARAGRAPHS_AT_ONCE, end)]


def _write_tokens(
    folder: Path, plan: DataPlan, tokenizer_dir: Path, num_proc: int, progress: bool
) -> None:
    documents = plan.corpus.documents
    total = sum(document.num_bytes for document in documents)
    hide = None if progress else True
    started = time.monotonic()
    with tqdm(
        desc="tokenizing", total=total, unit="B", unit_scale=True, disable=hide, mininterval=0.5
    ) as bar:
        write_token_file(
            folder,
            documents,
            plan.pieces,
            tokenizer_dir / TOKENIZER_JSON,
            num_proc=num_proc,
            on_bytes=bar.update,
        )
    seconds = time.monotonic() - started
    tokens = TokenFile(folder)
    rate = len(tokens.tokens) / max(seconds, 1e-3)
    _tell(progress, f"{len(tokens.tokens):,} tokens -> {folder} ({rate:,.0f} tokens/s)")


def _facts(plan: DataPlan, tokens: TokenFile) -> dict[str, str]:
    """What the report says of the corpus as a whole."""
    source = plan.recipe.source
    repeated = sum(report.repeated_paragraphs for report in plan.corpus.reports)
    return {
        "source": source if isinstance(source, str) else ", ".join(source),
        "split": tokens.splits_line(),
        "tokenizer": f"{len(tokens.num_bytes):,} ids, {tokens.bytes_per_token:.2f} bytes per token "
        "of held-out text",
        "tokens": f"{len(tokens.tokens):,}",
        "repeated paragraphs left out": f"{repeated:,}",
    }


def _tell(progress: bool, line: str) -> None:
    if progress and line:
        print(line, file=sys.stderr, flush=True)
