"""The parser of the verbs, and options that several have: for data, for a trained model."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from qwen_pl.errors import InputError
from qwen_pl.files import refuse_endless
from qwen_pl.runs import newest_run, run_dir, tell_of_changed_config

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from qwen_pl.data.corpus.corpus import Corpus
    from qwen_pl.data.corpus.duplicates import Duplicates
    from qwen_pl.data.corpus.reading import ReadingSettings
    from qwen_pl.data.prepare.settings import DataSettings
    from qwen_pl.model.qwen3 import Qwen3ForCausalLM


class VerbParser(argparse.ArgumentParser):
    """Named after its verb; complains in one line and reads no abbreviations."""

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(
            prog=f"python -m qwen_pl {verb}",
            description=description,
            formatter_class=_Defaults,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} ({self.prog} --help shows what is taken)")


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Says what a default is where there is one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, ""):
            return action.help
        return super()._get_help_string(action)


def unescaped(text: str) -> str:
    r"""A new line where a shell passes on a backslash and an n, and so for tabs.

    >>> unescaped(r"one\ntwo")
    'one\ntwo'
    """
    return text.replace(r"\n", "\n").replace(r"\t", "\t")


def add_corpus_options(parser: argparse.ArgumentParser) -> None:
    """The options of verbs that read a corpus without a config."""
    parser.add_argument(
        "source", nargs="+", metavar="SRC", help="a file, a folder or a pattern in quotes"
    )
    parser.add_argument("--reader", default="auto", help="pypdf, pdfium or auto")
    parser.add_argument(
        "--ocr",
        default="auto",
        help="pages read as pictures: auto (those without text), never, always",
    )
    parser.add_argument(
        "--text_column", default="text", help="the name of the text in JSON Lines and Parquet"
    )
    parser.add_argument("--password", default="", help="for encrypted PDFs")
    parser.add_argument("--strict", action="store_true", help="stop at a file that is not whole")
    parser.add_argument("--num_proc", type=int, help="processes; by default one for each core")
    parser.add_argument("--cache_dir", type=Path, default=Path("data/cache"), help="kept texts")


def reading_of(options: argparse.Namespace) -> "ReadingSettings":
    """How ``add_corpus_options`` say that files are read."""
    from qwen_pl.data.corpus.reading import ReadingSettings

    return ReadingSettings(
        password=options.password,
        reader=options.reader,
        ocr=options.ocr,
        text_column=options.text_column,
    )


def corpus_of(options: argparse.Namespace, duplicates: "Duplicates") -> "Corpus":
    """The corpus that ``add_corpus_options`` describe, read or found in the cache."""
    from qwen_pl.data.corpus.corpus import read_corpus
    from qwen_pl.data.pdf.readers import check_ocr, check_reader
    from qwen_pl.data.processes import available_cores

    check_reader(options.reader)
    check_ocr(options.ocr)
    num_proc = available_cores() if options.num_proc is None else options.num_proc
    if num_proc < 1:
        raise InputError(f"--num_proc is {num_proc}: it has to be at least 1")
    return read_corpus(
        options.source,
        reading_of(options),
        options.cache_dir,
        duplicates=duplicates,
        strict=options.strict,
        num_proc=num_proc,
        progress=True,
    )


def data_settings_alone(config: str, overrides: list[str]) -> "DataSettings | None":
    """The data settings of a config, without the seconds that PyTorch and Lightning take to load.

    None where anything is unclear; then the whole config is to be read, with all its checks.
    """
    import yaml
    from jsonargparse import ArgumentParser

    from qwen_pl.data.prepare.settings import DataSettings

    tell_of_changed_config(Path(config))
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(DataSettings, "data")
    try:
        refuse_endless(Path(config))
        values = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
        if (values.get("model") or {}).get("from_pretrained"):
            return None  # its tokenizer may be meant
        given = parser.parse_object({"data": values.get("data", {})})
        given = parser.parse_args(overrides, namespace=given)
        return parser.instantiate(given).data
    except Exception:  # whatever it is, the whole reading has the better words for it
        return None


def checked_data_settings(config: str, overrides: list[str]) -> "DataSettings":
    """The data settings of a config that is checked to the last key, as ``fit`` does.

    Raises:
        InputError: If a setting cannot be used; a misspelt one ends the process with a line.
    """
    from qwen_pl.run.reading import read_without_run

    _, parts = read_without_run(["--config", config, *overrides])
    return parts.data.settings


def add_checkpoint_options(parser: argparse.ArgumentParser, purpose: str) -> None:
    """The options of verbs that use a trained model; ``purpose`` reads like "to write with"."""
    parser.add_argument("--run", metavar="NAME", help="the run; without it the newest one")
    parser.add_argument(
        "--ckpt_path", default="last", metavar="last|best|FILE", help=f"the checkpoint {purpose}"
    )


def checkpoint_of(options: argparse.Namespace) -> Path:
    """The file that ``add_checkpoint_options`` describe."""
    from qwen_pl.training.checkpoints.checkpoint import find_checkpoint

    if options.run is not None:
        folder = run_dir(options.run)
    else:
        folder = newest_run() if options.ckpt_path in ("last", "best") else Path()
    return find_checkpoint(options.ckpt_path, folder)


class Trained(NamedTuple):
    """What a checkpoint holds: a network and the tokenizer it was trained with."""

    network: "Qwen3ForCausalLM"
    tokenizer: "Tokenizer"
    rest: dict[str, Any]
    """All else that the checkpoint says of the run, without the state of its optimizer."""


def load_trained(checkpoint: Path, tokenizer: str | None = None, *, mmap: bool = False) -> Trained:
    """The network in a checkpoint, on the CPU and in evaluation mode, and what goes with it.

    Args:
        tokenizer: A folder or repository whose tokenizer has to be the checkpoint's.
        mmap: Whether weights stay in the file until they are needed, which must not change then.

    Raises:
        InputError: If the checkpoint cannot be read, has no tokenizer in it, or has another one.
    """
    from qwen_pl.any_tokenizer import read_tokenizer
    from qwen_pl.data.tokens.tokenizer import check_same_tokenizer, load_tokenizer
    from qwen_pl.training.checkpoints.checkpoint import load_network

    network, rest = load_network(checkpoint, mmap=mmap)
    rest.pop("optimizer_states", None)  # twice the size of the network
    data = rest.get("PDFDataModule")
    if data is None:
        raise InputError(f"{checkpoint} has no tokenizer in it")
    if tokenizer is not None:
        check_same_tokenizer(
            data,
            load_tokenizer(tokenizer),
            tokenizer,
            giver="--tokenizer",
            way_out="leave it out to use the checkpoint's own",
        )
    own = read_tokenizer(data["tokenizer"], f"what {checkpoint} holds")
    return Trained(network, own, rest)


def load_writer(checkpoint: Path, tokenizer: str | None = None) -> Trained:
    """``load_trained`` with the network on the fastest device there is."""
    import torch

    trained = load_trained(checkpoint, tokenizer)
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return trained._replace(network=trained.network.to(accelerator or "cpu"))
