"""The picture of a page: how large it may be, which way it is turned, and what is taken from it."""

import math
from pathlib import Path

import numpy as np
import pytest
from pdf_writer import write_raw_pdf

cv2 = pytest.importorskip("cv2")
pypdfium2 = pytest.importorskip("pypdfium2")
of_pages = pytest.importorskip("qwen_pl.data.pdf.ocr.page_picture")


def boxes(*places: tuple[float, float, float, float], angle: float = 0.0) -> np.ndarray:
    """``(N, 4, 2)`` from left, top, width and height, turned by an angle about their corner."""
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    return np.array([corners * (w, h) @ turn + (x, y) for x, y, w, h in places])


LINES = boxes(*[(100, 100 + 40 * row, 800, 30) for row in range(10)])


@pytest.mark.parametrize(
    "size", ["612 792", "14400 14400", "1e6 1e6", "1e7 1", "1 1e7", "0.01 0.01"]
)
def test_a_picture_has_bounds_whatever_the_page_says(tmp_path: Path, size: str) -> None:
    path = tmp_path / "page.pdf"
    write_raw_pdf(path, [b"0 0 100 100 re f"])
    path.write_bytes(path.read_bytes().replace(b"[0 0 612 792]", b"[0 0 %b]" % size.encode()))
    picture, scale = of_pages.rendered(pypdfium2.PdfDocument(path), 0)
    assert picture.ndim == 2 and picture.dtype == np.uint8
    assert 0 < picture.size < 13e6 and max(picture.shape) <= 8001
    assert scale > 0


def test_paper_with_specks_is_blank_and_a_page_number_is_not() -> None:
    page = np.full((1000, 700), 230, np.uint8)
    page[::200, ::200] = 0
    assert of_pages.is_blank(page)
    page[900:912, 340:360] = 40
    assert not of_pages.is_blank(page)


@pytest.mark.parametrize("degrees", [-7.0, -1.0, 0.0, 0.3, 1.0, 7.0])
def test_a_picture_is_turned_until_its_lines_are_level(degrees: float) -> None:
    angle = math.radians(degrees)
    places = [(100.0, 100.0 + 40 * row, 400.0, 20.0) for row in range(5)]
    skewed = boxes(*places, angle=angle)
    picture = np.full((500, 700), 255, np.uint8)
    for corners in skewed.astype(int):
        cv2.fillPoly(picture, [corners], 0)
    assert of_pages.slope(skewed) == pytest.approx(angle, abs=1e-6)
    level, straight = of_pages.levelled(picture, skewed, of_pages.slope(skewed))
    assert np.ptp(straight[:, :2, 1], axis=1).max() < 1e-6
    left, top, right, bottom = of_pages.upright_boxes(level, straight)[2]
    assert (level[top + 3 : bottom - 3, left + 3 : right - 3] < 128).mean() > 0.97


def test_the_slope_is_that_of_lines_and_not_of_letters() -> None:
    odd = boxes(*[(100, 600, 30, 30)] * 30, angle=0.2)
    assert of_pages.slope(np.concatenate([LINES, odd])) == 0.0
    assert of_pages.slope(odd) == 0.0


def test_text_that_runs_up_the_page_is_told_by_its_boxes() -> None:
    assert not of_pages.run_up_or_down(LINES)
    assert of_pages.run_up_or_down(boxes(*[(100 + 40 * row, 100, 30, 800) for row in range(10)]))


def test_a_large_initial_is_parted_from_the_lines_beside_it() -> None:
    page = np.full((500, 1000), 255, np.uint8)
    page[100:160, 100:150] = 0  # as high as two lines
    for row in range(6):
        left = 160 if row < 2 else 100
        for letter in range(left, 880, 16):
            page[104 + 40 * row : 118 + 40 * row, letter : letter + 10] = 0
    # The first line comes in one box with the initial, the second one also in a box of its own.
    found = boxes(
        (95, 92, 800, 70),
        *[(155 - 60 * (row > 1), 132 + 40 * (row - 1), 740, 38) for row in range(1, 6)],
    )
    parts = of_pages.upright_boxes(page, found)
    assert len(parts) == 7
    beside = [part for part in parts if part[0] > 140]
    assert sorted(part[1] < 110 < part[3] for part in beside) == [False, True]


def test_many_specks_are_taken_away_and_points_are_not() -> None:
    random = np.random.default_rng(1)
    page = np.full((400, 600), 240, np.uint8)
    page[100:130:3] = 20  # a few large shapes
    page[200:204, 300:304] = 20  # a point
    specked = page.copy()
    specked[random.integers(0, 400, 300), random.integers(0, 600, 300)] = 0
    cleaned = of_pages.without_specks(specked)
    assert (cleaned[210:] < 128).sum() <= 0.02 * (specked[210:] < 128).sum()
    assert (cleaned[200:204, 300:304] < 128).all()
    assert of_pages.without_specks(page) is page


def test_a_noisy_picture_is_made_softer_and_a_clean_one_stays() -> None:
    random = np.random.default_rng(1)
    page = np.full((400, 600), 200, np.uint8)
    page[100:130:3] = 20
    noisy = (page + random.normal(0, 20, page.shape)).clip(0, 255).astype(np.uint8)
    assert of_pages.without_noise(page) is page
    assert of_pages.without_noise(noisy)[200:].std() < 0.8 * noisy[200:].std()
