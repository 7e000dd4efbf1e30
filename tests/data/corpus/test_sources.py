import os
from pathlib import Path
from unicodedata import normalize

import pytest

from qwen_pl.data.corpus.sources import find_sources
from qwen_pl.errors import InputError


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    for name in (
        "b2.pdf",
        "b10.pdf",
        "deep/er/c.PDF",
        "notes.md",
        "a.txt",
        "x.png",
        ".hidden/h.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_is_searched_to_any_depth_in_natural_order(shelf: Path) -> None:
    assert names(find_sources(str(shelf))) == ["a.txt", "b2.pdf", "b10.pdf", "c.PDF", "notes.md"]


def test_a_pattern_names_several_files(shelf: Path) -> None:
    assert names(find_sources(f"{shelf}/*.pdf")) == ["b2.pdf", "b10.pdf"]
    assert names(find_sources(f"{shelf}/deep/**/*")) == ["c.PDF"]


def test_a_suffix_in_a_pattern_stands_for_both_cases(shelf: Path) -> None:
    assert names(find_sources(f"{shelf}/**/*.pdf")) == ["b2.pdf", "b10.pdf", "c.PDF"]
    assert names(find_sources(f"{shelf}/**/*.PDF")) == ["b2.pdf", "b10.pdf", "c.PDF"]


def test_several_sources_keep_their_order_and_come_once(shelf: Path) -> None:
    several = [f"{shelf}/b10.pdf", f"{shelf}/*.pdf"]
    assert names(find_sources(several)) == ["b10.pdf", "b2.pdf"]


def test_a_file_whose_name_looks_like_a_pattern_is_found(tmp_path: Path) -> None:
    (tmp_path / "book [1].pdf").touch()
    assert names(find_sources(f"{tmp_path}/book [1].pdf")) == ["book [1].pdf"]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("none.pdf", "no such file or folder: .*none.pdf"),
        ("*.epub", "nothing matches .*epub"),
        ("x.png", "cannot read .*x.png: a source is a .pdf, .txt, .* or .parquet file"),
    ],
)
def test_what_leads_to_no_file_is_named(shelf: Path, name: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        find_sources(f"{shelf}/{name}")


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no .pdf, .txt, .* or .parquet file in {tmp_path}"):
        find_sources(str(tmp_path))


def test_a_folder_whose_name_looks_like_a_pattern_can_stand_in_one(tmp_path: Path) -> None:
    (tmp_path / "year [1].d").mkdir()
    (tmp_path / "year [1].d" / "a.pdf").touch()
    assert names(find_sources(f"{tmp_path}/year [1].d/*.pdf")) == ["a.pdf"]


def test_a_folder_that_a_pattern_matches_is_searched(shelf: Path) -> None:
    assert names(find_sources(f"{shelf}/de*")) == ["c.PDF"]


def test_a_pattern_passes_over_hidden_files_unless_it_asks_for_them(shelf: Path) -> None:
    assert "h.txt" not in names(find_sources(f"{shelf}/**/*.txt"))
    assert names(find_sources(f"{shelf}/.hid*/*.txt")) == ["h.txt"]


def test_home_and_the_current_folder_are_understood(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(shelf))
    monkeypatch.setenv("USERPROFILE", str(shelf))
    monkeypatch.chdir(shelf / "deep")
    for name in ("~/b2.pdf", "~/*2.pdf", "../b2.pdf", "../*2.pdf", "./../b2.pdf"):
        assert names(find_sources(name)) == ["b2.pdf"]
    assert names(find_sources(".")) == ["c.PDF"]


def test_a_path_is_a_name_too(shelf: Path) -> None:
    assert find_sources(shelf / "b2.pdf") == find_sources([shelf / "b2.pdf"])


def test_spaces_and_letters_of_any_script_are_no_trouble(tmp_path: Path) -> None:
    file = tmp_path / "mes été 日本" / "كتاب ² 1²2 'quoted'.pdf"
    file.parent.mkdir()
    file.touch()
    for name in (file, tmp_path, f"{tmp_path}/*/*quoted*.pdf"):
        assert find_sources(name) == [file]


def test_an_accent_may_be_written_in_two_ways(tmp_path: Path) -> None:
    composed, decomposed = normalize("NFC", "é.pdf"), normalize("NFD", "é.pdf")
    (tmp_path / decomposed).touch()
    assert len(find_sources(f"{tmp_path}/{composed}")) == 1
    assert len(find_sources(f"{tmp_path}/*{composed}")) == 1


# --- one file by several names ---


def test_one_file_by_several_names_is_taken_once(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shelf / "link.pdf").symlink_to(shelf / "b2.pdf")
    monkeypatch.chdir(shelf)
    spellings = ["b2.pdf", "./b2.pdf", "deep/../b2.pdf", str(shelf / "b2.pdf"), "link.pdf"]
    assert find_sources(spellings) == [Path("b2.pdf")]
    assert find_sources(spellings[::-1]) == [Path("link.pdf")]


def test_a_file_in_a_folder_goes_by_its_own_name_rather_than_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "z.pdf").touch()
    (tmp_path / "a.pdf").symlink_to(tmp_path / "z.pdf")
    assert names(find_sources(tmp_path)) == ["z.pdf"]
    assert names(find_sources(f"{tmp_path}/*.pdf")) == ["z.pdf"]


