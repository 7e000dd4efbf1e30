"""Sharded checkpoints on the disk: whole, verified, and harmless to read."""

import pickle
import random
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
from evil import Evil

from benchmarks.damaging import flipped
from qwen_pl.errors import InputError
from qwen_pl.training.checkpoints import sharded_folder as sharded
from qwen_pl.training.checkpoints.checkpoint import is_whole, load_checkpoint, load_facts
from qwen_pl.training.checkpoints.sharded_folder import (
    METADATA,
    UNSHARDED,
    belongs_to_weights,
    save_sharded,
)


def checkpoint(value: float) -> dict[str, Any]:
    matrix = torch.full((7, 5), value)
    return {
        "state_dict": {"embed": matrix, "head": matrix, "norm": torch.ones(3)},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(4.0), "exp_avg": -matrix}}}],
        "callbacks": {"counts": (1, [2, torch.tensor([3, 4])])},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "step=00000004.ckpt"
    save_sharded(checkpoint(0.5), path, belongs=belongs_to_weights)
    return path


@pytest.mark.filterwarnings("error")
def test_it_holds_what_was_saved_and_tied_weights_once(folder: Path) -> None:
    read, saved = load_checkpoint(folder), checkpoint(0.5)
    assert torch.equal(read["state_dict"]["head"], saved["state_dict"]["head"])
    assert read["state_dict"]["head"] is read["state_dict"]["embed"]
    state = read["optimizer_states"][0]["state"][0]
    assert state["step"] == 4
    assert torch.equal(state["exp_avg"], torch.full((7, 5), -0.5))
    assert read["callbacks"]["counts"][1][1].tolist() == [3, 4]
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("keys", "tensor", "belongs"),
    [
        (("state_dict", "norm"), torch.ones(3), True),
        (("optimizer_states", 0, "state", 0, "exp_avg"), torch.ones(3), True),
        (("optimizer_states", 0, "state", 0, "step"), torch.tensor(4.0), False),
        (("averaged_weights", "embed"), torch.ones(7, 5), True),
        (("callbacks", "losses"), torch.ones(3), False),
        (("callbacks", "random"), torch.ones(7, 5, dtype=torch.uint8), False),
    ],
)
def test_what_is_as_large_as_weights_is_spread(
    keys: tuple[Any, ...], tensor: torch.Tensor, belongs: bool
) -> None:
    assert belongs_to_weights(keys, tensor) is belongs


@pytest.mark.parametrize("name", ["__0_0.distcp", METADATA, UNSHARDED])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_flipped_byte_or_a_missing_end_is_noticed(folder: Path, name: str, share: float) -> None:
    assert is_whole(folder)
    file = folder / name
    content = file.read_bytes()
    at = int(len(content) * share)
    damaged = bytes([content[at] ^ 255])
    file.write_bytes(content[:at])
    assert not is_whole(folder)
    file.write_bytes(content[:at] + damaged + content[at + 1 :])
    assert not is_whole(folder)
    file.unlink()
    assert not is_whole(folder)
    with pytest.raises(InputError, match="is damaged"):
        load_checkpoint(folder)


def test_any_changed_byte_of_any_file_is_found(folder: Path) -> None:
    chooser = random.Random(0)
    for file in folder.iterdir():
        content = file.read_bytes()
        for place in chooser.sample(range(len(content)), 150):
            file.write_bytes(flipped(content, place, place % 8))
            assert not is_whole(folder), f"byte {place} of {len(content)} of {file.name}"
        file.write_bytes(content)
    assert is_whole(folder)


def test_facts_are_read_without_the_tensors(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded.dcp, "load", None)
    monkeypatch.setattr(sharded, "_empty", None)
    saved = checkpoint(0.5) | {"qwen_pl": {"config": {"hidden_size": 7}}}
    save_sharded(saved, folder, belongs=belongs_to_weights)
    assert load_facts(folder)["qwen_pl"] == saved["qwen_pl"]


def test_a_flipped_weight_is_noticed(folder: Path) -> None:
    file = folder / "__0_0.distcp"
    content = file.read_bytes()
    weight = torch.tensor(-0.5).numpy().tobytes()
    assert content.count(weight) >= 35
    file.write_bytes(content.replace(weight, torch.tensor(-0.25).numpy().tobytes(), 1))
    assert not is_whole(folder)


def test_metadata_that_would_run_code_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / METADATA).write_bytes(pickle.dumps(Evil(tmp_path)))
    rest = torch.load(folder / UNSHARDED, weights_only=True)
    rest["metadata_crc32"] = zlib.crc32((folder / METADATA).read_bytes())
    torch.save(rest, folder / UNSHARDED)
    with pytest.raises(InputError):
        load_checkpoint(folder)
    with pytest.raises(InputError, match=r"mkdir is more than plain data"):
        sharded.load_sharded(folder)
    assert not (tmp_path / "owned").exists()


def test_what_is_not_sharded_cannot_run_code_either(folder: Path, tmp_path: Path) -> None:
    rest = torch.load(folder / UNSHARDED, weights_only=True)
    torch.save(rest | {"checkpoint": Evil(tmp_path)}, folder / UNSHARDED)
    assert not is_whole(folder)
    for read in (load_checkpoint, load_facts):
        with pytest.raises(InputError, match="is damaged"):
            read(folder)
    with pytest.raises(
        InputError, match=r"meta\.pt holds more than tensors and plain data: .*mkdir$"
    ):
        sharded.load_sharded(folder)
    assert not (tmp_path / "owned").exists()


def test_a_save_that_fails_leaves_the_one_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(sharded.torch, "save", full)
        with pytest.raises(OSError, match="No space left"):
            save_sharded(checkpoint(0.75), folder, belongs=belongs_to_weights)
    assert load_checkpoint(folder)["state_dict"]["head"][0, 0] == 0.5
    assert list(folder.parent.iterdir()) == [folder]
    save_sharded(checkpoint(0.75), folder, belongs=belongs_to_weights)
    assert load_checkpoint(folder)["state_dict"]["head"][0, 0] == 0.75
    assert list(folder.parent.iterdir()) == [folder]
