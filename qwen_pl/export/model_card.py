"""The model card: what a model is, where it comes from and how it is loaded, as a README.md."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import yaml

from qwen_pl.markdown import code, fenced
from qwen_pl.model.config import Qwen3Config
from qwen_pl.private import without_private

TAG = "qwen_pl"
"""Stands in the card of every export, by which an earlier one is known."""

LIMITS = """\
## Limits

- It knows what was in its data and no more, and states false things as fluently as true ones.
- It may repeat passages of its data word for word. Whether it may be given away depends on the
  rights in that data; this card says nothing about a license.
- It is made for {:,} tokens at a time, prompt and answer.
- Nothing has been done to make what it writes safe or fair, and nobody has tested that."""

_MAX_SOURCES = 20


@dataclass(frozen=True)
class CardFacts:
    """What is known of a model; what is not known stays out of its card."""

    name: str
    version: str
    """Of the qwen_pl that trained it."""
    network: Qwen3Config
    num_tokens: int
    """Ids of the tokenizer."""
    dtype: str
    checkpoint: str
    """The name of the file."""
    steps: int
    tokens_seen: int | None = None
    sources: Sequence[str] = ()
    """File names of the data, or of the first of them."""
    num_sources: int = 0
    tokens_of: Mapping[str, int] = field(default_factory=dict)
    """Tokens in each part of the data: train, val, test."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    metrics_step: int | None = None
    """The step after which they were measured."""
    from_pretrained: str | None = None
    """The folder or repository whose weights training began with; None for new ones."""
    run_config: Mapping[str, Any] | None = None
    """What is in the run's ``config.yaml``."""


def model_card(facts: CardFacts, usage: str, *, library: str = "transformers") -> str:
    """The card as Markdown with a YAML head, as the Hugging Face Hub shows it.

    It names files without their folders and holds no password: it is meant to be published.
    ``usage`` says how the files beside it are loaded, ``library`` is what the Hub calls that.
    """
    parts = [
        _head(facts, library),
        _introduction(facts),
        f"## Use\n\n{usage}",
        _training(facts),
        _network(facts),
        LIMITS.format(facts.network.max_position_embeddings),
    ]
    if facts.run_config is not None:
        public = _without_folders(without_private(facts.run_config))
        text = yaml.safe_dump(public, sort_keys=False, allow_unicode=True)
        parts.append(f"## The run's config\n\n{fenced(text, 'yaml')}")
    return "\n\n".join(parts) + "\n"


def usage_of_hugging_face(name: str) -> str:
    folder, quoted = json.dumps(name, ensure_ascii=False), shlex.quote(name)
    return f"""```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = {folder}  # where this file lies, or its repository on the Hub
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
inputs = tokenizer("It is a truth", return_tensors="pt")
ids = model.generate(**inputs, max_new_tokens=100)
print(tokenizer.decode(ids[0], skip_special_tokens=True))
```

The files are those of a published Qwen3, so whatever loads one should load this one: with vLLM,
`vllm serve {quoted}`. For llama.cpp and Ollama, `python -m qwen_pl export --format gguf` writes
the same checkpoint as GGUF."""


def usage_of_gguf(gguf_name: str, name: str) -> str:
    file, model = shlex.quote(gguf_name), shlex.quote(name.lower())
    return f"""```sh
llama-cli -no-cnv -m {file} -p "It is a truth"
ollama create {model} -f Modelfile && ollama run {model} "It is a truth"
```"""


def _without_folders(value: Any) -> Any:
    """A config with file names for paths that tell of somebody's machine."""
    if isinstance(value, Mapping):
        return {name: _without_folders(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    return _public_name(value) if isinstance(value, str) else value


def _public_name(text: str) -> str:
    """The last part of a path that tells of somebody's machine; any other text as it is.

    >>> _public_name("/home/ada/book.pdf"), _public_name("data/book.pdf")
    ('book.pdf', 'data/book.pdf')
    """
    if PureWindowsPath(text).drive:
        return PureWindowsPath(text).name or text
    path = PurePosixPath(text)
    is_private = path.is_absolute() or text.startswith("~") or ".." in path.parts
    return path.name if is_private and path.name else text


def _head(facts: CardFacts, library: str) -> str:
    head: dict[str, Any] = {
        "library_name": library,
        "pipeline_tag": "text-generation",
        "tags": [TAG, "qwen3", "pretraining"],
    }
    origin = facts.from_pretrained
    if origin and re.fullmatch(r"[\w.-]+/[\w.-]+", origin):
        head["base_model"] = origin
    return f"---\n{yaml.safe_dump(head, sort_keys=False).strip()}\n---"


def _introduction(facts: CardFacts) -> str:
    origin = facts.from_pretrained
    how = f"trained further from {_public_name(origin)}" if origin else "trained from scratch"
    return (
        f"# {facts.name}\n\n"
        f"A Qwen3 language model of {facts.network.num_parameters():,} parameters, {how} with "
        f"qwen_pl {facts.version}. It continues text; it was not taught to answer or to obey."
    )


def _training(facts: CardFacts) -> str:
    rows = [("checkpoint", code(facts.checkpoint)), ("optimizer steps", f"{facts.steps:,}")]
    if facts.tokens_seen is not None:
        train = facts.tokens_of.get("train")
        passes = f", {facts.tokens_seen / train:.1f} times the training part" if train else ""
        rows.append(("tokens seen", f"{facts.tokens_seen:,}{passes}"))
    if facts.sources:
        named = ", ".join(code(source) for source in facts.sources[:_MAX_SOURCES])
        more = facts.num_sources - min(len(facts.sources), _MAX_SOURCES)
        rows.append(("data", named + (f" and {more:,} more" if more > 0 else "")))
    names = {"train": "training", "val": "validation", "test": "test"}
    for part, count in facts.tokens_of.items():
        rows.append((f"{names.get(part, part)} part", f"{count:,} tokens"))
    rows.append(("tokenizer", f"{facts.num_tokens:,} tokens"))
    when = "" if facts.metrics_step is None else f" at step {facts.metrics_step:,}"
    for metric, value in facts.metrics.items():
        label = metric.replace("val_", "validation ").replace("_", " ")
        rows.append((f"{label}{when}", f"{value:.4f}"))
    text = _table(rows)
    if not facts.metrics:
        text += "\n\nIt has not been measured on held-out text."
    return f"## Training\n\n{text}"


def _network(facts: CardFacts) -> str:
    network = facts.network
    rows = [
        ("parameters", f"{network.num_parameters():,}"),
        ("written as", facts.dtype),
        ("layers", f"{network.num_hidden_layers}"),
        ("hidden size", f"{network.hidden_size:,}"),
        ("feed-forward size", f"{network.intermediate_size:,}"),
        ("query heads", f"{network.num_attention_heads} of {network.head_dim}"),
        ("key/value heads", f"{network.num_key_value_heads}"),
        ("context", f"{network.max_position_embeddings:,} tokens"),
        ("vocabulary", f"{network.vocab_size:,} rows"),
        ("embeddings", "tied" if network.tie_word_embeddings else "not tied"),
    ]
    return f"## Network\n\n{_table(rows)}"


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])
