"""Prepares a corpus once: text, tokenizer and token file, each kept under its fingerprint."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import tokenizers
from filelock import FileLock
from tokenizers import Tokenizer
from tqdm import tqdm

from qwen_pl.data.cache_dir import CacheDir, CorpusEntry
from qwen_pl.data.corpus.corpus import Corpus, find_corpus, read_corpus
from qwen_pl.data.corpus.document import PARAGRAPH_END, Document, SealedText
from qwen_pl.data.corpus.duplicates import Duplicates
from qwen_pl.data.corpus.reading import ReadingSettings, with_excerpts
from qwen_pl.data.report.write import write_report
from qwen_pl.data.tokens.cuts import without_cuts
from qwen_pl.data.tokens.encoder import tokens_version
from qwen_pl.data.tokens.splits import (
    FARTHEST_OFF,
    Piece,
    Split,
    piece_bytes,
    split_corpus,
)
from qwen_pl.data.tokens.token_file import TokenFile
from qwen_pl.data.tokens.tokenizer import (
    TOKENIZER_JSON,
    TOKENIZER_VERSION,
    check_tokenizer,
    load_tokenizer,
    save_tokenizer,
    tokenizer_file,
    train_tokenizer,
    unfilled,
)
from qwen_pl.data.tokens.write import write_token_file
from qwen_pl.errors import InputError
from qwen_pl.files import fingerprint, remove, sha256
from qwen_pl.seals import Damaged, tell_mended
from qwen_pl.terminal import tell

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
class Preparation:
    """What is made of a corpus, and where it is kept, be it there already or not."""

    recipe: Recipe
    corpus: Corpus
    cache_dir: Path

    @property
    def documents(self) -> Sequence[Document]:
        return self.corpus.documents

    @cached_property
    def _split(self) -> Split:
        return split_corpus(self.documents, self.recipe.val_fraction, self.recipe.test_fraction)

    @property
    def pieces(self) -> list[Piece]:
        """The text, as it is split."""
        return self._split.pieces

    @property
    def training_pieces(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.split == "train"]

    @cached_property
    def _made_of(self) -> list[object]:
        """Changes with the text of the corpus and with how it is split."""
        fractions = [float(self.recipe.val_fraction), float(self.recipe.test_fraction)]
        return [self.corpus.fingerprint, *fractions, self._split.version]

    @cached_property
    def tokenizer_dir(self) -> Path:
        recipe = self.recipe
        if recipe.tokenizer is not None:
            load_tokenizer(recipe.tokenizer)  # complains of what is none
            return tokenizer_file(recipe.tokenizer).parent
        learned_from = [*self._made_of, recipe.vocab_size, recipe.max_train_bytes]
        made_of = [*learned_from, TOKENIZER_VERSION, tokenizers.__version__]
        return CacheDir(self.cache_dir).tokenizer(fingerprint(made_of))

    @cached_property
    def tokens(self) -> TokenFile:
        """Where it is kept depends on the tokenizer, which has to be there."""
        tokenizer_json = self.tokenizer_dir / TOKENIZER_JSON
        used = sha256(tokenizer_json)
        # The token file names its sources, so it is another one where these are called otherwise.
        names = [document.source for document in self.documents]
        made_of = [*self._made_of, names, used, *tokens_version(tokenizer_json)]
        return TokenFile(CacheDir(self.cache_dir).tokens(fingerprint(made_of)).folder)

    def check_tokenizer(self) -> None:
        """Raises ``Damaged`` if the tokenizer that was trained is not what was written."""
        folder = self.tokenizer_dir
        if self.recipe.tokenizer is None and check_tokenizer(folder) != folder.name:
            raise Damaged(folder, "holds another tokenizer")

    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the tokens."""
        return load_tokenizer(self.tokenizer_dir)

    def complaint(self) -> str:
        """One line if the text does not fill the vocabulary asked for, empty if it does."""
        if self.recipe.tokenizer is not None:
            return ""
        size, wanted = self.tokenizer().get_vocab_size(), self.recipe.vocab_size
        if size >= wanted:
            return ""
        return f"{unfilled(size, wanted)}, and data.vocab_size={size} makes the model smaller too"

    def split_complaint(self) -> str:
        """One line if a part of the tokens is not as large as was asked, empty if all are."""
        asked = {"val": self.recipe.val_fraction, "test": self.recipe.test_fraction}
        total = max(1, len(self.tokens.tokens))
        found = {split: self.tokens.num_tokens(split) / total for split in asked}
        off = [s for s in asked if abs(found[s] - asked[s]) > FARTHEST_OFF * asked[s]]
        if not off:
            return ""
        shares = [
            f"{split} has {found[split]:.1%} of the tokens where data.{split}_fraction asks for "
            f"{asked[split]:.1%} of the text"
            for split in off
        ]
        return f"{', '.join(shares)}: give more text, or leave out the copies in it"

    def train_tokenizer(self, *, progress: bool) -> Tokenizer:
        """A tokenizer of the training text, or of a sample of it if there is much."""
        # Held-out text is held out from the tokenizer too: names learned there would flatter the
        # bits per byte measured on it.
        documents, training = self.documents, self.training_pieces
        total = sum(piece_bytes(documents, training))
        share = min(1.0, self.recipe.max_train_bytes / max(1, total))
        sample = f" on {share:.0%} of the text" if share < 1 else ""
        _tell(progress, f"training a tokenizer of {self.recipe.vocab_size:,} tokens{sample}")
        texts = sample_paragraphs(documents, training, share)
        is_shown = progress and sys.stderr.isatty()
        return train_tokenizer(texts, self.recipe.vocab_size, progress=is_shown)


