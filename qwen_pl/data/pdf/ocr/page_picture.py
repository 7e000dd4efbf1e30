"""The picture of a page: rendered within bounds, and turned so that its lines run level.

``H, W`` are its rows and columns; ``N`` boxes of text, whose corners are places (column, row) from
the left upper one on, clockwise as the text is read.
"""

import math

import cv2
import numpy as np
import pypdfium2

_DPI = 220  # networks see lines of some 48 rows: a sharper picture tells them no more
_MOST_PIXELS = 12e6
_LONGEST_SIDE = 8000  # pixels
_BLANK = 24  # of 255: a page whose greys, but for specks, are no farther apart shows nothing
_SPECKS = 0.0002  # share of the pixels; a page number alone is more
_TALL = 1.5  # times as high as wide
_SMALLEST = 4  # pixels of a box
_LARGE = 1.6  # times the usual height: a box that may begin with a large initial
_LONG = 3.0  # times as wide as high: a line
_MARGIN = 0.33  # of a box's height, above and below its small letters
_BODY = 0.4  # of the ink in the fullest row: between baseline and height of small letters is more
_FLATTEST = 0.15  # of a box's height: the height of small letters
_SPECK = 5  # pixels
_NOISE = 2  # of 255, between a pixel and those around it
_MANY_SPECKS = 0.1  # for each letter or other shape

Rectangle = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""


def rendered(document: pypdfium2.PdfDocument, index: int) -> tuple[np.ndarray, float]:
    """A page in grey, ``(H, W)`` uint8, with the pixels for each point.

    However large or long the page says it is, the picture has no more than 12 million pixels.
    """
    page = document[index]
    try:
        width, height = page.get_size()
        scale = min(
            _DPI / 72,
            math.sqrt(_MOST_PIXELS / max(1.0, width * height)),
            _LONGEST_SIDE / max(1.0, width, height),
        )
        bitmap = page.render(scale=scale, grayscale=True, may_draw_forms=False)
        return bitmap.to_numpy()[..., 0].copy() if bitmap.n_channels > 1 else _flat(bitmap), scale
    finally:
        page.close()


def _flat(bitmap: pypdfium2.PdfBitmap) -> np.ndarray:
    picture = bitmap.to_numpy()
    return picture.reshape(picture.shape[:2]).copy()


def is_blank(picture: np.ndarray) -> bool:
    """Whether there is nothing on a page but paper and specks."""
    darkest, lightest = np.quantile(picture, (_SPECKS, 1 - _SPECKS))
    return bool(lightest - darkest < _BLANK)


def turned_by(picture: np.ndarray, quarters: int) -> np.ndarray:
    """Turned by quarters of a turn, counterclockwise."""
    return np.ascontiguousarray(np.rot90(picture, quarters))


def run_up_or_down(boxes: np.ndarray) -> bool:
    """Whether more text runs up or down the page than along it, by ``(N, 4, 2)`` boxes."""
    wide, tall = _sides(boxes)
    return bool(tall[tall > _TALL * wide].sum() > wide[wide > _TALL * tall].sum())


def slope(boxes: np.ndarray) -> float:
    """The angle at which lines fall, in radians: the median over all that are much wider than high.

    The wider a box, the more it counts.
    """
    wide, tall = _sides(boxes)
    is_line = wide > _LONG * tall
    if not is_line.any():
        return 0.0
    along = (boxes[:, 1] - boxes[:, 0] + boxes[:, 2] - boxes[:, 3])[is_line]
    angles, weights = np.arctan2(along[:, 1], along[:, 0]), wide[is_line]
    order = np.argsort(angles)
    middle = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
    return float(angles[order][middle])


