"""What lies in the cache is what was written, or it is made anew: every file, damaged in every way.

`benchmarks.damage` does the same before every verb, in processes of their own.
"""

import hashlib
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from own_process import in_own_process
from pdf_writer import made_up_pages, write_pdf

from benchmarks.damaging import DAMAGES, hindered
from qwen_pl.data.corpus import reading
from qwen_pl.data.corpus.corpus import read_corpus
from qwen_pl.data.corpus.duplicates import Duplicates
from qwen_pl.data.datamodule import PDFDataModule
from qwen_pl.data.prepare.prepare import find_prepared, prepare
from qwen_pl.data.prepare.settings import DataSettings
from qwen_pl.data.tokens.write import plan_parts, tokenize_parts

KINDS = [
    *("CACHEDIR.TAG", ".lock", "files.json", "pages/*.gz"),
    *("text/*.txt", "text/*.index", "text/*.json"),
    *("corpus/*/corpus.json", "corpus/*/report.json", "corpus/*/report.html"),
    *("tokenizer/*/tokenizer.json", "tokenizer/*/vocab.json", "tokenizer/*/merges.txt"),
    *("tokenizer/*/tokenizer_config.json", "tokenizer/*/seal.json"),
    *("tokens/*/tokens.bin", "tokens/*/index.json", "tokens/*/pages.npy", "tokens/*/num_bytes.npy"),
    "tokens/*.parts/*.npz",
]
UNFINISHED = {"pages/*.gz": ("text", "corpus"), "tokens/*.parts/*.npz": ("tokens/*[!s]",)}
"""What has to be gone for a file to be of use."""


class Shelf:
    """A PDF and a text, and a cache that was made of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache, self.kept = folder, folder / "cache", folder / "kept"
        (folder / "shelf").mkdir()
        write_pdf(folder / "shelf/one.pdf", made_up_pages(2))
        lines = [" ".join(lines) for lines in made_up_pages(10, seed=1)]
        (folder / "shelf/two.txt").write_text("\n\n".join(lines))
        self.settings: dict[str, Any] = {
            **{"source": str(folder / "shelf"), "cache_dir": str(self.cache), "num_proc": 1},
            **{"vocab_size": 280, "seq_len": 16, "val_fraction": 0.2, "test_fraction": 0.1},
        }
        recipe = DataSettings(**self.settings).recipe
        made = prepare(recipe, self.cache)
        parts = plan_parts(made.tokens.folder, made.documents, made.pieces)
        list(tokenize_parts(parts, made.tokenizer_dir / "tokenizer.json", 1))
        self.cache.rename(self.kept)
        self.pdf = reading.read_pdf(folder / "shelf/one.pdf")

    def restore(self, *, without: tuple[str, ...] = ()) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.copytree(self.kept, self.cache)
        for pattern in without:
            for path in self.cache.glob(pattern):
                shutil.rmtree(path)

    def prepared(self) -> object:
        """As the verb prepare does: all of it."""
        recipe = DataSettings(**self.settings).recipe
        made = find_prepared(recipe, self.cache) or prepare(recipe, self.cache)
        texts = [document.texts(0, document.num_paragraphs) for document in made.documents]
        tokens = made.tokens
        places = [tokens.passages(i, i + 1) for i in range(0, len(tokens.tokens), 50)]
        return [texts, tokens.fingerprint, tokens.num_bytes.tolist(), places, self.digests()]

    def trained(self) -> object:
        """As fit, validate and test do."""
        data = PDFDataModule(**self.settings)
        data.prepare_data()
        data.setup("fit")
        batches = [next(iter(data.train_dataloader())), *data.val_dataloader()]
        state = data.state_dict()
        return [[sorted((k, v.tolist()) for k, v in batch.items()) for batch in batches], state]

    def searched(self) -> object:
        """As locate and extract do."""
        settings = DataSettings(**self.settings)
        reads, duplicates = settings.recipe.reading, Duplicates()
        corpus = read_corpus(settings.recipe.source, reads, self.cache, duplicates=duplicates)
        return [document.texts(0, document.num_paragraphs) for document in corpus.documents]

    def digests(self) -> dict[str, str]:
        """Of the files that are the same however often they are made."""
        patterns = ("text/*.txt", "text/*.index", "tokenizer/*/*", "tokens/*[!s]/*")
        files = [path for pattern in patterns for path in self.cache.glob(pattern)]
        return {
            str(path.relative_to(self.cache)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    yield Shelf(tmp_path_factory.mktemp("shelf"))
    reading.end_cleaning()


@pytest.fixture(scope="module")
def expected(shelf: Shelf) -> dict[str, object]:
    results = {}
    for use in USES:
        shelf.restore()
        results[use.__name__] = use(shelf)
    return results


@pytest.fixture(autouse=True)
def quickly_read(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The PDF is not read again, the process that cleans lives on, nothing waits for the disk."""
    monkeypatch.setattr(reading, "read_pdf", lambda *_, **__: shelf.pdf)
    monkeypatch.setattr(reading, "end_cleaning", lambda: None)
    monkeypatch.setattr(os, "fsync", lambda number: None)