def prepare(
    recipe: Recipe,
    cache_dir: Path,
    *,
    by_size: bool = False,
    num_proc: int = 1,
    progress: bool = False,
) -> Preparation:
    """Makes what is missing or damaged in ``cache_dir`` and tells where everything is.

    Processes that prepare at the same time wait for each other, so the work is done once.

    Args:
        by_size: Whether texts are only looked at by their size unless they are read, for who needs
            the tokens alone. All else is looked through.
        num_proc: Processes to read and tokenize in; the result does not depend on it.
        progress: Whether to show bars and one line per result on standard error.

    Raises:
        InputError: If a source is missing, no source has text, or a setting cannot be used.
    """
    with locked(cache_dir):
        try:
            return _prepare(recipe, cache_dir, by_size, num_proc, progress)
        except Damaged:  # a text, which had the right size: now it is found and read again
            return _prepare(recipe, cache_dir, False, num_proc, progress)


def _prepare(
    recipe: Recipe, cache_dir: Path, by_size: bool, num_proc: int, progress: bool
) -> Preparation:
    made = prepare_tokenizer(
        recipe, cache_dir, by_size=by_size, num_proc=num_proc, progress=progress
    )
    corpus, is_new = made.corpus, not _is_there(made.tokens.folder, made.tokens.check)
    if is_new:
        _write_tokens(made, num_proc, progress)
    if is_new or corpus.is_new:
        reports = corpus.reports
        if not corpus.is_new:
            reports = with_excerpts(reports, recipe.reading, CacheDir(cache_dir))
        write_report(CorpusEntry(corpus.folder), reports, facts=_facts(made))
    _tell(progress, made.split_complaint())
    return made


def _is_there(folder: Path, check: Callable[[], object]) -> bool:
    """Whether a folder is there with all that was written to it."""
    if not os.path.lexists(folder):
        return False
    try:
        check()
    except Damaged as damage:
        tell_mended([damage])
        return False
    return True