def test_linked_folders_are_searched(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.pdf").touch()
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf/link").symlink_to(tmp_path / "elsewhere")
    for name in ("shelf", "shelf/**/*.pdf", "shelf/*/*.pdf"):
        assert names(find_sources(tmp_path / name)) == ["a.pdf"]


def test_links_that_form_circles_are_followed_once(shelf: Path) -> None:
    for number in range(3):  # three circles crossing each other are endless by any path
        (shelf / f"deep/up{number}").symlink_to(shelf)
    for name in (shelf, f"{shelf}/**/*", f"{shelf}/**/**/*.pdf"):
        found = find_sources(name)
        assert names(found)[-2:] in (["c.PDF", "notes.md"], ["b10.pdf", "c.PDF"])
        assert not any("up" in path.name for file in found for path in file.parents)


def test_a_link_to_nothing_is_passed_over_in_a_folder_and_named_alone(shelf: Path) -> None:
    (shelf / "gone.pdf").symlink_to(shelf / "none.pdf")
    (shelf / "self.pdf").symlink_to(shelf / "self.pdf")
    assert len(find_sources(shelf)) == 5
    for name in ("gone.pdf", "self.pdf"):
        with pytest.raises(InputError, match=f"no such file or folder: .*{name}"):
            find_sources(shelf / name)


# --- what cannot be used ---


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "a source is empty"),
        (" ", "a source is empty"),
        ("https://example.org/a.pdf", "is an address: download the file"),
        ("~no such user/a.pdf", "no such file or folder: ~no such user/a.pdf"),
        ("x" * 5000, "no such file or folder: x"),
        ("a\0b.pdf", "no such file or folder: a"),
        ("none.pdf,nor.pdf", "several are given as a list"),
    ],
)
def test_odd_names_are_complained_of_in_one_line(name: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        find_sources(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pdf")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        find_sources(tmp_path / "pipe.pdf")
    with pytest.raises(InputError, match=r"no \.pdf, .* or \.parquet file"):
        find_sources(tmp_path)


@pytest.fixture
def locked_shelf(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shelf where one may neither open b2.pdf nor look into deep/er, whoever one is."""
    access, scandir = os.access, os.scandir

    def no_access(path: Path, mode: int) -> bool:
        return Path(path).name != "b2.pdf" and access(path, mode)

    def no_look(path: Path | str = ".") -> object:
        if Path(path).name == "er":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "access", no_access)
    monkeypatch.setattr(os, "scandir", no_look)
    return shelf


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("b2.pdf", "cannot read .*b2.pdf: no permission to open it"),
        ("*.pdf", "cannot read .*b2.pdf: no permission to open it"),
        ("deep", "cannot look into .*er: Permission denied"),
        ("deep/er/*.pdf", "cannot look into .*er: Permission denied"),
    ],
)
def test_what_may_not_be_read_is_an_error(locked_shelf: Path, name: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        find_sources(locked_shelf / name)


def test_what_may_not_be_read_is_passed_over_where_problems_are_listened_to(
    locked_shelf: Path,
) -> None:
    problems: list[str] = []
    found = find_sources(locked_shelf, problems.append)
    assert names(found) == ["a.txt", "b10.pdf", "notes.md"]
    assert {problem.split(":")[0].split("/")[-1] for problem in problems} == {"b2.pdf", "er"}
    with pytest.raises(InputError, match="no permission"):
        find_sources(locked_shelf / "b2.pdf", problems.append)
