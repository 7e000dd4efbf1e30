"""Names of everything in the cache: the one place that knows what is kept where."""

from dataclasses import dataclass
from pathlib import Path

from qwen_pl.files import write_text

CACHE_TAG = "CACHEDIR.TAG"
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"


@dataclass(frozen=True)
class CacheDir:
    """A folder of what was made once. Each method names a place, be there something or not.

    =============================  ==============================================================
    ``text/NAME-PRINT.txt``        the cleaned text of a file, see :class:`TextEntry`
    ``pages/CONTENT-READER``       the lines of a PDF, as they were read
    ``corpus/PRINT/``              documents and report of a corpus, see :class:`CorpusEntry`
    ``tokenizer/PRINT/``           a tokenizer, in the files that Transformers reads
    ``tokens/PRINT/``              a token file, see :class:`TokensEntry`
    ``cluster/PRINT/``             what tasks of one preparation tell each other
    ``configs/PRINT``              marks a config that was checked to its last key
    ``files.json``                 hashes of the source files
    =============================  ==============================================================

    ``PRINT`` is the fingerprint of all that something was made of.
    """

    path: Path

    def mark(self) -> None:
        """Makes the folder and marks it, so that a search in a folder around it passes it over.

        Otherwise the texts that were made of a corpus would belong to it the next time. Programs
        for backups know the mark as well.

        Source: Cache Directory Tagging Specification, https://bford.info/cachedir/
        """
        if not (self.path / CACHE_TAG).is_file():
            write_text(self.path / CACHE_TAG, f"{_SIGNATURE}\n# Made by qwen_pl; may be deleted.\n")

    @property
    def lock(self) -> Path:
        """Held by the process that prepares."""
        return self.path / ".lock"

    @property
    def content_hashes(self) -> Path:
        return self.path / "files.json"

    def text(self, name: str, fingerprint: str) -> "TextEntry":
        """The text of a file that was called ``name`` when it was first read."""
        # A file's name may have 255 bytes, and may be no text at all.
        stem = name.encode("utf-8", "replace")[:120].decode("utf-8", "ignore")
        return self.text_named(f"{stem}-{fingerprint}.txt")

    def text_named(self, name: str) -> "TextEntry":
        """The text in the file ``name``."""
        return TextEntry(self.path / "text" / name)

    def pages(self, sha256: str, reader: str) -> Path:
        """The lines of a PDF with this content, as this version of a reader has read them."""
        return self.path / "pages" / f"{sha256[:16]}-{reader}.json.gz"

    def corpus(self, fingerprint: str) -> "CorpusEntry":
        return CorpusEntry(self.path / "corpus" / fingerprint)

    def tokenizer(self, fingerprint: str) -> Path:
        return self.path / "tokenizer" / fingerprint

    def tokens(self, fingerprint: str) -> "TokensEntry":
        return TokensEntry(self.path / "tokens" / fingerprint)

    def tasks(self, fingerprint: str) -> "TasksEntry":
        return TasksEntry(self.path / "cluster" / fingerprint)

    def checked_config(self, fingerprint: str) -> Path:
        return self.path / "configs" / fingerprint


@dataclass(frozen=True)
class TextEntry:
    """The cleaned text of one file, and what goes with it."""

    text: Path
    """For people to read."""

    @property
    def index(self) -> Path:
        """Where in ``text`` the paragraphs are."""
        return self.text.with_suffix(".index")

    @property
    def record(self) -> Path:
        """How reading went. Written last, with the sizes of the others: it vouches for them."""
        return self.text.with_suffix(".json")

    @property
    def fingerprint(self) -> str:
        """Of what the text was made of."""
        return self.text.stem.rpartition("-")[2]


@dataclass(frozen=True)
class CorpusEntry:
    """The folder of one corpus."""

    folder: Path

    @property
    def documents(self) -> Path:
        """Is not there where a file may be read the next time that could not be read now."""
        return self.folder / "corpus.json"

    @property
    def report_json(self) -> Path:
        """The report for programs."""
        return self.folder / "report.json"

    @property
    def report_html(self) -> Path:
        """The report for people."""
        return self.folder / "report.html"


@dataclass(frozen=True)
class TokensEntry:
    """The folder of one token file."""

    folder: Path

    @property
    def tokens(self) -> Path:
        """The ids, one after another."""
        return self.folder / "tokens.bin"

    @property
    def index(self) -> Path:
        """What the ids are of, and how they are split."""
        return self.folder / "index.json"

    @property
    def pages(self) -> Path:
        """Where documents and pages begin."""
        return self.folder / "pages.npy"

    @property
    def num_bytes(self) -> Path:
        """UTF-8 bytes of each id."""
        return self.folder / "num_bytes.npy"

    @property
    def parts(self) -> Path:
        """The folder of the parts, which stands beside this one until they are put together."""
        return self.folder.with_name(f"{self.folder.name}.parts")

    def part(self, number: int) -> Path:
        return self.parts / f"{number:06}.npz"


@dataclass(frozen=True)
class TasksEntry:
    """The folder of one preparation that is dealt to tasks."""

    folder: Path

    @property
    def files(self) -> Path:
        """A path and its SHA-256 for each content."""
        return self.folder / "files.json"

    @property
    def parts(self) -> Path:
        """The parts of the token file and the tokenizer file, once they are planned."""
        return self.folder / "parts.json"

    @property
    def slurm_jobs(self) -> Path:
        """The numbers that Slurm gave the jobs of the last launch."""
        return self.folder / "jobs.json"

    def stage(self, name: str) -> Path:
        """The folder in which the engine notes which tasks of a stage are done."""
        return self.folder / name