def find_prepared(recipe: Recipe, cache_dir: Path, *, progress: bool = False) -> Preparation | None:
    """What ``prepare`` has made earlier, or None if it would have something to do.

    Every file of it is looked through.
    """
    corpus = find_corpus(
        recipe.source, recipe.reading, cache_dir, duplicates=recipe.duplicates, strict=recipe.strict
    )
    if corpus is None:
        return None
    made = Preparation(recipe, corpus, cache_dir)
    try:
        made.check_tokenizer()
        made.tokens.check()
    except Damaged:  # it is gone, or prepare tells of it
        return None
    _tell(progress, made.complaint())
    _tell(progress, made.split_complaint())
    return made


@contextlib.contextmanager
def locked(cache_dir: Path) -> Iterator[None]:
    """Waits until no other process prepares in ``cache_dir``, and keeps them waiting."""
    cache = CacheDir(cache_dir)
    cache.mark()
    if os.path.lexists(cache.lock) and not cache.lock.is_file():
        remove(cache.lock)
    with FileLock(cache.lock):
        cache.remove_unfinished()
        yield


def prepare_tokenizer(
    recipe: Recipe, cache_dir: Path, *, by_size: bool = False, num_proc: int, progress: bool
) -> Preparation:
    """All that ``prepare`` does but the tokens."""
    corpus = read_corpus(
        recipe.source,
        recipe.reading,
        cache_dir,
        duplicates=recipe.duplicates,
        strict=recipe.strict,
        by_size=by_size,
        num_proc=num_proc,
        progress=progress,
    )
    made = Preparation(recipe, corpus, cache_dir)
    folder = made.tokenizer_dir  # one that the user names is always there
    if not _is_there(folder, made.check_tokenizer):
        tokenizer = made.train_tokenizer(progress=progress)
        remove(folder)  # one of which something is damaged
        save_tokenizer(tokenizer, folder, made_of=folder.name)
    _tell(progress, made.complaint())
    return made


def sample_paragraphs(
    documents: Sequence[Document], pieces: Sequence[Piece], share: float
) -> Iterator[str]:
    """A share of the text of ``pieces``, in bytes, spread evenly over them and each document."""
    due = 0.0  # bytes that should have come by now, less those that have
    for text, rows in _paragraphs(documents, pieces):
        chosen = []
        for number, size in enumerate(rows["num_bytes"].tolist()):
            due += size * share
            if due >= size / 2:
                chosen.append(number)
                due -= size
        if chosen:
            texts = text.read_texts(rows)
            yield from (texts[number] + PARAGRAPH_END for number in chosen)


def _paragraphs(
    documents: Sequence[Document], pieces: Sequence[Piece]
) -> Iterator[tuple[SealedText, np.ndarray]]:
    """The kept paragraphs of some pieces, some at a time: a text and rows of its index."""
    for piece in pieces:
        document = documents[piece.document]
        index = document.index
        for first, end in document.kept(piece.first, piece.end):
            rows = without_cuts(index[first:end], piece.cuts_of(first, end))
            for begin in range(0, end - first, _PARAGRAPHS_AT_ONCE):
                yield document.text, rows[begin : begin + _PARAGRAPHS_AT_ONCE]


def _write_tokens(made: Preparation, num_proc: int, progress: bool) -> None:
    tokens, documents, pieces = made.tokens, made.documents, made.pieces
    total = sum(document.num_bytes for document in documents)
    shown = {"unit": "B", "unit_scale": True, "mininterval": 0.5}
    started = time.monotonic()
    with tqdm(desc="tokenizing", total=total, disable=None if progress else True, **shown) as bar:
        write_token_file(
            tokens.folder,
            documents,
            pieces,
            made.tokenizer_dir / TOKENIZER_JSON,
            num_proc=num_proc,
            on_bytes=bar.update,
        )
    count = len(tokens.tokens)
    rate = count / max(time.monotonic() - started, 1e-3)
    _tell(progress, f"{count:,} tokens -> {tokens.folder} ({rate:,.0f} tokens/s)")


def _facts(made: Preparation) -> dict[str, str]:
    """What the report says of the corpus as a whole."""
    source, tokens = made.recipe.source, made.tokens
    repeated = sum(report.repeated_paragraphs for report in made.corpus.reports)
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
        tell(line, file=sys.stderr)
