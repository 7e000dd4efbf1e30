"""The LightningDataModule: PDFs on one side, batches of token windows on the other."""

import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities.seed import isolate_rng
from tokenizers import Tokenizer
from torch.utils.data import DataLoader

from qwen_pl.any_tokenizer import read_tokenizer
from qwen_pl.data.batches import loader
from qwen_pl.data.batches.loader import Batch
from qwen_pl.data.batches.order import WindowOrder, with_gaps
from qwen_pl.data.batches.windows import TokenWindows, consecutive_starts
from qwen_pl.data.prepare.prepare import Preparation, prepare
from qwen_pl.data.prepare.reference import check_reference, prepare_reference, share_in_training
from qwen_pl.data.prepare.settings import DataSettings
from qwen_pl.data.report.file_report import status_table
from qwen_pl.data.tokens.splits import SPLITS
from qwen_pl.data.tokens.token_file import Passage, Span, TokenFile
from qwen_pl.data.tokens.tokenizer import check_same_tokenizer, load_tokenizer, tokenizer_state
from qwen_pl.errors import InputError
from qwen_pl.files import hindrance_in
from qwen_pl.markdown import code, fenced
from qwen_pl.terminal import tell

_TOLD_SHARE = 0.005  # of the reference text, from which it is told that it is trained on too
_MOST_NAMED = 20  # documents that a checkpoint names; of a large corpus it tells the number


