"""Gathers what a model card tells of a run, from a checkpoint and the run's folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from qwen_pl.commands.options.checkpoint_arguments import Trained
    from qwen_pl.export.model_card import CardFacts

_PASSAGE = 200  # tokens


def card_facts(trained: "Trained", checkpoint: Path, *, name: str, dtype: str) -> "CardFacts":
    """The facts of a checkpoint; what neither it nor its run's folder tells stays unknown."""
    from qwen_pl.export.model_card import CardFacts
    from qwen_pl.training.monitoring.recorded import measured_metrics, tokens_seen

    folder = folder_of_run(checkpoint)
    data, steps = trained.rest["PDFDataModule"], trained.rest["global_step"]
    metrics_step, metrics = measured_metrics(trained.rest, folder)
    documents = data.get("documents") or _names(data.get("source"))
    return CardFacts(
        name=name,
        version=trained.rest["qwen_pl"].get("version", "of an unknown version"),
        network=trained.network.config,
        num_tokens=trained.tokenizer.get_vocab_size(),
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


def folder_of_run(checkpoint: Path) -> Path | None:
    """The folder of the run that a checkpoint lies in, or None if it was taken elsewhere."""
    folder = checkpoint.resolve().parent
    is_run = folder.name == "checkpoints" and (folder.parent / "config.yaml").is_file()
    return folder.parent if is_run else None


def name_of_run(checkpoint: Path) -> str | None:
    """The name of the run that a checkpoint lies in."""
    folder = folder_of_run(checkpoint)
    return folder.name if folder else None


def passages(rest: dict[str, Any], checkpoint: Path, tokenizer: "Tokenizer") -> list[str]:
    """Some text of each part of the run's data, if its token file is still there."""
    from qwen_pl.data.tokens.splits import SPLITS
    from qwen_pl.data.tokens.token_file import TokenFile
    from qwen_pl.training.steps.ledger import LEDGER, read_ledger

    folder = folder_of_run(checkpoint)
    if folder is None or not (folder / LEDGER).is_file():
        return []
    stretches = read_ledger(folder / LEDGER)
    if not stretches:
        return []
    tokens = TokenFile(Path(stretches[-1].tokens))
    try:
        if tokens.fingerprint != rest["PDFDataModule"]["tokens"]:
            return []
        starts = [first for part in SPLITS for first, _ in tokens.split(part)[:1]]
        pieces = [tokens.tokens[first : first + _PASSAGE].tolist() for first in starts]
    except (OSError, ValueError, KeyError):  # it has been removed, or is of another version
        return []
    return [tokenizer.decode(piece, skip_special_tokens=False) for piece in pieces]


def _names(source: str | list[str] | None) -> list[str]:
    """File names of what a config gives as ``data.source``."""
    sources = [source] if isinstance(source, str) else source or []
    return [Path(item).name or item for item in sources]


def _config(folder: Path, steps: int) -> dict[str, Any] | None:
    """The config that was in force at a step: that of the start, or of the last resume before."""
    import yaml

    from qwen_pl.run.saved_config import config_in_force

    file = config_in_force(folder, max(1, steps))
    if file is None:
        return None
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):  # edited since, maybe
        return None
    return config if isinstance(config, dict) else None
