"""``export``: writes a trained model as other programs load it, and proves that they do."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qwen_pl.commands.options import (
    VerbParser,
    add_checkpoint_options,
    checkpoint_of,
    load_trained,
)
from qwen_pl.errors import InputError
from qwen_pl.files import check_place, expanded, in_bytes, size_of, whole_folder
from qwen_pl.runs import run_of
from qwen_pl.terminal import tell

if TYPE_CHECKING:
    from qwen_pl.export.findings import Finding

DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "q8_0": "q8_0"}
"""What llama.cpp calls a dtype, and what Transformers does; both names are taken."""

# What an export consists of; a folder that holds anything else is not only an export.
OUR_FILES = (
    "README.md",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "*.gguf",
    "Modelfile",
)

HELP = """\
Write a trained model as other programs load it: a folder for Transformers and vLLM, or a GGUF file
for llama.cpp and Ollama. What was written is loaded again and compared with the checkpoint; where
it differs, nothing is left and the exit code is 1."""


def main(args: list[str]) -> None:
    """Writes the folder, whole or not at all.

    Raises:
        InputError: If there is no checkpoint, or it cannot be written as asked.
        SystemExit: With 1, if what was written is not what was to be written.
    """
    options = _parser().parse_args(args)
    if options.format not in ("hf", "gguf"):
        raise InputError(f"--format is {options.format}: it has to be hf or gguf")
    is_gguf = options.format == "gguf"
    dtype = _dtype(options.dtype, is_gguf)
    out = expanded(options.out).resolve()
    checkpoint = checkpoint_of(options)
    _check_out(out, checkpoint, overwrite=options.overwrite)
    how_checked = _check_packages(is_gguf, options.check)

    from qwen_pl.commands.parts import exporting
    from qwen_pl.export.hugging_face import dtype_name

    trained = load_trained(checkpoint, mmap=True)
    tell(f"{checkpoint}:", file=sys.stderr)
    dtype = dtype or dtype_name(trained.network.lm_head.weight.dtype)
    if is_gguf:
        dtype = next(short for short, name in DTYPES.items() if name == dtype)
        write, check = exporting.write_gguf_export, exporting.check_gguf_export
    else:
        write, check = exporting.write_hugging_face_export, exporting.check_hugging_face_export
    run = run_of(checkpoint)
    name = out.name if run is None else run.name
    facts = exporting.card_facts(trained, checkpoint, name=name, dtype=dtype)
    with _whole_export(out) as folder:
        write(folder, trained, facts, out.name)
        if options.check:
            texts = exporting.texts_of_data(trained, checkpoint)
            _judge(check(folder, trained, facts, texts), how_checked)
    parameters = f"{facts.network.num_parameters():,} parameters in {dtype}"
    tell(f"{parameters}, {in_bytes(size_of(out))} -> {options.out}")


def _parser() -> argparse.ArgumentParser:
    parser = VerbParser("export", HELP)
    add_checkpoint_options(parser, "to export")
    parser.add_argument("--format", default="hf", metavar="hf|gguf", help="whom it is for")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to write"
    )
    parser.add_argument(
        "--dtype",
        metavar="float32|bfloat16|float16|q8_0",
        help="what weights are written as, q8_0 for gguf only; by default as in the checkpoint",
    )
    parser.add_argument(
        "--check",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="load what was written and compare; for hf this needs Transformers",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a folder that holds other things too"
    )
    return parser


def _check_packages(is_gguf: bool, check: bool) -> str:
    """Complains of what is not installed before any work is done; how the check reads the files."""
    if is_gguf:
        from qwen_pl.export.gguf import import_gguf

        import_gguf()
    elif check:
        from qwen_pl.export.hf_check import transformers_version

        return f"loaded with Transformers {transformers_version()}"
    return "read back"


def _dtype(given: str | None, is_gguf: bool) -> str | None:
    """The dtype by its name in Transformers, or None for that of the checkpoint."""
    if given is None:
        return None
    known = [*DTYPES.items()] if is_gguf else [*DTYPES.items()][:-1]
    for names in known:
        if given.lower() in names:
            return names[1]
    listed = ", ".join(sorted({names[0] if is_gguf else names[1] for names in known}))
    raise InputError(f"--dtype is {given}: --format {'gguf' if is_gguf else 'hf'} takes {listed}")


def _check_out(out: Path, checkpoint: Path, *, overwrite: bool) -> None:
    """Refuses a folder that cannot be written, or that would take more with it than an export."""
    if out.suffix == ".gguf":
        raise InputError(f"--out is {out}: give a folder, the file gets its name from the run")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out is {out}, which is no folder: give another")
    check_place(out)
    for precious in (Path.cwd(), Path.home(), checkpoint.resolve()):
        if precious == out or out in precious.parents:
            raise InputError(f"--out is {out}, which holds {precious}: give a new folder")
    if out.exists() and any(out.iterdir()) and not overwrite and not _is_export(out):
        raise InputError(
            f"{out} holds other things than an export: give another --out, or --overwrite to "
            "replace all of it"
        )


def _is_export(folder: Path) -> bool:
    """Whether a folder holds what an earlier export has written, and nothing else."""
    from qwen_pl.export.model_card import TAG

    card = folder / "README.md"
    is_ours = all(any(item.match(name) for name in OUR_FILES) for item in folder.iterdir())
    if not is_ours or not card.is_file():
        return False
    return f"\n- {TAG}\n" in card.read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def _whole_export(out: Path) -> Iterator[Path]:
    """A folder that becomes ``out`` if all goes well; a full disk is told in one line."""
    from safetensors import SafetensorError

    try:
        with whole_folder(out, replace=True) as folder:
            yield folder
    except (OSError, SafetensorError) as error:
        raise InputError(f"{out} cannot be written: {error}") from None


def _judge(findings: "list[Finding]", how: str) -> None:
    """Shows what was compared, and ends the program where something differs."""
    tell(f"{how} and compared:", *findings)
    if differing := [finding.what for finding in findings if not finding.agrees]:
        tell(
            f"error: what was written is not the checkpoint's: {', '.join(differing)} differ; "
            "nothing is left of it, --no-check writes it all the same",
            file=sys.stderr,
        )
        raise SystemExit(1)
