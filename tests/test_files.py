import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import REPOSITORY

from qwen_pl.files import remove, sha256, size_of, whole_file, whole_folder, write_text


def test_a_file_stays_as_it_was_when_writing_fails(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    write_text(target, "the old one")
    with pytest.raises(RuntimeError), whole_file(target) as file:
        file.write(b"half of the new")
        raise RuntimeError
    assert target.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_appears_only_when_it_is_full(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with pytest.raises(RuntimeError), whole_folder(target) as unfinished:
        (unfinished / "one").write_text("1")
        assert not target.exists()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with whole_folder(target) as unfinished:
        (unfinished / "one").write_text("1")
    assert (target / "one").read_text() == "1"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_replaced_by_a_full_one_and_by_no_other(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").write_text("1")
    with pytest.raises(RuntimeError), whole_folder(target, replace=True) as unfinished:
        (unfinished / "new").write_text("2")
        raise RuntimeError
    assert [file.name for file in target.iterdir()] == ["old"]
    with whole_folder(target, replace=True) as unfinished:
        (unfinished / "new").write_text("2")
    assert [file.name for file in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_all_of_a_folder_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a power cut leaves no folder of files that are empty or not there."""
    flushed: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda number: flushed.add(os.fstat(number).st_ino))
    rename = Path.rename

    def flushed_first(unfinished: Path, target: Path) -> Path:
        inside = {unfinished, *unfinished.rglob("*")}
        if os.name == "nt":  # which cannot flush folders
            inside = {path for path in inside if path.is_file()}
        assert {path.stat().st_ino for path in inside} <= flushed
        return rename(unfinished, target)

    monkeypatch.setattr(Path, "rename", flushed_first)
    with whole_folder(tmp_path / "folder") as unfinished:
        (unfinished / "deep/er").mkdir(parents=True)
        for name in ("one", "deep/two", "deep/er/three"):
            (unfinished / name).write_text(name)
    assert tmp_path.stat().st_ino in flushed or os.name == "nt"


def test_what_is_there_is_removed_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1")
    (tmp_path / "folder/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("link", "file", "folder", "nothing"):
        remove(tmp_path / name)
        assert (tmp_path / "folder").exists() == (name in ("link", "file"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_kill_in_the_middle_of_a_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")
    program = (
        "import os, signal, sys; from pathlib import Path; from qwen_pl.files import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'new' * 10**6); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run([sys.executable, "-c", program, str(target)], env=environment)
    assert ended.returncode == -9
    assert target.read_bytes() == b"old"
    with whole_file(target) as file:
        file.write(b"newer")
    assert target.read_bytes() == b"newer"


def test_the_hash_is_that_of_the_whole_content(tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "file").write_bytes(content)
    assert sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_the_size_of_a_folder_is_that_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/one").write_bytes(b"123")
    (tmp_path / "two").write_bytes(b"4567")
    assert (size_of(tmp_path), size_of(tmp_path / "two")) == (7, 4)
