"""The LightningDataModule: PDFs on one side, batches of token windows on the other."""

from functools import cached_property
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from tokenizers import Tokenizer
from torch.utils.data import DataLoader

from qwen_pl.data.clean import Cleaning
from qwen_pl.data.corpus import Reading
from qwen_pl.data.loader import (
    Batch,
    EndlessBatches,
    Prompts,
    TrainingLoader,
    evaluation_loader,
)
from qwen_pl.data.pdf import PdfLimits
from qwen_pl.data.prepare import Prepared, Recipe, prepare, tokenizer_fingerprint
from qwen_pl.data.tokens import TokenFile
from qwen_pl.data.windows import TokenWindows, WindowOrder, consecutive_starts
from qwen_pl.errors import InputError


class PDFDataModule(pl.LightningDataModule):
    """Reads PDFs, trains a tokenizer on them and deals windows of their tokens.

    A batch has ``input_ids`` and ``labels``, both ``(batch_size, seq_len)`` int64, the labels being
    the inputs shifted by one. Evaluation batches also have ``num_bytes``, ``(batch_size,)`` int64.

    Args:
        source: PDF, text or Markdown files, folders of them, or glob patterns.
        cache_dir: Where text, tokenizers and token files are kept. May be deleted at any time.
        vocab_size: Ids of the tokenizer that is trained, special tokens included.
        tokenizer: Folder of a tokenizer to use instead of training one.
        seq_len: Tokens per window.
        stride: Tokens between window starts in an epoch; by default ``seq_len``, without overlap.
        batch_size: Windows per batch and device.
        val_fraction: Share of the text, before the test part, that is held out for validation.
        test_fraction: Share of the text, at its end, that is held out for testing.
        num_workers: Processes that cut windows; 0 is as fast unless the disk is slow.
        seed: Decides the order of the windows.
        password: For encrypted PDFs.
        cleaning: Which cleaning steps are taken.
        limits: What a single PDF may cost before it is given up.
        prompts: Text file with one prompt per line, for ``predict``.
    """

    def __init__(
        self,
        source: str | list[str] = "data/book.pdf",
        cache_dir: str = "data/cache",
        vocab_size: int = 4096,
        tokenizer: str | None = None,
        seq_len: int = 256,
        stride: int | None = None,
        batch_size: int = 8,
        val_fraction: float = 0.1,
        test_fraction: float = 0.05,
        num_workers: int = 0,
        seed: int = 0,
        password: str = "",
        cleaning: Cleaning = Cleaning(),  # noqa: B008 (frozen)
        limits: PdfLimits = PdfLimits(),  # noqa: B008 (frozen)
        prompts: str | None = None,
    ) -> None:
        super().__init__()
        self.recipe = Recipe(
            source=source,
            vocab_size=vocab_size,
            tokenizer=tokenizer,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            reading=Reading(cleaning, limits, password),
        )
        self.cache_dir = Path(cache_dir)
        self.seq_len = _at_least_one("seq_len", seq_len)
        self.stride = _at_least_one("stride", stride or seq_len)
        self.batch_size = _at_least_one("batch_size", batch_size)
        self.num_workers = num_workers
        self.seed = seed
        self.prompts = prompts
        self._prepared: Prepared | None = None

    def prepare_data(self) -> None:
        self._prepared = prepare(self.recipe, self.cache_dir, progress=True)

    def setup(self, stage: str) -> None:
        # Other ranks of this machine come here without having prepared: they find it done.
        self._prepared = self._prepared or prepare(self.recipe, self.cache_dir)
        if stage == "fit":
            needed, (first, end) = self.seq_len + 1, self._train_range
            if end - first < needed:
                raise InputError(
                    f"the training part has {max(0, end - first):,} tokens, fewer than one window "
                    f"of {needed:,}: give more text or a smaller data.seq_len"
                )

    def train_dataloader(self) -> TrainingLoader:
        first, end = self._train_range
        order = WindowOrder(first, end, self.seq_len, self.stride, self.seed)
        windows = TokenWindows(self.tokens.tokens, self.seq_len, end=end)
        batches = EndlessBatches(order, self.batch_size, *self._rank_and_world_size)
        return TrainingLoader(windows, batches, self.num_workers)

    def val_dataloader(self) -> DataLoader[Batch] | list:
        return self._evaluation_loader("val") if self.recipe.val_fraction else []

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._evaluation_loader("test")

    def predict_dataloader(self) -> DataLoader:
        if self.prompts is None:
            raise InputError("predict needs --data.prompts FILE, a file of one prompt per line")
        file = Path(self.prompts)
        if not file.is_file():
            raise InputError(f"no such file: {file}")
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not lines:
            raise InputError(f"no prompt in {file}: it needs one per line")
        prompts = Prompts(lines, [encoded.ids for encoded in self.tokenizer.encode_batch(lines)])
        rank, world_size = self._rank_and_world_size
        mine = range(rank, len(lines), world_size)
        return DataLoader(prompts, batch_size=1, sampler=mine, collate_fn=lambda items: items[0])

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the data: enough to write with it and to refuse other data."""
        return {
            "tokenizer": self.tokenizer.to_str(),
            "tokenizer_fingerprint": tokenizer_fingerprint(self.tokenizer),
            "tokens": self.tokens.fingerprint,
            "source": self.recipe.source,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Compares a checkpoint's data with what is prepared here.

        Raises:
            InputError: If ids mean other text here, or if a run would go on with other data.
        """
        mine = tokenizer_fingerprint(self.tokenizer)
        if state["tokenizer_fingerprint"] != mine:
            raise InputError(
                f"the checkpoint was trained with tokenizer {state['tokenizer_fingerprint']}, this "
                f"config gives {mine}: restore data.source, data.vocab_size and the fractions, or "
                "start another run with --run NAME"
            )
        fitting = self.trainer is not None and self.trainer.training
        if fitting and state["tokens"] != self.tokens.fingerprint:
            raise InputError(
                f"the checkpoint was trained on tokens {state['tokens']} of {state['source']}, "
                f"this config gives {self.tokens.fingerprint} of {self.recipe.source}: restore the "
                "data settings, or start another run with --run NAME"
            )

    @property
    def tokens(self) -> TokenFile:
        """The prepared token file."""
        return self.prepared.tokens

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the tokens."""
        return self.prepared.tokenizer()

    @property
    def prepared(self) -> Prepared:
        """Where text, tokenizer and tokens lie on the disk."""
        assert self._prepared is not None, "setup() has not run"
        return self._prepared

    @property
    def train_tokens(self) -> int:
        """Tokens in the training split, the gap before the held-out part not counted."""
        first, end = self._train_range
        return end - first

    @property
    def _train_range(self) -> tuple[int, int]:
        """The training split, less a window of text next to what is held out."""
        first, end = self.tokens.split("train")
        held_out = end < len(self.tokens.tokens)
        return first, end - self.seq_len if held_out else end

    @property
    def _rank_and_world_size(self) -> tuple[int, int]:
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)

    def _evaluation_loader(self, split: str) -> DataLoader[Batch]:
        first, end = self.tokens.split(split)
        if end - first < 2:
            raise InputError(
                f"the {split} part has {end - first} tokens: raise data.{split}_fraction, "
                "or give more text"
            )
        rank, world_size = self._rank_and_world_size
        return evaluation_loader(
            TokenWindows(
                self.tokens.tokens, self.seq_len, end=end, num_bytes=self.tokens.num_bytes
            ),
            consecutive_starts(first, end, self.seq_len),
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            rank=rank,
            world_size=world_size,
        )


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise InputError(f"data.{name} is {value}: it has to be at least 1")
    return value
