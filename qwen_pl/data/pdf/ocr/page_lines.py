"""Lines of text from what was read in the boxes of a level picture: places, sizes, rows."""

from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from qwen_pl.data.page.line import Line, is_large_initial, parted
from qwen_pl.data.pdf.ocr.page_picture import ink

_X_HEIGHT, _CAPITAL_HEIGHT = 0.45, 0.69  # of the font size, in most fonts
_ALIKE = 0.12  # of a size: what differs less is one size, seen a little differently
_SAME_ROW = 0.35  # of the size, between two baselines
_ONE_LINE = 1.2  # of the size: the widest gap within a line
_SURE = 0.5  # score of a line that is believed
_FEWEST = 0.5  # characters for each size that a line is wide: Chinese has one, Latin two
_REACH = 0.3  # of the height of small letters: as far as a neighbour's letters reach into a box
_NO_SPACE = 0.12  # of the size


class ReadBox(NamedTuple):
    """What was read in one box of the picture; places in pixels, from its left upper corner."""

    text: str
    score: float
    """How sure the network is, from 0 to 1."""
    left: float
    right: float
    baseline: float
    size: float

    def moved(self, left: float, up: float) -> "ReadBox":
        return self._replace(
            left=self.left - left, right=self.right - left, baseline=self.baseline - up
        )

    @property
    def ems(self) -> float:
        """How wide it is, in sizes."""
        return (self.right - self.left) / max(1.0, self.size)

    @property
    def is_believed(self) -> bool:
        """Whether the network is sure, and has seen about as many characters as there is room for.

        Of a script that it does not know it reads the points and commas.
        """
        return self.score >= _SURE and len("".join(self.text.split())) >= _FEWEST * self.ems


def read_box(text: str, score: float, crop: np.ndarray, x: int, y: int) -> ReadBox:
    """Where exactly the text of a crop stands, by its ink.

    Args:
        crop: ``(h, w)`` uint8, grey, cut out at column ``x`` and row ``y``.
    """
    inked = ink(crop)
    top, bottom = _body(inked.sum(axis=1, dtype=np.float64), crop.shape[0])
    columns = np.flatnonzero(inked[max(0, top - (bottom - top) // 2) : bottom].any(axis=0))
    left, right = (columns[0], columns[-1] + 1) if len(columns) else (0, crop.shape[1])
    letters = [c for c in text if c.isalnum()]
    is_low = 2 * sum(c.islower() for c in letters) > len(letters)
    size = (bottom - top) / (_X_HEIGHT if is_low else _CAPITAL_HEIGHT)
    return ReadBox(text, score, x + left, x + right, y + bottom, size)


def without_neighbours(crop: np.ndarray) -> np.ndarray:
    """A line without what reaches into its box from the lines above and below.

    That is little, cut off by the upper or lower end of the box, and clear of the line's own body.
    """
    inked = ink(crop)
    top, bottom = _body(inked.sum(axis=1, dtype=np.float64), crop.shape[0])
    _, labels, shapes, _ = cv2.connectedComponentsWithStats(inked.astype(np.uint8))
    first = shapes[:, cv2.CC_STAT_TOP]
    last = first + shapes[:, cv2.CC_STAT_HEIGHT]
    is_foreign = ((first == 0) & (last <= top)) | ((last == crop.shape[0]) & (first >= bottom))
    is_foreign &= last - first <= _REACH * (bottom - top)
    is_foreign[0] = False  # the paper
    if not is_foreign.any():
        return crop
    gone = cv2.dilate(is_foreign[labels].astype(np.uint8), np.ones((3, 3), np.uint8))
    return np.where(gone, np.uint8(np.median(crop)), crop)


def _body(rows: np.ndarray, height: int) -> tuple[int, int]:
    """The rows between which most letters stand, by how much ink is in each of a crop's rows.

    Ink sets in where small letters, or capitals, begin, and ends at the baseline.
    """
    smooth = np.convolve(rows, np.ones(3) / 3, mode="same")
    steps = np.diff(smooth, prepend=0.0, append=0.0)  # (h + 1,): from the row before to this one
    middle = height // 2
    bottom = middle + int(np.argmin(steps[middle : height + 1]))
    top = int(np.argmax(steps[: max(1, middle + 1)]))
    return top, max(bottom, top + 1)


def page_lines(boxes: list[ReadBox], height: int, scale: float) -> list[Line]:
    """The lines of a page from the top down, each row from left to right.

    Args:
        height: Rows of the picture.
        scale: Pixels for each point.
    """
    sizes = _sizes(boxes, scale)
    sized = [box._replace(size=size * scale) for box, size in zip(boxes, sizes, strict=True)]
    lines = []
    for part in (part for row in _rows(sized) for part in _parts(row)):
        most = max(part, key=lambda box: len(box.text))
        x, y, end = part[0].left, height - most.baseline, part[-1].right
        x, y, size, end = (round(float(pixels) / scale, 2) for pixels in (x, y, most.size, end))
        lines.append(Line(_joined(part), x, y, size, end))
    return lines


def _sizes(boxes: list[ReadBox], scale: float) -> list[float]:
    """Sizes in half points: for each box the median of those that nearly have its own."""
    seen = np.array([box.size for box in boxes]) / scale
    weights = np.array([len(box.text) for box in boxes], dtype=float)
    sizes = []
    for own in seen:
        near = np.flatnonzero(np.abs(seen - own) <= _ALIKE * own)
        near = near[np.argsort(seen[near], kind="stable")]
        middle = np.searchsorted(np.cumsum(weights[near]), weights[near].sum() / 2)
        sizes.append(max(0.5, round(2 * float(seen[near[middle]])) / 2))
    return sizes


def _rows(boxes: list[ReadBox]) -> list[list[ReadBox]]:
    """Boxes that stand on one baseline together, from the top down and from left to right."""
    rows: list[list[ReadBox]] = []
    for box in sorted(boxes, key=lambda box: box.baseline):
        same = rows and box.baseline - rows[-1][0].baseline <= _SAME_ROW * min(
            box.size, rows[-1][0].size
        )
        if same:
            rows[-1].append(box)
        else:
            rows.append([box])
    return [sorted(row, key=lambda box: box.left) for row in rows]


def _parts(row: list[ReadBox]) -> list[list[ReadBox]]:
    """A row, parted where a gap is wider than one between words; what was found twice is left."""
    once = row[:1]
    for box in row[1:]:
        if once[-1].right - box.left <= (box.right - box.left) / 2:
            once.append(box)
    return parted(once, _begins_part)


def _begins_part(part: list[ReadBox], box: ReadBox) -> bool:
    before = part[-1]
    is_apart = box.left - before.right > _ONE_LINE * box.size
    return is_apart or is_large_initial(before.text, before.size, box.size)


def _joined(part: list[ReadBox]) -> str:
    text = part[0].text
    for before, box in pairwise(part):
        is_apart = box.left - before.right > _NO_SPACE * before.size
        text += (" " if is_apart else "") + box.text
    return text
