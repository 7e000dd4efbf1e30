"""Names of everything in the cache: the one place that knows what is kept where."""

import contextlib
import os
from pathlib import Path

from qwen_pl.errors import InputError
from qwen_pl.files import (
    check_place,
    hindrance_in,
    remove,
    remove_unfinished,
    remove_unfinished_of,
    write_text,
)

CACHE_TAG = "CACHEDIR.TAG"
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"


class TextEntry:
    """The cleaned text of one file, and what goes with it."""

    def __init__(self, text: Path) -> None:
        self.text = text  # for people to read
        self.index = text.with_suffix(".index")  # where the paragraphs are in it
        # How reading went. Written last, with the seals of the others: it vouches for them.
        self.record = text.with_suffix(".json")
        self.fingerprint = text.stem.rpartition("-")[2]  # of what the text was made of


class CorpusEntry:
    """The folder of one corpus, by the name that it is to have where it is not finished yet."""

    def __init__(self, folder: Path, name: str = "") -> None:
        self.folder, self.name = folder, name or folder.name
        # Is not there where a file may be read the next time that could not be read now. Has the
        # seals of the texts.
        self.documents = folder / "corpus.json"
        self.report_json = folder / "report.json"  # for programs; has the seal of the other
        self.report_html = folder / "report.html"  # for people


class TokensEntry:
    """The folder of one token file, by the name that it is to have."""

    def __init__(self, folder: Path, name: str = "") -> None:
        self.folder, self.name = folder, name or folder.name
        self.tokens = folder / "tokens.bin"  # the ids, one after another
        # What they are of, and how they are split; has the seals of the others.
        self.index = folder / "index.json"
        self.pages = folder / "pages.npy"  # where documents and pages begin
        self.num_bytes = folder / "num_bytes.npy"  # UTF-8 bytes of each id
        # The parts lie beside the folder until they are put together.
        self.parts = folder.with_name(f"{folder.name}.parts")

    def part(self, number: int) -> Path:
        return self.parts / f"{number:06}.npz"


class TasksEntry:
    """The folder of one preparation that is dealt to tasks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "files.json"  # a path and its SHA-256 for each content
        self.parts = folder / "parts.json"  # those of the token file, and the tokenizer file
        self.slurm_jobs = folder / "jobs.json"  # the numbers that the last launch was given

    def stage(self, name: str) -> Path:
        """The folder in which the engine notes which tasks of a stage are done."""
        return self.folder / name


class CacheDir:
    """A folder of what was made once, and the places in it, be there something or not.

    What is made has the fingerprint of all that it was made of in its name, and is made anew under
    another name when that changes. A folder appears as a whole; a text counts once its record is
    there. Nothing is believed that is not as it was written: what is read here is sealed, or what
    vouches for it has its seal (``qwen_pl/seals.py``), and is made anew where it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path / ".lock"  # held by the process that prepares
        self.content_hashes = path / "files.json"  # those of source files, remembered

    def mark(self) -> None:
        """Makes the folder and marks it, so that a search in a folder around it passes it over.

        Otherwise the texts that were made of a corpus would belong to it the next time. Programs
        for backups know the mark as well.

        Source: Cache Directory Tagging Specification, https://bford.info/cachedir/

        Raises:
            InputError: If nothing can be written there.
        """
        tag, is_marked = self.path / CACHE_TAG, False
        with contextlib.suppress(OSError):
            is_marked = tag.is_file() and tag.read_bytes().startswith(_SIGNATURE.encode())
        try:
            check_place(self.path)
            if not is_marked:
                if os.path.lexists(tag):  # a folder maybe, or a pipe
                    remove(tag)
                write_text(tag, f"{_SIGNATURE}\n# Made by qwen_pl; may be deleted.\n")
        except OSError as error:
            raise InputError(f"the cache cannot be written: {hindrance_in(error)}") from None

    def remove_unfinished(self) -> None:
        """Removes what killed writers left, at any depth of what is ours.

        The folder may hold other things: nobody keeps a user from naming one that is in use.
        """
        for file in (self.content_hashes, self.path / CACHE_TAG):
            remove_unfinished_of(file)
        for name in ("pages", "text", "corpus", "tokenizer", "tokens", "cluster", "configs"):
            remove_unfinished(self.path / name)

    def pages(self, sha256: str, reader: str) -> Path:
        """The lines of a PDF with this content, as this version of a reader has read them."""
        return self.path / "pages" / f"{sha256[:16]}-{reader}.json.gz"

    def text(self, name: str, fingerprint: str) -> TextEntry:
        """The text of a file that was called ``name`` when it was first read."""
        # A file's name may have 255 bytes, and may be no text at all.
        stem = name.encode("utf-8", "replace")[:120].decode("utf-8", "ignore")
        return self.text_named(f"{stem}-{fingerprint}.txt")

    def text_named(self, name: str) -> TextEntry:
        return TextEntry(self.path / "text" / name)

    def corpus(self, fingerprint: str) -> CorpusEntry:
        return CorpusEntry(self.path / "corpus" / fingerprint)

    def tokenizer(self, fingerprint: str) -> Path:
        """A folder of the files that Transformers reads."""
        return self.path / "tokenizer" / fingerprint

    def tokens(self, fingerprint: str) -> TokensEntry:
        return TokensEntry(self.path / "tokens" / fingerprint)

    def tasks(self, fingerprint: str) -> TasksEntry:
        return TasksEntry(self.path / "cluster" / fingerprint)

    def checked_config(self, fingerprint: str) -> Path:
        """Is there once a config was checked to its last key."""
        return self.path / "configs" / fingerprint
