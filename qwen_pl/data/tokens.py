"""The token file: every id of the corpus, memory-mapped and traceable to document and page."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from qwen_pl.data.tokenizer import END_OF_TEXT, token_num_bytes
from qwen_pl.files import whole_folder

TOKENS_VERSION = 1  # raised whenever the same text and tokenizer would give other files
PARAGRAPH_END = "\n\n"


@dataclass(frozen=True)
class TextDocument:
    """One document as the token file takes it: its paragraphs and the page each starts on."""

    name: str
    paragraphs: Sequence[str]
    pages: Sequence[int]


@dataclass(frozen=True)
class TokenFile:
    """A folder of ``tokens.bin`` and what goes with it, opened for reading."""

    folder: Path

    @cached_property
    def _index(self) -> dict:
        return json.loads((self.folder / "index.json").read_text(encoding="utf-8"))

    @cached_property
    def tokens(self) -> np.ndarray:
        """``(num_tokens,)`` uint16, or uint32 where the vocabulary needs it; mapped, not loaded."""
        return np.memmap(self.folder / "tokens.bin", dtype=self._index["dtype"], mode="r")

    @cached_property
    def num_bytes(self) -> np.ndarray:
        """UTF-8 bytes per id, ``(vocab_size,)`` int64."""
        return np.load(self.folder / "num_bytes.npy")

    @cached_property
    def _pages(self) -> np.ndarray:
        """One row per change of page: first token, document, page; ``(num_rows, 3)`` int64."""
        return np.load(self.folder / "pages.npy", mmap_mode="r")

    @property
    def documents(self) -> list[str]:
        """Names of the documents in the order of the file."""
        return self._index["documents"]

    @property
    def fingerprint(self) -> str:
        """Changes with any token and with the borders of the splits."""
        return self._index["fingerprint"]

    def split(self, name: str) -> tuple[int, int]:
        """First token of a split ("train", "val", "test") and the one behind its last."""
        start, end = self._index["splits"][name]
        return start, end

    def locate(self, position: int) -> tuple[str, int]:
        """The document and page (from 1) that the paragraph around token ``position`` starts on."""
        row = int(np.searchsorted(self._pages[:, 0], position, side="right")) - 1
        _, document, page = self._pages[row]
        return self.documents[document], int(page)


def split_points(
    documents: Sequence[TextDocument], val_fraction: float, test_fraction: float
) -> tuple[int, int]:
    """Numbers of the first validation and the first test paragraph, over the whole corpus.

    The last ``test_fraction`` of the text (in bytes) is for testing and the ``val_fraction`` before
    it for validation; whatever stands before is for training.

    >>> book = TextDocument("book", ["ten bytes."] * 20, [1] * 20)
    >>> split_points([book], val_fraction=0.2, test_fraction=0.1)
    (14, 18)
    """
    ends = np.cumsum([len(p.encode()) for d in documents for p in d.paragraphs])
    test_start = (1 - test_fraction) * ends[-1]
    val_start = (1 - val_fraction - test_fraction) * ends[-1]
    val, test = np.searchsorted(ends, np.array([val_start, test_start]) - 1e-6) + 1
    return min(int(val), len(ends)), min(int(test), len(ends))


def write_token_file(
    folder: Path,
    documents: Sequence[TextDocument],
    tokenizer: Tokenizer,
    *,
    val_start: int,
    test_start: int,
    on_paragraphs: Callable[[int], None] = lambda count: None,
) -> None:
    """Tokenizes the documents into ``folder``, each ended by ``<|endoftext|>``.

    The gap between splits is left to whoever cuts windows, since it depends on their length.

    Args:
        val_start: Number of the first validation paragraph, counted over the whole corpus.
        test_start: Number of the first test paragraph.
        on_paragraphs: Called with the number of paragraphs done since the last call.
    """
    literally = Tokenizer.from_str(tokenizer.to_str())
    literally.encode_special_tokens = True  # "<|endoftext|>" written in a book ends nothing
    end_of_text = tokenizer.token_to_id(END_OF_TEXT)
    dtype = np.dtype("<u2" if tokenizer.get_vocab_size() <= 1 << 16 else "<u4")

    borders: dict[int, int] = {}  # paragraph number -> its first token

    digest = hashlib.sha256(f"{val_start} {test_start}".encode())
    pages: list[tuple[int, int, int]] = []
    position = paragraph = 0
    with whole_folder(folder) as unfinished:
        with (unfinished / "tokens.bin").open("wb") as file:
            for number, document in enumerate(documents):
                last_page = None
                for start in range(0, len(document.paragraphs), 512):
                    texts = [p + PARAGRAPH_END for p in document.paragraphs[start : start + 512]]
                    encoded = [e.ids for e in literally.encode_batch_fast(texts)]
                    for ids, page in zip(encoded, document.pages[start:], strict=False):
                        if page != last_page:
                            pages.append((position, number, page))
                            last_page = page
                        if paragraph in (val_start, test_start):
                            borders[paragraph] = position
                        position += len(ids)
                        paragraph += 1
                    piece = np.fromiter(chain.from_iterable(encoded), dtype).tobytes()
                    digest.update(piece)
                    file.write(piece)
                    on_paragraphs(len(texts))
                file.write(np.array([end_of_text], dtype).tobytes())
                position += 1
        val, test = (borders.get(p, position) for p in (val_start, test_start))
        np.save(unfinished / "pages.npy", np.array(pages, dtype=np.int64).reshape(-1, 3))
        np.save(unfinished / "num_bytes.npy", token_num_bytes(tokenizer))
        index = {
            "dtype": dtype.str,
            "num_tokens": position,
            "fingerprint": digest.hexdigest()[:12],
            "documents": [d.name for d in documents],
            "splits": {"train": (0, val), "val": (val, test), "test": (test, position)},
        }
        text = json.dumps(index, indent=1, ensure_ascii=False)
        (unfinished / "index.json").write_text(text, encoding="utf-8")
