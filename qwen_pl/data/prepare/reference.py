"""Prepares a reference text: measured beside the validation part, and never trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from qwen_pl.data.corpus.duplicates import long_ranges
from qwen_pl.data.corpus.sources import find_sources
from qwen_pl.data.prepare.prepare import Preparation, prepare
from qwen_pl.data.prepare.settings import DataSettings
from qwen_pl.errors import InputError

_FEWEST_TOKENS = 2  # one to read and one to predict


def check_reference(source: str | Sequence[str]) -> None:
    """Raises an InputError if nothing can be read, before the hours that a corpus may take."""
    try:
        find_sources(source, on_problem=lambda problem: None)
    except InputError as error:
        raise InputError(f"data.reference_text: {error}") from None


def prepare_reference(
    settings: DataSettings, prepared: Preparation, *, progress: bool = False
) -> Preparation:
    """Reads and tokenizes a reference text as the corpus was, each step kept in the cache.

    All of it becomes one split, "train" by name, since nothing of it is held out. The tokenizer is
    that of the corpus, which is ``prepared``.

    Raises:
        InputError: If there is nothing to measure in it.
    """
    assert settings.reference_text is not None
    recipe = replace(
        settings.recipe,
        source=settings.reference_text,
        tokenizer=str(prepared.tokenizer_dir),
        val_fraction=0.0,
        test_fraction=0.0,
    )
    try:
        made = prepare(recipe, settings.cache_dir, num_proc=settings.num_proc, progress=progress)
    except InputError as error:
        raise InputError(f"data.reference_text: {error}") from None
    if (count := made.tokens.num_tokens("train")) < _FEWEST_TOKENS:
        raise InputError(f"data.reference_text {recipe.source} has {count} tokens: give more text")
    return made


def share_in_training(reference: Preparation, prepared: Preparation) -> float:
    """The share of a reference text, in bytes, whose paragraphs are trained on too.

    Paragraphs are the same if their words are. As among duplicates, what is shorter than a line
    counts only together with its neighbours.
    """
    keys = np.unique(np.concatenate([document.index["key"] for document in reference.documents]))
    is_trained_on = np.zeros(len(keys), bool)
    for own in _training_keys(prepared):
        places = np.minimum(np.searchsorted(keys, own), len(keys) - 1)
        is_trained_on[places[keys[places] == own]] = True
    repeated = 0
    for document in reference.documents:
        sizes = document.kept_bytes()
        flags = is_trained_on[np.searchsorted(keys, document.index["key"])]
        repeated += sum(int(sizes[first:end].sum()) for first, end in long_ranges(flags, sizes))
    return repeated / max(1, sum(document.num_bytes for document in reference.documents))


def _training_keys(prepared: Preparation) -> Iterator[np.ndarray]:
    """The keys of the paragraphs in the training part, some at a time: ``(count,)`` uint64."""
    for piece in prepared.training_pieces:
        document = prepared.documents[piece.document]
        for first, end in document.kept(piece.first, piece.end):
            yield document.text.read_index(first, end)["key"]