USES: list[Callable[[Shelf], object]] = [Shelf.prepared, Shelf.trained, Shelf.searched]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_changes_nothing(
    shelf: Shelf, expected: dict[str, object], kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    source = random.Random(kind)
    cases = [(name, use) for name in DAMAGES for use in USES]
    cases += [("bit flipped", use) for use in USES]  # at other places
    for name, use in cases:
        shelf.restore(without=UNFINISHED.get(kind, ()))
        path = source.choice(sorted(shelf.cache.glob(kind)))
        DAMAGES[name](path, source)
        capfd.readouterr()
        with hindered():
            if (kind, name, use) == (".lock", "unreadable", Shelf.trained):
                with pytest.raises(PermissionError, match=r"\.lock"):  # told in one line
                    use(shelf)
                continue
            assert use(shelf) == expected[use.__name__], (name, use)
        told = capfd.readouterr().err
        assert "made anew" not in told or str(path) in told or path.parent.name in told, told


def test_before_the_verbs_themselves_it_is_mended_or_refused_in_one_line(tmp_path: Path) -> None:
    words = ["--files", "cache/tokens/*/[it]*", "--verbs", "prepare", "locate step", "--places", 1]
    program = "from benchmarks.damage import main; main()"
    damages = ["--damages", "bit flipped", "a pipe"]
    ended = in_own_process([*words, *damages], tmp_path, program=program)
    assert ended.code == 0, ended.out
    assert "8 trials" in ended.out and "4 mended, 4 refused" in ended.out, ended.out


def test_the_table_has_every_file_of_a_cache(shelf: Shelf) -> None:
    named = {path for kind in KINDS for path in shelf.kept.glob(kind)}
    assert named == {path for path in shelf.kept.rglob("*") if path.is_file()}


def test_mending_that_is_interrupted_anywhere_is_done_the_next_time(
    shelf: Shelf, expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each of the moments at which a file or folder gets its name or loses it."""
    moments: Iterator[int] = iter(())

    def interrupted(change: Callable[..., object]) -> Callable[..., object]:
        def changed(*args: Any, **options: Any) -> object:
            if next(moments, None) == 0:
                raise KeyboardInterrupt
            return change(*args, **options)

        return changed

    for owner, name in ((Path, "replace"), (Path, "rename"), (shutil, "rmtree"), (Path, "unlink")):
        monkeypatch.setattr(owner, name, interrupted(getattr(owner, name)))
    shelf.restore()
    for kind in ("text/*.index", "corpus/*/report.json", "toke*/*/[mt]*.[tb]*"):
        for path in shelf.cache.glob(kind):
            DAMAGES["halved"](path, random.Random(0))
    damaged = shelf.cache.rename(shelf.folder / "damaged")
    for moment in range(1, 99, 3):
        shutil.rmtree(shelf.cache, ignore_errors=True)
        shutil.copytree(damaged, shelf.cache)
        moments = iter(range(moment, -1, -1))
        try:
            shelf.trained()
        except KeyboardInterrupt:
            moments = iter(())
            assert shelf.prepared() == expected["prepared"], moment
        else:
            break
    assert 10 < moment < 98


@pytest.mark.parametrize("left", ["deleted", "zeros", "halved"])
@pytest.mark.parametrize("use", USES)
def test_a_power_cut_changes_nothing(
    shelf: Shelf,
    expected: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[Shelf], object],
    left: str,
) -> None:
    """What was not flushed may be lost, though it has its name."""
    flushed: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda number: flushed.add(os.fstat(number).st_ino))
    shutil.rmtree(shelf.cache, ignore_errors=True)
    prepare(DataSettings(**shelf.settings).recipe, shelf.cache)
    files = [path for path in shelf.cache.rglob("*") if path.is_file() and path.stat().st_size]
    lost = [path for path in files if path.stat().st_ino not in flushed]
    kinds = {path.parent.name for path in lost}
    assert kinds == {"cache", "pages", "text"}, "of these, each file vouches for itself or another"
    for path in lost:
        DAMAGES[left](path, random.Random(0))
    assert use(shelf) == expected[use.__name__]
