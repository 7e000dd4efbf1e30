"""Published weights: found, checked against their config, and read tensor by tensor."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from qwen_pl.errors import InputError
from qwen_pl.export.hf_config import config_from_json
from qwen_pl.files import expanded, lies_in_a_file
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"

_FLOATS = ("F64", "F32", "F16", "BF16")
_IGNORED = "rotary_emb.inv_freq"  # old files hold it, though it follows from the config
_MOST_NAMED = 5
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Pretrained:
    """A published network: its sizes, and in which file each of its tensors lies."""

    config: Qwen3Config
    tensors: Mapping[str, Path]

    @torch.no_grad()
    def network(self, config: Qwen3Config | None = None) -> Qwen3ForCausalLM:
        """The network with its weights, on torch's default device and in its default dtype.

        Tensors are read one after the other from mapped memory, so the network is in memory once.

        Args:
            config: By default that of the network. It may differ in what has no weights, and in
                ``vocab_size``: then the first rows of the embedding and the head are kept, and
                each row more is the mean of all. So a new token starts as likely as the average
                one, and what the network predicts else hardly changes.
                Source: Hewitt 2021, https://nlp.stanford.edu/~johnhew/vocab-expansion.html

        Raises:
            InputError: If a file is damaged.
        """
        with torch.device("meta"):  # nothing is drawn at random that is overwritten at once
            network = Qwen3ForCausalLM(config or self.config)
        network.to_empty(device=torch.get_default_device())
        parameters = dict(network.named_parameters())
        for file in sorted({self.tensors[name] for name in parameters}):
            with _opened(file) as stored:
                for name, parameter in parameters.items():
                    if self.tensors[name] == file:
                        _copy(stored.get_tensor(name), parameter)
        return network


def load_pretrained(name: str | Path, *, vocab_size: int | None = None) -> Qwen3ForCausalLM:
    """The published network of a folder or of a repository's id on the Hugging Face Hub.

    ``vocab_size`` is given for other rows of the embedding; see ``Pretrained.network``.

    Raises:
        InputError: If it cannot be found, is damaged, or is no Qwen3 as its config says.
    """
    pretrained = find_pretrained(name)
    config = replace(pretrained.config, vocab_size=vocab_size or pretrained.config.vocab_size)
    return pretrained.network(config)


def published_config(name: str | Path) -> Qwen3Config:
    """The sizes of a published network, without its weights.

    Raises:
        InputError: If there is no config, or it describes what our network does not compute.
    """
    return config_from_json(_config_file(name))


def find_pretrained(name: str | Path) -> Pretrained:
    """Finds the network of a folder or repository and checks that it is whole; loads no weight.

    Raises:
        InputError: If anything is missing, damaged, or not as the config says.
    """
    config_file = _config_file(name)
    config = config_from_json(config_file)
    tensors, shapes = {}, {}
    for file in _weight_files(name, config_file):
        with _opened(file) as stored:
            for key in stored.keys():  # noqa: SIM118 (not a mapping)
                piece = stored.get_slice(key)
                if piece.get_dtype() not in _FLOATS:
                    raise InputError(
                        f"{key} in {file} is {piece.get_dtype()}: quantised weights cannot be "
                        "trained, take the repository with plain ones"
                    )
                tensors[key], shapes[key] = file, tuple(piece.get_shape())
    _check_tensors(str(name), config, shapes)
    if config.tie_word_embeddings and HEAD in tensors:
        _check_same(tensors)
    return Pretrained(config, tensors)


def _published_file(name: str | Path, *file_names: str, beside: Path | None = None) -> Path | None:
    """The first of ``file_names`` that a folder or repository has, None if it has none of them.

    What was downloaded once stays as it is. Nothing but the file asked for is downloaded, of the
    revision of the one ``beside``, which was found before.
    """
    folder = expanded(name)
    if folder.is_dir():
        return next((folder / file for file in file_names if (folder / file).is_file()), None)
    repository = str(name)
    is_local = ".." in repository or lies_in_a_file(folder)
    if is_local or not _REPOSITORY.fullmatch(repository):
        raise InputError(f"no such folder: {name}")
    import huggingface_hub  # tokenizers brings it along
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    revision = beside.parent.name if beside is not None else ""
    commit = revision if _COMMIT.fullmatch(revision) else None
    for file_name in file_names:
        kept = huggingface_hub.try_to_load_from_cache(repository, file_name, revision=commit)
        if isinstance(kept, str):
            return Path(kept)
    huggingface_hub.logging.set_verbosity_error()
    for file_name in file_names:
        try:
            return Path(huggingface_hub.hf_hub_download(repository, file_name, revision=commit))
        except Exception as error:  # of many kinds, those of the network among them
            is_unreachable = isinstance(error, LocalEntryNotFoundError)
            if isinstance(error, EntryNotFoundError) and not is_unreachable:
                continue
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise InputError(
                f"no {file_name} of {name}: there is no such folder, and as a repository on the "
                f"Hugging Face Hub it cannot be had ({reason})"
            ) from None
    return None


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """A safetensors file, mapped and not read."""
    try:
        with safe_open(file, framework="pt") as stored:
            yield stored
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file} is damaged, copy or download it again: {error}") from None


def _config_file(name: str | Path) -> Path:
    file = _published_file(name, "config.json")
    if file is None:
        raise InputError(f"no config.json in {name}: weights alone do not say what to compute")
    return file


def _weight_files(name: str | Path, config_file: Path) -> list[Path]:
    file = _published_file(name, SINGLE, INDEX, beside=config_file)
    if file is None:
        if any(config_file.parent.glob("pytorch_model*.bin")):
            raise InputError(
                f"{name} has its weights in pytorch_model.bin only, a pickle, which could execute "
                "anything: convert it with Transformers' save_pretrained"
            )
        raise InputError(f"no {SINGLE} in {name}, nor {INDEX}")
    if file.name == SINGLE:
        return [file]
    shards = []
    for shard_name in _shard_names(file):
        shard = _published_file(name, shard_name, beside=file)
        if shard is None:
            raise InputError(f"no {shard_name} in {name}, which {file.name} names")
        shards.append(shard)
    return shards


def _shard_names(index: Path) -> list[str]:
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        if names and all(name == Path(name).name for name in names):  # and not ../elsewhere
            return sorted(names)
        reason = "its weight_map names no files beside it"
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        reason = f"{type(error).__name__} {error}"
    raise InputError(f"{index} is not an index of safetensors: {reason}")


def _check_tensors(name: str, config: Qwen3Config, shapes: Mapping[str, tuple]) -> None:
    """Compares names and shapes with those that the network will have; nothing is loaded yet."""
    with torch.device("meta"):
        wanted = {key: tuple(t.shape) for key, t in Qwen3ForCausalLM(config).state_dict().items()}
    missing = [key for key in wanted if key not in shapes]
    if config.tie_word_embeddings and HEAD in missing:
        missing.remove(HEAD)
    extra = [key for key in shapes if key not in wanted and not key.endswith(_IGNORED)]
    misshapen = [
        f"{key} {shape} and not {wanted[key]}"
        for key, shape in shapes.items()
        if key in wanted and shape != wanted[key]
    ]
    found = []
    for what, keys in (("missing", missing), ("extra", extra), ("misshapen", misshapen)):
        if keys:
            more = len(keys) - _MOST_NAMED
            named = ", ".join(keys[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
            found.append(f"{what}: {named}")
    if found:
        raise InputError(f"the weights in {name} are not those of its config: {'; '.join(found)}")


def _check_same(tensors: Mapping[str, Path]) -> None:
    with _opened(tensors[EMBEDDING]) as one, _opened(tensors[HEAD]) as other:
        embedding, head = one.get_tensor(EMBEDDING), other.get_tensor(HEAD)
        if head.dtype != embedding.dtype:
            embedding, head = embedding.float(), head.float()
        if not torch.equal(embedding, head):
            raise InputError(
                f"{HEAD} in {tensors[HEAD]} differs from {EMBEDDING}, though config.json ties "
                "them: set tie_word_embeddings to false there, or remove the head"
            )


def _copy(stored: Tensor, parameter: Tensor) -> None:
    """Fills ``parameter``; rows that ``stored`` has not are the mean of its rows."""
    kept = min(len(stored), len(parameter))
    parameter[:kept] = stored[:kept]
    if kept < len(parameter):
        parameter[kept:] = stored.mean(0, dtype=torch.float32)
