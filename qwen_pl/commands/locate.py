"""``locate``: leads from a training step to the pages it saw, and from a sentence to its page."""

import contextlib
import hashlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qwen_pl.commands.options import VerbParser, checked_data_settings, data_settings_alone
from qwen_pl.errors import InputError
from qwen_pl.runs import CONFIG, newest_run, run_dir
from qwen_pl.terminal import show, tell

if TYPE_CHECKING:
    from qwen_pl.data.tokens.token_file import TokenFile
    from qwen_pl.training.steps.ledger import Stretch

Found = TypeVar("Found")

HELP = """\
Show the text that the model saw at a training step and the pages it comes from, or find the pages
of a sentence. Pages are counted from 1. At a step, a paragraph counts for the page it begins on;
a sentence is on one of the pages that its paragraph runs over."""

_SHORTENED = 300  # characters of each sample, where all of a step are shown
_LISTED = 20


def main(args: list[str]) -> None:
    """Prints the samples of a step, or the places of a sentence.

    Raises:
        InputError: If there is no such run, step, sample or sentence, or its data are gone.
    """
    parser = VerbParser("locate", HELP)
    parser.add_argument("--run", metavar="NAME", help="the run; without it the newest one")
    parser.add_argument("--step", type=int, metavar="N", help="the optimizer step, from 1")
    parser.add_argument(
        "--sample", type=int, metavar="K", help="one sample of the step, from 0, as a whole"
    )
    parser.add_argument("--text", metavar="TEXT", help="the sentence to look for")
    parser.add_argument(
        "--config", metavar="FILE", help="the config whose text to search, instead of a run's"
    )
    options = parser.parse_args(args)

    if (options.step is None) == (options.text is None):
        parser.error("give --step N or --text TEXT")
    if options.sample is not None and options.step is None:
        parser.error("--sample needs --step N")
    if options.config is not None and (options.step is not None or options.run is not None):
        parser.error("--config goes with --text alone")
    if options.config is not None:
        _show_text(options.text, Path(options.config))
        return
    folder = newest_run() if options.run is None else run_dir(options.run)
    if not folder.is_dir():
        raise InputError(f"no run {folder}")
    if options.step is not None:
        _show_step(folder, options.step, options.sample)
    else:
        _show_text(options.text, folder / CONFIG)


def _show_step(folder: Path, step: int, only: int | None) -> None:
    """Prints one sample of a step as a whole, or the beginnings of all."""
    from qwen_pl.data.batches.order import WindowOrder, with_gaps
    from qwen_pl.data.tokens.tokenizer import load_tokenizer

    stretch = _stretch(folder, step)
    samples = stretch.samples_of(step)
    if only is not None and not 0 <= only < len(samples):
        raise InputError(
            f"--sample is {only}: step {step:,} has {len(samples):,} samples, counted from 0"
        )
    tokens, tokenizer_folder = _made_of(folder, stretch)
    tokenizer = load_tokenizer(tokenizer_folder)
    spans = with_gaps(tokens, stretch.seq_len)
    order = WindowOrder(spans, stretch.seq_len, stretch.stride, stretch.seed)
    for number in range(len(samples)) if only is None else [only]:
        first = order.start(samples[number])
        end = first + stretch.seq_len
        where = "; ".join(
            _place(passage.source, passage.first_page, passage.last_page)
            for passage in tokens.passages(first, end)
        )
        sample = f"step {step:,}, sample {number} of {len(samples):,}"
        tell(f"{sample}: {where}, tokens {first:,}-{end - 1:,}")
        text = tokenizer.decode(tokens.tokens[first:end].tolist(), skip_special_tokens=False)
        if only is None and len(text) > _SHORTENED:
            text = text[:_SHORTENED].rstrip() + "…"
        show(f"{text}\n" if only is not None else f"{text}\n\n")


def _stretch(folder: Path, step: int) -> "Stretch":
    """The line of the run's ledger that a step belongs to."""
    from qwen_pl.training.steps.ledger import LEDGER, read_ledger, stretch_of

    if step < 1:
        raise InputError(f"--step is {step}: steps are counted from 1")
    file = folder / LEDGER
    stretches = read_ledger(file) if file.exists() else []
    if not stretches:
        raise InputError(
            f"{file} says nothing: the run was trained before such files were written, or took no "
            "step, so what its steps saw is not known"
        )
    stretch = stretch_of(stretches, step)
    if stretch is None:
        first = min(s.from_step for s in stretches) + 1
        raise InputError(
            f"--step is {step}: {folder} has the steps {first:,} to {stretches[-1].to_step:,}"
        )
    return stretch


