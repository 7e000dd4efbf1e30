"""Published weights: what Transformers saved is computed here, and what is not whole is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from their_network import their_config

from qwen_pl.errors import InputError
from qwen_pl.export.pretrained import find_pretrained, load_pretrained
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

Save = Callable[..., transformers.Qwen3ForCausalLM]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Saves a small network of Transformers under ``tmp_path``."""

    def network(*, tied: bool = True, dtype=torch.float32, shard: str = "5GB"):
        config = their_config(
            tie_word_embeddings=tied, initializer_range=0.2, attn_implementation="eager"
        )
        torch.manual_seed(5)
        theirs = transformers.Qwen3ForCausalLM(config).eval()
        with torch.no_grad():
            for parameter in theirs.parameters():  # gains too, which would else all be one
                parameter.add_(0.1 * torch.randn_like(parameter))
        theirs.to(dtype).save_pretrained(tmp_path, max_shard_size=shard)
        read = transformers.Qwen3ForCausalLM.from_pretrained
        return read(tmp_path, dtype=torch.float32, attn_implementation="eager").eval()

    return network


def logits(network, input_ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        output = network(input_ids)
    return output if isinstance(output, torch.Tensor) else output.logits


def edit(file: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def set_config(folder: Path, **values: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("shard", ["5GB", "8KB"], ids=["one file", "shards"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_logits_are_those_of_the_network_that_was_saved(
    save: Save, tmp_path: Path, tied: bool, shard: str, dtype: torch.dtype
) -> None:
    theirs = save(tied=tied, dtype=dtype, shard=shard)
    assert (tmp_path / "model.safetensors").exists() == (shard == "5GB")
    ours = load_pretrained(tmp_path)
    input_ids = torch.randint(0, 97, (2, 13))
    torch.testing.assert_close(
        logits(ours, input_ids), logits(theirs, input_ids), rtol=1e-5, atol=1e-5
    )
    assert all(parameter.dtype == torch.float32 for parameter in ours.parameters())
    assert (ours.lm_head.weight is ours.model.embed_tokens.weight) == tied


def test_a_tied_head_may_be_stored_too(save: Save, tmp_path: Path) -> None:
    theirs = save(dtype=torch.bfloat16)
    edit(
        tmp_path / "model.safetensors",
        lambda t: t.setdefault("lm_head.weight", t["model.embed_tokens.weight"].clone()),
    )
    ours = load_pretrained(tmp_path)
    assert ours.lm_head.weight is ours.model.embed_tokens.weight
    assert torch.equal(ours.lm_head.weight, theirs.model.embed_tokens.weight)


def test_a_tied_head_that_differs_is_refused(save: Save, tmp_path: Path) -> None:
    save()
    edit(
        tmp_path / "model.safetensors",
        lambda t: t.setdefault("lm_head.weight", t["model.embed_tokens.weight"] + 1),
    )
    with pytest.raises(InputError, match="set tie_word_embeddings to false"):
        find_pretrained(tmp_path)
    set_config(tmp_path, tie_word_embeddings=False)
    ours = load_pretrained(tmp_path)
    torch.testing.assert_close(ours.lm_head.weight, ours.model.embed_tokens.weight + 1)


def test_the_dtype_is_torchs_default(save: Save, tmp_path: Path) -> None:
    save()
    torch.set_default_dtype(torch.bfloat16)
    try:
        network = load_pretrained(tmp_path)
    finally:
        torch.set_default_dtype(torch.float32)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}


def test_nothing_is_left_undrawn_or_on_the_meta_device(save: Save, tmp_path: Path) -> None:
    save(tied=False)
    network = load_pretrained(tmp_path, vocab_size=128)
    assert all(torch.isfinite(t).all() for t in network.state_dict().values())


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("rows", [64, 128])
def test_resizing_keeps_the_first_rows_and_their_logits(
    save: Save, tmp_path: Path, tied: bool, rows: int
) -> None:
    save(tied=tied)
    old, new = load_pretrained(tmp_path), load_pretrained(tmp_path, vocab_size=rows)
    kept = min(97, rows)
    input_ids = torch.randint(0, kept, (2, 13))
    torch.testing.assert_close(
        logits(new, input_ids)[..., :kept], logits(old, input_ids)[..., :kept]
    )
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        before, after = old.state_dict()[name], new.state_dict()[name]
        assert after.shape == (rows, 24)
        assert torch.equal(after[:kept], before[:kept])
        for row in after[kept:]:
            torch.testing.assert_close(row, before.mean(0))
    assert new.config.vocab_size == rows
    assert (new.lm_head.weight is new.model.embed_tokens.weight) == tied


def test_all_tensors_that_do_not_fit_are_named_in_one_line(save: Save, tmp_path: Path) -> None:
    save()

    def change(tensors: dict[str, torch.Tensor]) -> None:
        del tensors["model.norm.weight"]
        tensors["model.layers.1.self_attn.q_proj.bias"] = torch.ones(60)
        tensors["model.layers.2.mlp.up_proj.weight"] = torch.ones(24, 40)

    edit(tmp_path / "model.safetensors", change)
    with pytest.raises(InputError) as refused:
        load_pretrained(tmp_path)
    message = str(refused.value)
    assert "missing: model.norm.weight" in message
    assert "extra: model.layers.1.self_attn.q_proj.bias" in message
    assert "misshapen: model.layers.2.mlp.up_proj.weight (24, 40) and not (40, 24)" in message
    assert str(tmp_path) in message
    assert "\n" not in message


def test_of_many_tensors_some_are_named_and_all_are_counted(save: Save, tmp_path: Path) -> None:
    save()
    set_config(tmp_path, num_hidden_layers=5, layer_types=None)
    with pytest.raises(InputError, match=r"missing: model\.layers\.3\..* and 17 more"):
        load_pretrained(tmp_path)


def test_tensors_that_follow_from_the_config_are_not_extra(save: Save, tmp_path: Path) -> None:
    save()
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    edit(tmp_path / "model.safetensors", lambda t: t.setdefault(name, torch.ones(5)))
    load_pretrained(tmp_path)


def test_an_untied_network_needs_its_head(save: Save, tmp_path: Path) -> None:
    save(tied=True)
    set_config(tmp_path, tie_word_embeddings=False)
    with pytest.raises(InputError, match=r"missing: lm_head\.weight"):
        load_pretrained(tmp_path)


def test_a_missing_shard_is_named(save: Save, tmp_path: Path) -> None:
    save(shard="8KB")
    next(tmp_path.glob("model-00002-of-*")).unlink()
    with pytest.raises(InputError, match=r"no model-00002-of-\d+\.safetensors in .*index\.json"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": 1}}', '{"weight_map": 3}'],
)
def test_an_index_that_is_none_is_named(save: Save, tmp_path: Path, content: str) -> None:
    save(shard="8KB")
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(InputError, match=r"index\.json is not an index of safetensors"):
        load_pretrained(tmp_path)


def test_an_index_does_not_lead_out_of_its_folder(save: Save, tmp_path: Path) -> None:
    save(shard="8KB")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"model.norm.weight": "../secret.safetensors"}}')
    with pytest.raises(InputError, match="names no files beside it"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_a_damaged_file_is_named(save: Save, tmp_path: Path, size: int) -> None:
    save()
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(InputError, match=r"model\.safetensors is damaged"):
        load_pretrained(tmp_path)


def test_quantised_weights_are_refused(save: Save, tmp_path: Path) -> None:
    save()
    name = "model.layers.0.mlp.up_proj.weight"
    edit(tmp_path / "model.safetensors", lambda t: t.update({name: t[name].to(torch.int8)}))
    with pytest.raises(InputError, match="is I8: quantised weights"):
        load_pretrained(tmp_path)


def test_pickled_weights_are_not_loaded(save: Save, tmp_path: Path) -> None:
    save()
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="a pickle"):
        load_pretrained(tmp_path)


def test_a_folder_without_weights_or_without_a_config_is_named(save: Save, tmp_path: Path) -> None:
    save()
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"no model\.safetensors in"):
        load_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(InputError, match=r"no config\.json in"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "../nowhere", "a/../b", "./x", "a/b/c", "", "~/x y"])
