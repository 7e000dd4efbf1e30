"""What is read again is what was written, or it is refused by name."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.damaging import flipped
from qwen_pl import seals
from qwen_pl.errors import InputError
from qwen_pl.files import sha256
from qwen_pl.seals import Damaged, Seal, check_folder, read_sealed, seal_folder, write_sealed

VALUES = {"name": "caf\udce9", "numbers": [1, 2.5, None], "more": {"é": True}}


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def test_a_sealed_file_gives_what_it_was_given(tmp_path: Path) -> None:
    write_sealed(tmp_path / "file", VALUES, "a name")
    assert read_sealed(tmp_path / "file", "a name") == VALUES
    assert json.loads((tmp_path / "file").read_text()).keys() == {"sha256", *VALUES}
    write_sealed(tmp_path / "file", '{"a":\n 1}', "a name")  # set out as the writer likes
    assert (tmp_path / "file").read_text().endswith('"a":\n 1}')


def test_a_sealed_file_shows_every_change(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_sealed(file, VALUES, "a name")
    content = file.read_bytes()
    at_each_byte = [flipped(content, place, place % 8) for place in range(len(content))]
    zeros, doubled = bytes(len(content)), content + content
    for damaged in (*at_each_byte, b"", content[: len(content) // 2], zeros, doubled, b"{}"):
        file.write_bytes(damaged)
        with pytest.raises(Damaged, match=r"file (is not what was written|has no seal)"):
            read_sealed(file, "a name")


def test_a_sealed_file_is_not_taken_for_another(tmp_path: Path) -> None:
    write_sealed(tmp_path / "file", VALUES, "a name")
    with pytest.raises(Damaged):
        read_sealed(tmp_path / "file", "another name")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (Path.unlink, "is gone"),
        (as_folder, "is a folder"),
        (as_link_to_nothing, "is gone"),
        (lambda path: path.write_bytes(b""), "has 0 bytes instead of 5"),
        (lambda path: path.write_bytes(b"12346"), "is not what was written to it"),
    ],
)
def test_a_file_in_a_sealed_folder_is_what_it_was(
    tmp_path: Path, damage: Callable[[Path], object], why: str
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("12345")
    seal_folder(tmp_path, "a folder")
    check_folder(tmp_path, "a folder")
    damage(tmp_path / "two")
    with pytest.raises(InputError, match=f"two {why}") as refused:
        check_folder(tmp_path, "a folder")
    assert refused.value.path == tmp_path / "two"


def test_a_size_alone_is_looked_at_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("12345")
    seal = Seal.of(tmp_path / "file")
    (tmp_path / "file").write_text("12346")
    seal.check(tmp_path / "file", by_size=True)
    (tmp_path / "file").write_text("123456")
    with pytest.raises(Damaged, match="has 6 bytes instead of 5"):
        seal.check(tmp_path / "file", by_size=True)


def test_a_file_is_looked_through_once_as_long_as_nothing_touches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_through = []
    monkeypatch.setattr(
        seals, "sha256", lambda path, **_: looked_through.append(path) or sha256(path)
    )
    monkeypatch.setattr(seals, "_SETTLED", -1)
    (tmp_path / "file").write_text("12345")
    seal = Seal(5, sha256(tmp_path / "file"))
    seal.check(tmp_path / "file")
    seal.check(tmp_path / "file")
    assert len(looked_through) == 1
    (tmp_path / "other").write_text("12345")
    (tmp_path / "other").replace(tmp_path / "file")
    seal.check(tmp_path / "file")
    assert len(looked_through) == 2


def test_damage_is_told_by_another_process_too() -> None:
    damage = pickle.loads(pickle.dumps(Damaged(Path("a/b"), "is gone", "restore it")))
    assert (damage.path, str(damage)) == (Path("a/b"), "a/b is gone: restore it")