def _made_of(folder: Path, stretch: "Stretch") -> tuple["TokenFile", Path]:
    """The token file that a step was cut from, and the folder of its tokenizer.

    Where they were at the time, the same may be kept under another name: a later version, which
    reads files in another way, has names of its own for what comes out the same.
    """
    from qwen_pl.data.tokens.token_file import TokenFile
    from qwen_pl.run.saved_config import config_in_force
    from qwen_pl.seals import Damaged, read_bytes

    # A run that was resumed may have had other settings from there on, its cache among them.
    config = config_in_force(folder, stretch.from_step + 1) or folder / CONFIG
    again = f"python -m qwen_pl prepare --config {config} makes it again"
    tokens, tokenizer = Path(stretch.tokens), Path(stretch.tokenizer)

    def token_file(place: Path) -> TokenFile:
        found = TokenFile(place)
        found.check()
        if found.fingerprint != stretch.tokens_fingerprint:
            raise InputError(
                f"{place} does not hold the tokens of the run any more: remove it, then {again}"
            )
        return found

    def tokenizer_folder(place: Path) -> Path:
        file = place / "tokenizer.json"
        if hashlib.sha256(read_bytes(file)).hexdigest() != stretch.tokenizer_sha256:
            raise InputError(f"{file} is not the tokenizer of the run any more: restore it")
        return place

    try:
        there = _first_of(tokenizer_folder, tokenizer)
        return _first_of(token_file, tokens), there
    except Damaged as damage:
        raise InputError(f"{damage}: {again}") from None


def _first_of(opened: Callable[[Path], Found], place: Path) -> Found:
    """What is at a place; or else, if it is not what it should be, at one beside it."""
    from qwen_pl.seals import Damaged

    try:
        return opened(place)
    except (Damaged, InputError):
        for other in sorted(place.parent.iterdir()) if place.parent.is_dir() else []:
            with contextlib.suppress(Damaged, InputError):
                return opened(other)
        raise


def _place(source: str, first: int, last: int) -> str:
    """Which pages of a file, or what it has instead."""
    from qwen_pl.data.texts.text_file import part_name

    name = part_name(source)
    return f"{source}, {name} {first}" if first == last else f"{source}, {name}s {first}-{last}"


def _show_text(text: str, config: Path) -> None:
    """Prints the places of a sentence in the corpus of a config."""
    from qwen_pl.data.corpus.corpus import read_corpus
    from qwen_pl.data.corpus.search import find_text, normal
    from qwen_pl.data.prepare.prepare import Preparation

    if not normal(text):
        raise InputError("--text is empty: give the sentence to look for")
    if not config.is_file():
        raise InputError(f"no such file: {config}")
    settings = data_settings_alone(str(config), []) or checked_data_settings(str(config), [])
    recipe = settings.recipe
    corpus = read_corpus(
        recipe.source,
        recipe.reading,
        settings.cache_dir,
        duplicates=recipe.duplicates,
        strict=recipe.strict,
        num_proc=settings.num_proc,
        progress=True,
    )
    documents = corpus.documents
    for exact in (True, False):
        hits = find_text(documents, text, exact=exact)
        listed = list(islice(hits, _LISTED))
        if listed:
            break
    else:
        count = f"{len(documents):,} document{'' if len(documents) == 1 else 's'}"
        raise InputError(f"not in the text of the {count} of {config}: {normal(text)[:80]}")
    pieces = Preparation(recipe, corpus, settings.cache_dir).pieces
    for hit in listed:
        split = next(
            piece.split
            for piece in pieces
            if piece.document == hit.document and piece.first <= hit.paragraph < piece.end
        )
        place = _place(documents[hit.document].source, hit.page, hit.last_page)
        tell(f"{place} ({split}): {hit.context}")
    if more := sum(1 for _ in hits):
        tell(f"and {more:,} more")
