"""What an export is made of: the facts on its card, and for each format files and their check."""

import sys
from pathlib import Path
from typing import Any

import torch
import yaml

from qwen_pl.any_tokenizer import document_start, end_of_text, num_ids, unused_ids
from qwen_pl.commands.options import Trained
from qwen_pl.data.tokens.splits import SPLITS
from qwen_pl.data.tokens.token_file import TokenFile
from qwen_pl.data.tokens.tokenizer import write_tokenizer
from qwen_pl.export.findings import Finding
from qwen_pl.export.gguf import modelfile_text, write_gguf
from qwen_pl.export.gguf_check import check_gguf
from qwen_pl.export.hf_check import check_hugging_face
from qwen_pl.export.hugging_face import write_hugging_face
from qwen_pl.export.model_card import CardFacts, model_card, usage_of_gguf, usage_of_hugging_face
from qwen_pl.files import write_text
from qwen_pl.generation.sampling import Sampling
from qwen_pl.run.saved_config import config_in_force
from qwen_pl.runs import run_of, tell_of_changed_config
from qwen_pl.seals import Damaged
from qwen_pl.terminal import tell
from qwen_pl.training.monitoring.recorded import measured_metrics, tokens_seen
from qwen_pl.training.steps.ledger import LEDGER, read_ledger

LONGEST_OLLAMA_CONTEXT = 8192
"""Tokens; Ollama makes room for all of a context at once, gigabytes at Qwen3's 40,960."""

_TEXT = 200  # tokens


def write_hugging_face_export(folder: Path, trained: Trained, facts: CardFacts, name: str) -> None:
    """Writes a folder for Transformers, which is going to be called ``name``."""
    longest = facts.network.max_position_embeddings
    usual = Sampling()
    write_tokenizer(trained.tokenizer, folder, model_max_length=longest)
    write_hugging_face(
        trained.network,
        folder,
        dtype=getattr(torch, facts.dtype),
        end_of_text=end_of_text(trained.tokenizer),
        bos_token_id=next(iter(document_start(trained.tokenizer)), None),
        unused_ids=unused_ids(trained.tokenizer, facts.network.vocab_size),
        sampling={name: getattr(usual, name) for name in ("temperature", "top_k", "top_p")},
    )
    _write_card(folder, model_card(facts, usage_of_hugging_face(name)))


def check_hugging_face_export(
    folder: Path, trained: Trained, facts: CardFacts, texts: list[str]
) -> list[Finding]:
    """Loads it with Transformers and compares it with the checkpoint."""
    return check_hugging_face(
        folder,
        trained.network,
        trained.tokenizer,
        dtype=getattr(torch, facts.dtype),
        end_of_text=end_of_text(trained.tokenizer),
        texts=texts,
    )


def write_gguf_export(folder: Path, trained: Trained, facts: CardFacts, name: str) -> None:
    """Writes a folder for llama.cpp and Ollama: the model in one file, and what tells of it."""
    file = _gguf_file(folder, facts)
    write_gguf(trained.network, trained.tokenizer, file, dtype=facts.dtype, name=facts.name)
    num_ctx = min(facts.network.max_position_embeddings, LONGEST_OLLAMA_CONTEXT)
    write_text(folder / "Modelfile", modelfile_text(file.name, num_ctx=num_ctx), flush=False)
    _write_card(folder, model_card(facts, usage_of_gguf(file.name, facts.name), library="gguf"))


def check_gguf_export(
    folder: Path, trained: Trained, facts: CardFacts, texts: list[str]
) -> list[Finding]:
    """Reads it back and compares it with the checkpoint."""
    file = _gguf_file(folder, facts)
    return check_gguf(file, trained.network, trained.tokenizer, dtype=facts.dtype, texts=texts)


def _gguf_file(folder: Path, facts: CardFacts) -> Path:
    return folder / f"{facts.name}-{facts.dtype}.gguf"


def _write_card(folder: Path, card: str) -> None:
    write_text(folder / "README.md", card, flush=False)


def card_facts(trained: Trained, checkpoint: Path, *, name: str, dtype: str) -> CardFacts:
    """The facts of a checkpoint; what neither it nor its run's folder tells stays unknown."""
    folder = run_of(checkpoint)
    data, steps = trained.rest["PDFDataModule"], trained.rest["global_step"]
    metrics_step, metrics = measured_metrics(trained.rest, folder)
    source = data.get("source") or []
    sources = [source] if isinstance(source, str) else source
    documents = data.get("documents") or [Path(item).name or item for item in sources]
    return CardFacts(
        name=name,
        version=trained.rest["qwen_pl"].get("version", "of an unknown version"),
        network=trained.network.config,
        num_tokens=num_ids(trained.tokenizer),
        dtype=dtype,
        checkpoint=checkpoint.name,
        steps=steps,
        tokens_seen=tokens_seen(trained.rest),
        sources=documents,
        num_sources=data.get("num_documents") or len(documents),
        tokens_of={part: count for part, count in data.get("num_tokens", {}).items() if count},
        metrics=metrics,
        metrics_step=metrics_step,
        from_pretrained=trained.rest["qwen_pl"].get("from_pretrained"),
        run_config=_config(folder, steps) if folder else None,
    )


def texts_of_data(trained: Trained, checkpoint: Path) -> list[str]:
    """Some text of each part of the run's data, if its token file is still there."""
    folder = run_of(checkpoint)
    if folder is None or not (folder / LEDGER).is_file():
        return []
    try:
        stretches = read_ledger(folder / LEDGER)
        if not stretches:
            return []
        tokens = TokenFile(Path(stretches[-1].tokens))
        if not tokens.folder.exists():  # it has been removed
            return []
        if tokens.fingerprint != trained.rest["PDFDataModule"]["tokens"]:
            return []
        starts = [first for part in SPLITS for first, _ in tokens.split(part)[:1]]
        pieces = [tokens.tokens[first : first + _TEXT].tolist() for first in starts]
    except Damaged as damage:
        tell(f"{damage}; the check does without the text of the run", file=sys.stderr)
        return []
    return [trained.tokenizer.decode(piece, skip_special_tokens=False) for piece in pieces]


def _config(folder: Path, steps: int) -> dict[str, Any] | None:
    """The config that was in force at a step: that of the start, or of the last resume before."""
    file = config_in_force(folder, max(1, steps))
    if file is not None:
        tell_of_changed_config(file)
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8")) if file else None
    except (OSError, ValueError, yaml.YAMLError):  # edited since, maybe
        return None
    return config if isinstance(config, dict) else None
