"""The settings of the data room, as a config gives them."""

from pathlib import Path

from qwen_pl.data.cleaning.block_policy import Blocks
from qwen_pl.data.cleaning.clean_text import Cleaning
from qwen_pl.data.corpus.duplicates import Duplicates
from qwen_pl.data.corpus.reading import ReadingSettings
from qwen_pl.data.pdf.read import PdfLimits
from qwen_pl.data.pdf.readers import check_ocr, check_reader
from qwen_pl.data.prepare.prepare import Recipe
from qwen_pl.data.processes import available_cores
from qwen_pl.errors import InputError


class DataSettings:
    """Checked settings; those that decide what is made of the corpus are in ``recipe``.

    It stands apart from the datamodule, so that ``prepare`` need not wait for PyTorch to load.

    Args:
        source: PDFs, text, Markdown, HTML, EPUB, JSON Lines or Parquet files, folders of them, or
            glob patterns.
        cache_dir: Where text, tokenizers and token files are kept. May be deleted at any time.
        reader: What reads PDFs: pdfium; pypdf, which is slower; or auto, which takes pdfium, and
            pypdf for pages that pdfium does not read well.
        ocr: Which pages of PDFs are read as pictures, by OCR: auto for those without legible text,
            if rapidocr is installed; never; or always for all.
        text_column: What the text of a row is called in JSON Lines and Parquet files.
        vocab_size: Ids of the tokenizer that is trained, special tokens included.
        tokenizer: Folder of a tokenizer to use instead of training one, or the id of a repository
            on the Hugging Face Hub, such as Qwen/Qwen3-0.6B.
        max_train_bytes: Text that the tokenizer is trained on at most, in bytes; of more text, a
            sample spread evenly over all of it is taken. Training needs some 8 bytes for each.
        seq_len: Tokens per window.
        stride: Tokens between window starts in an epoch; by default ``seq_len``, without overlap.
        mask_documents: Whether attention and positions stay within each document of a window. A
            window of short texts otherwise sees the end of one while it predicts the next.
        batch_size: Windows per batch and device.
        val_fraction: Share of the text that is held out for validation: whole documents where
            there are ten or more, else blocks spread over the text.
        test_fraction: Share of the text that is held out for testing, likewise.
        num_workers: Processes that cut windows; 0 is as fast unless the disk is slow.
        num_proc: Processes that read PDFs and tokenize; by default as many as there are cores.
        seed: Decides the order of the windows.
        password: For encrypted PDFs.
        strict: Whether to stop at a file that cannot be read as a whole, rather than name it.
        cleaning: Which cleaning steps are taken.
        blocks: Which kinds of blocks go into the text: keep, drop or apart for each role.
        duplicates: What is done with text that is there more than once.
        limits: What a single PDF may cost before it is given up.
        reference_text: Text in the same forms as ``source`` that is measured at every validation,
            as ``reference_bits_per_byte``, and never trained on: what a network is to go on
            knowing while it learns the rest.
        prompts: For ``predict``: a text file with one prompt per line, or a ``.jsonl`` file of
            lines such as ``{"prompt": "..."}``, whose prompts may have several lines.

    Raises:
        InputError: If a setting cannot be used.
    """

    def __init__(
        self,
        source: str | list[str] = "data/book.pdf",
        cache_dir: str = "data/cache",
        reader: str = "auto",
        ocr: str = "auto",
        text_column: str = "text",
        vocab_size: int = 4096,
        tokenizer: str | None = None,
        max_train_bytes: int = 100_000_000,
        seq_len: int = 256,
        stride: int | None = None,
        mask_documents: bool = False,
        batch_size: int = 8,
        val_fraction: float = 0.1,
        test_fraction: float = 0.05,
        num_workers: int = 0,
        num_proc: int | None = None,
        seed: int = 0,
        password: str = "",
        strict: bool = False,
        cleaning: Cleaning = Cleaning(),  # noqa: B008 (frozen)
        blocks: Blocks = Blocks(),  # noqa: B008 (frozen)
        duplicates: Duplicates = Duplicates(),  # noqa: B008 (frozen)
        limits: PdfLimits = PdfLimits(),  # noqa: B008 (frozen)
        reference_text: str | list[str] | None = None,
        prompts: str | None = None,
    ) -> None:
        check_reader(reader)
        check_ocr(ocr)
        self.recipe = Recipe(
            source=source,
            vocab_size=vocab_size,
            tokenizer=tokenizer,
            max_train_bytes=max_train_bytes,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            reading=ReadingSettings(cleaning, limits, password, reader, ocr, blocks, text_column),
            duplicates=duplicates,
            strict=strict,
        )
        self.cache_dir = Path(cache_dir)
        self.seq_len = seq_len
        self.stride = seq_len if stride is None else stride
        self.mask_documents = mask_documents
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.num_proc = available_cores() if num_proc is None else num_proc
        self.seed = seed
        self.reference_text = reference_text
        self.prompts = prompts
        for name in ("seq_len", "stride", "batch_size", "num_proc"):
            if (value := getattr(self, name)) < 1:
                raise InputError(f"data.{name} is {value}: it has to be at least 1")
