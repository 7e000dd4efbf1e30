"""``inspect``: shows what a checkpoint says of itself, without loading its weights."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_pl.commands.options import VerbParser, add_checkpoint_options, checkpoint_of
from qwen_pl.errors import InputError
from qwen_pl.files import in_bytes, size_of
from qwen_pl.terminal import show, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

HELP = """\
Show which step, version, network, tokenizer, data and config a checkpoint comes from, after every
byte of it was found to be as it was written."""


def main(args: list[str]) -> None:
    """Prints a table, or with ``--config`` the config, as a run takes it.

    Raises:
        InputError: If there is no such checkpoint, or it is damaged or not one of ours.
    """
    parser = VerbParser("inspect", HELP)
    add_checkpoint_options(parser, "to look at")
    parser.add_argument("--config", action="store_true", help="print the config it was made by")
    options = parser.parse_args(args)

    import yaml

    from qwen_pl.training.checkpoints.checkpoint import load_facts

    path = checkpoint_of(options)
    checkpoint = load_facts(path)
    if options.config:
        config = checkpoint["qwen_pl"].get("run_config")
        if config is None:
            raise InputError(f"{path} holds no config: it is of an earlier version")
        show(yaml.safe_dump(config, sort_keys=False))
        return
    for name, value in _rows(path, checkpoint):
        tell(f"{name:<12} {value}")


def _rows(path: Path, checkpoint: dict[str, Any]) -> "Iterator[tuple[str, str]]":
    from qwen_pl.model.config import Qwen3Config
    from qwen_pl.training.checkpoints.checkpoint import is_within_step
    from qwen_pl.training.monitoring.recorded import tokens_seen

    ours, data = checkpoint["qwen_pl"], checkpoint.get("PDFDataModule", {})
    yield "checkpoint", f"{path}, {in_bytes(size_of(path))}, undamaged"
    seen = tokens_seen(checkpoint)
    tokens = f", {seen:,} tokens seen" if seen is not None else ""
    yield "step", f"{checkpoint['global_step']:,}{tokens}"
    holds = "weights only, to write with"
    if "optimizer_states" in checkpoint:
        holds = "all it takes to go on"
        if is_within_step(checkpoint):
            holds = "half a step, from which no run can go on"
    yield "holds", holds
    versions = {"qwen_pl": ours.get("version")} | ours.get("versions", {})
    versions.setdefault("lightning", checkpoint.get("pytorch-lightning_version"))
    yield "made by", ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    sizes = Qwen3Config.of(ours.get("config"), path)
    yield (
        "network",
        f"{sizes.num_parameters():,} parameters, {sizes.num_hidden_layers} layers of "
        f"{sizes.hidden_size}, {sizes.vocab_size:,} ids",
    )
    if ours.get("from_pretrained"):
        yield "began with", ours["from_pretrained"]
    measured = dict(ours.get("measured") or {})
    if "step" in measured:
        step = measured.pop("step")
        values = ", ".join(f"{name} {value:.4f}" for name, value in measured.items())
        yield "measured", f"{values} at step {step:,}"
    if data:
        yield "tokenizer", f"{data['tokenizer_fingerprint']} from {data.get('tokenizer_origin')}"
        counts = data.get("num_tokens", {}).items()
        parts = ", ".join(f"{part} {count:,}" for part, count in counts)
        yield "data", f"{data.get('source')}, tokens {data.get('tokens')} ({parts})"
        documents = data.get("documents") or []
        more = data.get("num_documents", 0) - len(documents)
        yield "documents", ", ".join(documents) + (f" and {more:,} more" if more > 0 else "")
    if ours.get("run_config") is not None:
        yield "config", "--config prints it"