class PDFDataModule(pl.LightningDataModule):
    """Reads PDFs, trains a tokenizer on them and deals windows of their tokens.

    A batch has ``input_ids`` and ``labels``, both ``(batch_size, seq_len)`` int64, the labels being
    the inputs shifted by one; with ``mask_documents`` also ``document_ids``, ``(batch_size,
    seq_len)`` int64. Evaluation batches also have ``num_bytes``, ``(batch_size,)`` int64.

    Args:
        settings: See :class:`DataSettings`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = DataSettings(**settings)
        self._prepared: Preparation | None = None
        self._refusal = ""  # why nothing could be prepared, which all processes are to say
        self.reference: Preparation | None = None  # the text to be measured, if there is one

    def prepare_data(self) -> None:
        if self._is_predicting:
            return  # a checkpoint has its tokenizer in it, and prompts need no more
        try:
            if self._reference_text is not None:
                check_reference(self._reference_text)
            self._prepared = self._prepare(progress=True)
            if self._reference_text is not None:
                self.reference = prepare_reference(self.settings, self._prepared, progress=True)
        except Exception as error:
            reason = str(error) if isinstance(error, InputError) else hindrance_in(error)
            if reason is None or self.trainer is None or self.trainer.world_size == 1:
                raise
            # Others wait for this process, and then come to setup(), where all of them refuse.
            self._refusal = reason
            return
        _show_report(self._prepared)
        tell(self.tokens.splits_line())
        if self.reference is not None:
            _show_report(self.reference)
            self._tell_of(self.reference)

    def setup(self, stage: str) -> None:
        if self._is_predicting:
            return
        self._refuse_together()
        # Other ranks of this machine come here without having prepared: they find it done.
        self._prepared = self._prepared or self._prepare()
        if self._reference_text is not None:
            self.reference = self.reference or prepare_reference(self.settings, self._prepared)
        if stage == "fit" and not self._training_order.per_epoch:
            raise InputError(
                f"the training part has {self.train_tokens:,} tokens, fewer than one window "
                f"of {self.settings.seq_len + 1:,} needs: give more text or a smaller data.seq_len"
            )

    def _refuse_together(self) -> None:
        """Raises in all processes what kept the first one from preparing the data."""
        first = self._refusal
        if self.trainer is not None and self.trainer.world_size > 1:
            first = self.trainer.strategy.broadcast(first)
        if refusal := first or self._refusal:
            raise InputError(refusal)

    def _prepare(self, *, progress: bool = False) -> Preparation:
        settings = self.settings
        with isolate_rng():  # training is to draw the same numbers, whether all was there already
            return prepare(
                settings.recipe,
                settings.cache_dir,
                by_size=self._reference_text is None,  # beside one, texts are compared with it
                num_proc=settings.num_proc,
                progress=progress,
            )

    def _tell_of(self, reference: Preparation) -> None:
        tokens = reference.tokens
        count = tokens.num_documents("train")
        documents = f"{count:,} document{'' if count == 1 else 's'}"
        tell(f"reference {tokens.num_tokens('train'):,} tokens in {documents}")
        share = share_in_training(reference, self.prepared)
        if share >= _TOLD_SHARE:
            tell(
                f"{share:.0%} of data.reference_text {self.settings.reference_text} is in the "
                "training text too: there it measures what is learned, not what is forgotten",
                file=sys.stderr,
            )

    def train_dataloader(self) -> loader.TrainingLoader:
        order, settings = self._training_order, self.settings
        batches = loader.EndlessBatches(order, settings.batch_size, *self._rank_and_world_size)
        windows = self._windows(self.tokens, order.spans)
        return loader.TrainingLoader(windows, batches, settings.num_workers)

    def val_dataloader(self) -> DataLoader[Batch] | list[Any]:
        """The validation part, and behind it the reference text where there is one."""
        has_part = self.settings.recipe.val_fraction > 0
        held_out: Any = self._held_out_loader("val") if has_part else []
        if self.reference is None:
            return held_out
        return [held_out, self._evaluation_loader(self.reference.tokens, "train")]

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._held_out_loader("test")

    def predict_dataloader(self) -> DataLoader[list[str]]:
        prompts = loader.read_prompts(self.settings.prompts)
        return loader.prompt_loader(prompts, self.settings.batch_size, *self._rank_and_world_size)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the data: enough to write with it and to refuse other data."""
        return tokenizer_state(self.tokenizer, self._tokenizer_origin) | {
            "tokens": self.tokens.fingerprint,
            "source": self.settings.recipe.source,
            "documents": [Path(name).name for name in self.tokens.documents[:_MOST_NAMED]],
            "num_documents": len(self.tokens.documents),
            "num_tokens": {split: self.tokens.num_tokens(split) for split in SPLITS},
            "seq_len": self.settings.seq_len,
            **({"reference": self.reference_fingerprint} if self.reference else {}),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Compares a checkpoint's data with what is prepared here; to predict, takes its tokenizer.

        Raises:
            InputError: If ids mean other text here, or if a run would go on with other data.
        """
        if self._is_predicting:
            self._take_tokenizer(state)
            return
        check_same_tokenizer(
            state,
            self.tokenizer,
            self._tokenizer_origin,
            giver="this config",
            way_out="restore data.tokenizer, data.source, data.vocab_size and the fractions, or "
            "start another run with --run NAME",
        )
        fitting = self.trainer is not None and self.trainer.training
        if fitting and state["tokens"] != self.tokens.fingerprint:
            raise InputError(
                f"the checkpoint was trained on tokens {state['tokens']} of {state['source']}, "
                f"this config gives {self.tokens.fingerprint} of {self.settings.recipe.source}: "
                "restore the data settings, or start another run with --run NAME"
            )

    def _take_tokenizer(self, state: dict[str, Any]) -> None:
        named = self.settings.recipe.tokenizer
        if named is not None:
            check_same_tokenizer(
                state,
                load_tokenizer(named),
                named,
                giver="data.tokenizer",
                way_out="leave it out to use the checkpoint's own",
            )
        self.tokenizer = read_tokenizer(state["tokenizer"], "what the checkpoint holds")

    @property
    def tokens(self) -> TokenFile:
        return self.prepared.tokens

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the tokens; to predict, the checkpoint's."""
        return self.prepared.tokenizer()

    @property
    def prepared(self) -> Preparation:
        """Where text, tokenizer and tokens lie on the disk."""
        assert self._prepared is not None, "setup() has not run"
        return self._prepared

    def describe(self) -> str:
        """What is trained on, as Markdown: the report on the corpus, and how it is split."""
        corpus, recipe = self.prepared.corpus, self.settings.recipe
        source = recipe.source if isinstance(recipe.source, str) else ", ".join(recipe.source)
        facts = [
            f"source {code(source)}",
            self.tokens.splits_line(),
            f"tokenizer of {len(self.tokens.num_bytes):,} ids, "
            f"{self.tokens.bytes_per_token:.2f} bytes per token of held-out text",
            f"report {code(str(corpus.report_file))}",
        ]
        table = fenced("\n".join(status_table(corpus.reports)))
        return "\n".join([*(f"- {fact}" for fact in facts), "", table])

    @property
    def tokenizer_dir(self) -> Path:
        return self.prepared.tokenizer_dir

    @property
    def reference_fingerprint(self) -> str | None:
        """That of the tokens of the reference text, if there is one to be measured."""
        return None if self.reference is None else self.reference.tokens.fingerprint

    def held_out_openings(self, count: int, length: int) -> list[list[int]]:
        """The first tokens of passages held out for validation; where none are, of others."""
        tokens = self.tokens
        spans = tokens.split("val") or tokens.split("train")
        chosen = spans[:: max(1, len(spans) // count)][:count]
        return [tokens.tokens[a : min(a + length, b)].tolist() for a, b in chosen]

    @property
    def train_tokens(self) -> int:
        """Tokens in the training split, the gaps beside what is held out not counted."""
        return sum(end - first for first, end in self._training_order.spans)

    def passages_of(self, sample: int) -> list[Passage]:
        """Where the window comes from that training takes as its ``sample``, from 0."""
        first = self._training_order.start(sample)
        return self.tokens.passages(first, first + self.settings.seq_len)

    @cached_property
    def _training_order(self) -> WindowOrder:
        settings = self.settings
        spans = with_gaps(self.tokens, settings.seq_len)
        return WindowOrder(spans, settings.seq_len, settings.stride, settings.seed)

    @property
    def _tokenizer_origin(self) -> str | Path:
        """The tokenizer that was asked for, or where the one that was trained lies."""
        return self.settings.recipe.tokenizer or self.tokenizer_dir

    @property
    def _is_predicting(self) -> bool:
        return self.trainer is not None and self.trainer.predicting

    @property
    def _reference_text(self) -> str | list[str] | None:
        """What is to be measured beside the validation part; nothing is while testing."""
        is_testing = self.trainer is not None and self.trainer.testing
        return None if is_testing else self.settings.reference_text

    @property
    def _rank_and_world_size(self) -> tuple[int, int]:
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)

    def _windows(self, tokens: TokenFile, spans: Sequence[Span], **options: Any) -> TokenWindows:
        if self.settings.mask_documents:
            options["document_starts"] = tokens.document_starts
        return TokenWindows(tokens.tokens, self.settings.seq_len, spans=spans, **options)

    def _held_out_loader(self, split: str) -> DataLoader[Batch]:
        if not consecutive_starts(self.tokens.split(split), self.settings.seq_len):
            raise InputError(
                f"the {split} part has {self.tokens.num_tokens(split)} tokens: raise "
                f"data.{split}_fraction, or give more text"
            )
        return self._evaluation_loader(self.tokens, split)

    def _evaluation_loader(self, tokens: TokenFile, split: str) -> DataLoader[Batch]:
        spans, settings = tokens.split(split), self.settings
        return loader.evaluation_loader(
            self._windows(tokens, spans, num_bytes=tokens.num_bytes),
            consecutive_starts(spans, settings.seq_len),
            settings.batch_size,
            settings.num_workers,
            *self._rank_and_world_size,
        )


def _show_report(prepared: Preparation) -> None:
    """The table of a corpus that is new or in trouble."""
    corpus = prepared.corpus
    if corpus.is_new or any(report.status != "ok" for report in corpus.reports):
        tell(*status_table(corpus.reports), f"report: {corpus.report_file}")