def test_what_is_neither_a_folder_nor_a_repository_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such folder|no config"):
        load_pretrained(name)


def test_a_repository_is_downloaded_file_by_file(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.errors import EntryNotFoundError

    save(shard="8KB")
    asked = []

    def download(repository: str, file: str, revision: str | None = None) -> str:
        assert (repository, revision) == ("someone/else-7", None)
        asked.append(file)
        if not (tmp_path / file).is_file():
            raise EntryNotFoundError(file)
        return str(tmp_path / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    load_pretrained("someone/else-7")
    shards = sorted(file.name for file in tmp_path.glob("model-*"))
    assert asked == [
        "config.json",
        "model.safetensors",
        "model.safetensors.index.json",
        *shards,
    ]


def test_a_repository_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repository: str, file: str, revision: str | None = None) -> str:
        raise OSError("no network\nand more about it")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(InputError, match=r"no config\.json of someone/else-7: .*\(no network\)"):
        load_pretrained("someone/else-7")


def test_all_files_are_of_one_revision(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save()
    commit = "0123456789" * 4
    snapshots = tmp_path / "snapshots"
    (snapshots / commit).mkdir(parents=True)
    for file in tmp_path.glob("*.*"):
        file.rename(snapshots / commit / file.name)

    def download(repository: str, file: str, revision: str | None = None) -> str:
        assert revision == (None if file == "config.json" else commit)
        return str(snapshots / commit / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    load_pretrained("someone/else-7")


def test_no_weight_is_read_when_a_network_is_found(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tied=False)
    opened = []

    class Watched:
        def __init__(self, *args, **kwargs) -> None:
            self.file = safe_open(*args, **kwargs)

        def __enter__(self):
            return self

        def __exit__(self, *error) -> None:
            pass

        def __getattr__(self, name: str):
            opened.append(name)
            return getattr(self.file, name)

    monkeypatch.setattr("qwen_pl.export.pretrained.safe_open", Watched)
    found = find_pretrained(tmp_path)
    assert "get_tensor" not in opened
    assert isinstance(found.network(), Qwen3ForCausalLM)
    assert opened.count("get_tensor") == len(found.tensors)
