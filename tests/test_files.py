import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import REPOSITORY
from dead_writer import dead_process, path_of_writer

from qwen_pl.files import (
    left_beside,
    remove,
    remove_unfinished,
    sha256,
    size_of,
    whole_file,
    whole_folder,
    write_text,
)


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


def left_by(process: int, path: Path, kind: str, *, age: float = 0) -> Path:
    """What that process has not finished of ``path``, a folder with a file, so many seconds ago."""
    left = path_of_writer(process, path, kind)
    left.mkdir(parents=True)
    (left / "file").write_text(kind)
    for made in (left / "file", left):
        os.utime(made, (time.time() - age,) * 2)
    return left


@pytest.fixture
def dead() -> int:
    return dead_process()


def test_what_killed_writers_left_goes_at_any_depth_and_nothing_else(
    tmp_path: Path, dead: int
) -> None:
    deep = tmp_path / "a/b/c"
    gone = [left_by(dead, deep / "one", "tmp"), left_by(dead, tmp_path / "two", "tmp")]
    gone.append(left_by(os.getpid(), deep / "long ago", "tmp", age=10**6))
    (deep / "three").mkdir()
    gone.append(left_by(dead, deep / "three", "old"))  # the new one is in its place
    stays = [left_by(os.getpid(), deep / "living", "tmp")]
    elsewhere = left_by(dead, deep / "elsewhere", "tmp")
    stays.append(elsewhere.rename(elsewhere.with_name("elsewhere.tmp-1-000000abcdef")))
    for name in ("notes.tmp-1", "a.tmp-backup", "x.tmp-12-zzzzzz", "b.tmp-12-abcdef.txt"):
        stays.append(deep / name)
        stays[-1].write_text("mine")
    remove_unfinished(tmp_path)
    assert [path for path in gone if path.exists()] == []
    assert [path for path in stays if not path.exists()] == []


def test_a_kill_between_the_two_renames_of_a_folder_loses_nothing(
    tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").write_text("1")
    plain = Path.rename

    def killed(self: Path, to: Path) -> Path:
        if ".tmp-" in self.name or ".old-" in self.name:
            raise Killed  # and whoever would put it back is dead
        return plain(self, to.with_name(to.name.replace(str(os.getpid()), str(dead))))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(Killed), whole_folder(target, replace=True) as unfinished:
            (unfinished / "new").write_text("2")
    assert not target.exists()
    assert (left_beside(target) / "old").read_text() == "1"
    with pytest.raises(RuntimeError), whole_folder(target, replace=True):
        assert (target / "old").read_text() == "1"  # put back before anything else
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [target]


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