def levelled(picture: np.ndarray, boxes: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture whose lines fall at ``angle``, turned until they are level, and its boxes.

    It grows by what its corners need, filled with the grey that is most of the page.
    """
    height, width = picture.shape
    cos, sin = math.cos(angle), math.sin(angle)
    wider, higher = abs(cos) * width + abs(sin) * height, abs(cos) * height + abs(sin) * width
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0]])
    turn[:, 2] = np.array([wider, higher]) / 2 - turn[:, :2] @ np.array([width, height]) / 2
    size = math.ceil(wider), math.ceil(higher)
    paper = float(np.median(picture[::7, ::7]))
    level = cv2.warpAffine(picture, turn, size, flags=cv2.INTER_CUBIC, borderValue=paper)
    return level, boxes @ turn[:, :2].T + turn[:, 2]


def upright_boxes(picture: np.ndarray, boxes: np.ndarray) -> list[Rectangle]:
    """What to read of a level picture: a box around each line, and one for a large initial."""
    height, width = picture.shape
    lower = np.maximum(np.floor(boxes.min(axis=1)), 0).astype(int)
    upper = np.minimum(np.ceil(boxes.max(axis=1)), (width, height)).astype(int)
    found = np.hstack([lower, upper])[((upper - lower) >= _SMALLEST).all(axis=1)]
    if not len(found):
        return []
    heights, widths = found[:, 3] - found[:, 1], found[:, 2] - found[:, 0]
    usual = float(np.median(heights))
    is_tall = (heights > _LARGE * usual) & (widths > _LONG * heights)
    lines: list[Rectangle] = [tuple(box) for box in found[~is_tall].tolist()]
    for box in found[is_tall].tolist():
        parts = _parted(picture, tuple(box), usual)
        lines += [part for part in parts if len(parts) == 1 or not _is_read(part, lines)]
    return lines


def _parted(picture: np.ndarray, box: Rectangle, usual: float) -> list[Rectangle]:
    """A large initial at the left end of a box and the lines beside it; the box if there is none.

    The initial is a letter that is higher than a line of the ``usual`` height.
    """
    left, top, right, bottom = box
    beginning = ink(picture[top:bottom, left : left + int(_LONG * (bottom - top))])
    _, _, shapes, _ = cv2.connectedComponentsWithStats(beginning.astype(np.uint8))
    large = [shape for shape in shapes[1:].tolist() if shape[cv2.CC_STAT_HEIGHT] > usual]
    if not large:
        return [box]
    x, y, width, height, _ = min(large)
    end = left + x + width
    rows = ink(picture[top:bottom, end:right]).sum(axis=1)
    bodies = np.flatnonzero(np.diff(rows > _BODY * rows.max(), prepend=False, append=False))
    margin = int(_MARGIN * usual)
    return [(left + x - 2, top + y - 2, end + 2, top + y + height + 2)] + [
        (end - 1, max(0, top + first - margin), right, top + last + margin)
        for first, last in zip(bodies[::2].tolist(), bodies[1::2].tolist(), strict=True)
        if last - first > _FLATTEST * usual
    ]


def _is_read(part: Rectangle, lines: list[Rectangle]) -> bool:
    """Whether one of the lines found already runs through the middle of a part."""
    left, top, right, bottom = part
    middle, half = (top + bottom) / 2, (right - left) / 2
    return any(
        line[1] < middle < line[3] and min(right, line[2]) - max(left, line[0]) > half
        for line in lines
    )


def without_specks(picture: np.ndarray) -> np.ndarray:
    """A picture without its specks, if it has many: they are read as points, commas and accents.

    A speck is smaller than a point of the smallest print, and apart from what is larger.
    """
    level, _ = cv2.threshold(
        cv2.GaussianBlur(picture, (0, 0), 0.6), 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU
    )
    dark = (picture <= level).astype(np.uint8)
    _, labels, shapes, _ = cv2.connectedComponentsWithStats(dark)
    is_small = shapes[:, cv2.CC_STAT_AREA] <= _SPECK
    is_small[0] = False  # the paper
    small = is_small[labels]
    beside = cv2.dilate(dark & ~small, np.ones((5, 5), np.uint8)).astype(bool)
    specks = (small & ~beside).astype(np.uint8)
    num_specks = cv2.connectedComponents(specks)[0] - 1
    if num_specks < _MANY_SPECKS * (len(shapes) - np.count_nonzero(is_small)):
        return picture
    clean = picture.copy()
    clean[cv2.dilate(specks, np.ones((3, 3), np.uint8)).astype(bool) & ~beside] = np.median(picture)
    return clean


def ink(crop: np.ndarray) -> np.ndarray:
    """Which pixels of a crop are ink, ``(h, w)`` bool, be it dark on light or light on dark."""
    _, dark = cv2.threshold(cv2.medianBlur(crop, 3), 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    return dark == (2 * np.count_nonzero(dark) <= dark.size)


def without_noise(picture: np.ndarray) -> np.ndarray:
    """A picture made softer, if most of its pixels differ from those around them."""
    unlike = cv2.absdiff(picture, cv2.medianBlur(picture, 3))[::3, ::3]
    return cv2.GaussianBlur(picture, (0, 0), 0.7) if np.median(unlike) >= _NOISE else picture


def _sides(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of the upper and of the left side of boxes, ``(N,)`` each."""
    return (
        np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=1),
        np.linalg.norm(boxes[:, 3] - boxes[:, 0], axis=1),
    )
