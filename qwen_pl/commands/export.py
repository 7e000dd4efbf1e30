"""``export``: writes a trained model as other programs load it, and proves that they do."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qwen_pl.commands.options.arguments import VerbParser
from qwen_pl.commands.options.checkpoint_arguments import (
    Trained,
    add_checkpoint_options,
    checkpoint_of,
    load_trained,
)
from qwen_pl.commands.parts.run_facts import name_of_run
from qwen_pl.errors import InputError
from qwen_pl.files import whole_folder, write_text

if TYPE_CHECKING:
    from qwen_pl.export.findings import Finding

DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "q8_0": "q8_0"}
"""What llama.cpp calls a dtype, and what Transformers does; both names are taken."""

LONGEST_OLLAMA_CONTEXT = 8192
"""Tokens; Ollama makes room for all of a context at once, gigabytes at Qwen3's 40,960."""

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
    options = parser.parse_args(args)

    if options.format not in ("hf", "gguf"):
        raise InputError(f"--format is {options.format}: it has to be hf or gguf")
    is_gguf = options.format == "gguf"
    dtype = _dtype(options.dtype, is_gguf)
    out = options.out.expanduser().resolve()
    checkpoint = checkpoint_of(options)
    _check_out(out, checkpoint, overwrite=options.overwrite)
    export = _export_gguf if is_gguf else _export_hugging_face
    written = export(checkpoint, out, dtype, options.check)
    size = sum(file.stat().st_size for file in out.iterdir())
    print(f"{written}, {size / 1e6:,.1f} MB -> {options.out}")


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


def _export_hugging_face(checkpoint: Path, out: Path, dtype: str | None, check: bool) -> str:
    """Writes and checks a folder for Transformers; returns what is in it."""
    from qwen_pl.export.hf_check import require_transformers

    if check:
        require_transformers()

    import torch

    from qwen_pl.commands.parts.run_facts import card_facts, passages
    from qwen_pl.data.tokens.tokenizer import END_OF_TEXT, write_tokenizer
    from qwen_pl.export.hf_check import check_hugging_face, transformers_version
    from qwen_pl.export.hugging_face import write_hugging_face
    from qwen_pl.export.model_card import model_card, usage_of_hugging_face
    from qwen_pl.generation.sampling import Sampling

    trained = _load(checkpoint)
    network, tokenizer, rest = trained
    dtype = dtype or _dtype_of(trained)
    defaults = Sampling()
    sampling = {name: getattr(defaults, name) for name in ("temperature", "top_k", "top_p")}
    end_of_text = tokenizer.token_to_id(END_OF_TEXT)
    name = name_of_run(checkpoint) or out.name
    card = model_card(
        card_facts(trained, checkpoint, name=name, dtype=dtype), usage_of_hugging_face(out.name)
    )
    with _whole_export(out) as folder:
        longest = network.config.max_position_embeddings
        write_tokenizer(tokenizer, folder, model_max_length=longest)
        write_hugging_face(
            network,
            folder,
            dtype=getattr(torch, dtype),
            end_of_text=end_of_text,
            num_tokens=tokenizer.get_vocab_size(),
            sampling=sampling,
        )
        write_text(folder / "README.md", card, flush=False)
        if check:
            findings = check_hugging_face(
                folder,
                network,
                tokenizer,
                dtype=getattr(torch, dtype),
                end_of_text=end_of_text,
                texts=passages(rest, checkpoint, tokenizer),
            )
            _judge(findings, f"loaded with Transformers {transformers_version()}")
    return f"{network.config.num_parameters():,} parameters in {dtype}"


def _export_gguf(checkpoint: Path, out: Path, dtype: str | None, check: bool) -> str:
    """Writes and checks a folder for llama.cpp and Ollama; returns what is in it."""
    from qwen_pl.commands.parts.run_facts import card_facts, passages
    from qwen_pl.export.gguf import import_gguf, write_gguf
    from qwen_pl.export.gguf_check import check_gguf
    from qwen_pl.export.model_card import model_card, usage_of_gguf
    from qwen_pl.export.modelfile import modelfile_text

    import_gguf()  # which complains where it is missing, before any work is done
    trained = _load(checkpoint)
    network, tokenizer, _ = trained
    dtype = dtype or _dtype_of(trained)
    short = next(short for short, name in DTYPES.items() if name == dtype)
    name = name_of_run(checkpoint) or out.name
    file_name = f"{name}-{short}.gguf"
    facts = card_facts(trained, checkpoint, name=name, dtype=short)
    card = model_card(facts, usage_of_gguf(file_name, name), library="gguf")
    num_ctx = min(network.config.max_position_embeddings, LONGEST_OLLAMA_CONTEXT)
    modelfile = modelfile_text(file_name, num_ctx=num_ctx)
    with _whole_export(out) as folder:
        write_gguf(network, tokenizer, folder / file_name, dtype=short, name=name)
        write_text(folder / "Modelfile", modelfile, flush=False)
        write_text(folder / "README.md", card, flush=False)
        if check:
            texts = passages(trained.rest, checkpoint, tokenizer)
            file = folder / file_name
            _judge(check_gguf(file, network, tokenizer, dtype=short, texts=texts), "read back")
    return f"{network.config.num_parameters():,} parameters in {short}"


def _load(checkpoint: Path) -> Trained:
    trained = load_trained(checkpoint, mmap=True)
    print(f"{checkpoint}:", file=sys.stderr, flush=True)
    return trained


def _dtype_of(trained: Trained) -> str:
    from qwen_pl.export.weights import dtype_name

    return dtype_name(trained.network.lm_head.weight.dtype)


def _check_out(out: Path, checkpoint: Path, *, overwrite: bool) -> None:
    """Refuses a folder that cannot be written, or that would take more with it than an export.

    Raises:
        InputError: If it is one.
    """
    if out.suffix == ".gguf":
        raise InputError(f"--out is {out}: give a folder, the file gets its name from the run")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out is {out}, which is no folder: give another")
    for precious in (Path.cwd(), Path.home(), checkpoint.resolve()):
        if precious == out or out in precious.parents:
            raise InputError(f"--out is {out}, which holds {precious}: give a new folder")
    if not out.exists() or not any(out.iterdir()):
        return
    if not overwrite and not _is_export(out):
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
    from qwen_pl.export.findings import findings_table

    print(f"{how} and compared:\n{findings_table(findings)}", flush=True)
    if differing := [finding.what for finding in findings if not finding.agrees]:
        print(
            f"error: what was written is not the checkpoint's: {', '.join(differing)} differ; "
            "nothing is left of it, --no-check writes it all the same",
            file=sys.stderr,
        )
        raise SystemExit(1)
