"""A run that version 0.1.0 began, before its files were moved, goes on and is looked into."""

import json
import re
import tarfile
from pathlib import Path

import pytest
import tokenizers
import torch
from command_line import REPOSITORY, complains

RUN = REPOSITORY / "tests/made_before/run_of_0.1.0.tar.xz"
"""``old.yaml``, its text and cache, the run as it was at step 6 of 9, and what it came to."""

TOKENIZERS = "0.23.3"
AGAIN = "prepare --config lightning_logs/old/config.yaml"


@pytest.fixture
def old_run(folder: Path) -> Path:
    with tarfile.open(RUN) as archive:
        archive.extractall(folder, filter="data")
    return folder / "lightning_logs/old"


def skip_with_other_tokenizers() -> None:
    if tokenizers.__version__ != TOKENIZERS:
        pytest.skip("a tokenizer's name in the cache says which version has trained it")


def read(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def test_it_resumes_to_the_weights_that_it_would_have_had(old_run: Path, qwen_pl) -> None:
    # Its own config, as it stood in its folder, and not the short one.
    config = old_run / "config.yaml"
    outcome = qwen_pl("fit", "--config", config, "--run", "old", "--ckpt_path", "last")
    assert outcome.code == 0, outcome.err
    here = read(old_run / "checkpoints/step=00000009.ckpt")
    then = read(old_run.parents[1] / "expected/step=00000009.ckpt")
    for kept in ("state_dict", "averaged_weights"):
        assert here[kept].keys() == then[kept].keys()
        for name, tensor in then[kept].items():
            # Not to the last bit: another CPU sums in another order, and Adam, which divides a
            # gradient by its own size, makes of rounding in a tiny one a full step.
            moved = (here[kept][name] - tensor).norm() / tensor.norm()
            assert moved < 1e-3, name
    loss = then["qwen_pl"]["measured"]["val_loss"]
    assert here["qwen_pl"]["measured"]["val_loss"] == pytest.approx(loss, rel=1e-5)


def test_its_steps_are_traced_to_their_text(old_run: Path, qwen_pl) -> None:
    # Its cache has nothing that vouches for it, so it is made anew, in its place.
    complains(qwen_pl("locate", "--run", "old", "--step", "8"), "index.json has no seal", AGAIN)
    skip_with_other_tokenizers()
    prepared = qwen_pl(*AGAIN.split())
    assert prepared.code == 0, prepared.err
    assert re.search(r"files.json has no seal, .* earlier version; it is made anew", prepared.err)
    outcome = qwen_pl("locate", "--run", "old", "--step", "8")
    assert outcome.code == 0, outcome.err
    assert "step 8, sample 1 of 2: words.txt, page 1, tokens 1,313-1,328" in outcome.out
    assert "ri ba veth sum baba tolsum nekalin kaneba ka" in outcome.out


def test_a_cache_that_was_deleted_is_made_again_as_it_was(old_run: Path, qwen_pl) -> None:
    skip_with_other_tokenizers()
    cache = old_run.parents[1] / "data/cache"
    kept = cache.rename(cache.with_name("kept"))
    assert qwen_pl("prepare", "--config", "old.yaml").code == 0
    # A text is kept under another name whenever reading could give another one.
    (old_text,), (text,) = kept.glob("text/*.txt"), cache.glob("text/*.txt")
    assert text.read_bytes() == old_text.read_bytes()
    for kind in ("tokens/*/*.bin", "tokenizer/*/*.*"):
        then, now = ({f.name: f.read_bytes() for f in c.glob(kind)} for c in (kept, cache))
        assert {name: now[name] for name in then} == then
    (index,), (made_index,) = (c.glob("tokens/*/index.json") for c in (kept, cache))
    made = json.loads(made_index.read_text())
    assert made.pop("sha256") and made.pop("files")
    assert made == json.loads(index.read_text())


@pytest.mark.parametrize(
    "command",
    [
        ["export", "--out", "out", "--no-check"],
        ["export", "--out", "out", "--format", "gguf", "--dtype", "float32", "--no-check"],
        ["inspect"],
        ["generate", "--prompt", "ba", "--max_new_tokens", "3"],
        ["tokenize", "ba ne tol"],
    ],
    ids=lambda command: " ".join(command[:5:2]),
)
def test_its_checkpoint_serves_every_verb(old_run: Path, qwen_pl, command: list[str]) -> None:
    outcome = qwen_pl(*command, "--run", "old")
    assert outcome.code == 0, outcome.err


def test_the_name_of_a_strategy_in_its_config_still_means_the_same() -> None:
    from qwen_pl.training.fully_sharded import FullySharded

    overlay = (REPOSITORY / "configs/strategy/fsdp2.yaml").read_text()
    assert f"class_path: {FullySharded.__module__}.FullySharded\n" in overlay
