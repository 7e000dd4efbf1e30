from pathlib import Path

import pytest

from qwen_pl.data.sources import find_sources
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
    assert names(find_sources(f"{shelf}/**/*.PDF")) == ["c.PDF"]


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
        ("x.png", "cannot read .*x.png: a source is a .pdf, .txt or .md file"),
    ],
)
def test_what_leads_to_no_file_is_named(shelf: Path, name: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        find_sources(f"{shelf}/{name}")


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no .pdf, .txt or .md file in {tmp_path}"):
        find_sources(str(tmp_path))
