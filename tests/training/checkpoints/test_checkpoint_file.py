"""Checkpoint files: damage anywhere is found, and what would run code is refused."""

import atexit
import functools
import http.server
import random
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from evil import Evil

from benchmarks.damaging import flipped
from qwen_pl.errors import InputError
from qwen_pl.training.checkpoints.checkpoint import is_whole, load_checkpoint, save_checkpoint
from qwen_pl.training.checkpoints.checkpoint_file import file_is_whole
from qwen_pl.training.checkpoints.checkpoint_io import WholeCheckpointIO
from qwen_pl.training.checkpoints.download import fetched

CHECKPOINT = {
    "weights": {"wide": torch.randn(31, 700), "empty": torch.zeros(0), "long": torch.randn(900)},
    "view": torch.randn(5, 4).T,
    "bfloat16": torch.randn(40_000).bfloat16(),
    "step": 7,
    "names": ["a", "é"],
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "step=00000007.ckpt"
    save_checkpoint(CHECKPOINT, path)
    return path


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of a server that gives what is in ``tmp_path``."""
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def test_a_checkpoint_comes_back_as_it_was_saved(saved: Path) -> None:
    for mmap in (False, True):
        loaded = load_checkpoint(saved, mmap=mmap)
        assert torch.equal(loaded["weights"]["wide"], CHECKPOINT["weights"]["wide"])
        assert torch.equal(loaded["bfloat16"], CHECKPOINT["bfloat16"])
        assert loaded["view"].stride() == CHECKPOINT["view"].stride()
        assert (loaded["step"], loaded["names"]) == (7, ["a", "é"])


def test_other_tools_find_the_checksums_of_a_zip(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        assert archive.testzip() is None
        assert all(record.CRC for record in archive.infolist() if record.file_size)


def test_any_changed_byte_is_found(saved: Path) -> None:
    content = saved.read_bytes()
    ends = [*range(0, 900, 2), *range(len(content) - 1600, len(content), 2)]
    for place in [*ends, *random.Random(0).sample(range(len(content)), 300)]:
        saved.write_bytes(flipped(content, place, place % 8))
        assert not file_is_whole(saved), f"byte {place} of {len(content)}"
    saved.write_bytes(content)
    assert file_is_whole(saved)


def test_a_file_cut_off_or_continued_is_found(saved: Path) -> None:
    content = saved.read_bytes()
    lengths = [0, 1, 100, *random.Random(0).sample(range(len(content)), 60)]
    for other in (
        *(content[:length] for length in [*lengths, *range(len(content) - 120, len(content))]),
        content + b"\0",
        content + bytes(70_000),
        b"\0" + content,
        content[1:],
        content + content,
    ):
        saved.write_bytes(other)
        assert not file_is_whole(saved), len(other)


def test_damage_right_after_a_look_is_found(saved: Path) -> None:
    assert is_whole(saved)
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 255
    saved.write_bytes(content)
    assert not is_whole(saved)


def test_a_file_that_torch_has_written_is_taken(tmp_path: Path) -> None:
    torch.save(CHECKPOINT, tmp_path / "theirs.ckpt")
    assert file_is_whole(tmp_path / "theirs.ckpt")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": Evil(tmp_path)}, tmp_path / "evil.ckpt")
    for weights_only in (True, False, None):
        with pytest.raises(InputError, match=r"than tensors and plain data: \w+\.mkdir$"):
            WholeCheckpointIO().load_checkpoint(tmp_path / "evil.ckpt", weights_only=weights_only)
    assert not (tmp_path / "owned").exists()


def test_an_address_that_would_run_code_is_refused(tmp_path: Path, address: str) -> None:
    torch.save({"state_dict": Evil(tmp_path)}, tmp_path / "evil.ckpt")
    for weights_only in (True, False, None):
        with pytest.raises(InputError, match="more than tensors and plain data"):
            WholeCheckpointIO().load_checkpoint(f"{address}/evil.ckpt", weights_only=weights_only)
    assert not (tmp_path / "owned").exists()


def test_an_address_gives_what_is_there_now(saved: Path, address: str) -> None:
    for step in (7, 8):  # the same name, so nothing may be kept
        save_checkpoint({"step": step}, saved)
        assert WholeCheckpointIO().load_checkpoint(f"{address}/{saved.name}")["step"] == step


def test_what_was_fetched_is_removed_when_the_process_ends(
    saved: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_end = []
    monkeypatch.setattr(atexit, "register", lambda *call, **named: at_end.append((call, named)))
    path = fetched(f"{address}/{saved.name}")
    assert path.read_bytes() == saved.read_bytes()
    for (function, *args), named in at_end:
        function(*args, **named)
    assert not path.parent.exists()


@pytest.mark.parametrize("kind", ["missing", "file", "s3", "nobody"])
def test_an_address_that_gives_nothing_is_named(address: str, kind: str) -> None:
    given = {
        "missing": f"{address}/none.ckpt",
        "file": "file:///etc/hostname",
        "s3": "s3://bucket/last.ckpt",
        "nobody": "http://127.0.0.1:1/last.ckpt",
    }[kind]
    with pytest.raises(InputError, match=given):
        WholeCheckpointIO().load_checkpoint(given)
