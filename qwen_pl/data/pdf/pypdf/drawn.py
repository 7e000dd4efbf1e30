"""What a page draws beside text: rulings, and the boxes of its pictures."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from qwen_pl.data.page.line import Box
from qwen_pl.data.pdf.boxes import merged
from qwen_pl.data.pdf.open_file import MOST_DRAWN

_THICKEST = 2.5  # points; of a ruling
_SHORTEST = 3.0  # points; of a ruling
_LOWEST = 6.0  # points: what is lower can have no line of text in it, and is a part of a picture
_PAGE_SHARE = 0.9  # of the page: what covers more is its background
_MOST_AROUND = 100  # pictures of a page in which rulings are looked for
_SLANT = 0.5  # points by which a line may be off the horizontal or vertical

Point = tuple[float, float]


class Drawn:
    """Collects what is drawn on a page of a size, in points of the page as it is shown."""

    def __init__(self, width: float, height: float) -> None:
        self._width, self._height = width, height
        self._rulings: dict[Box, None] = {}
        self._boxes: list[Box] = []

    def rectangle(self, box: Box, is_seen: bool = True) -> None:
        """A rectangle that is filled or has a frame; not seen is one as white as paper."""
        left, lower, right, upper = box
        width, height = right - left, upper - lower
        if min(width, height) <= _THICKEST:
            if max(width, height) >= _SHORTEST:
                x, y = (left + right) / 2, (lower + upper) / 2
                self._rule((left, y, right, y) if width > height else (x, lower, x, upper))
        elif is_seen and min(width, height) < _LOWEST:
            self.picture(box)
        elif is_seen and width * height <= _PAGE_SHARE * self._width * self._height:
            for side in (
                (left, lower, right, lower),
                (left, upper, right, upper),
                (left, lower, left, upper),
                (right, lower, right, upper),
            ):
                self._rule(side)

    def path(self, points: list[Point], is_stroked: bool, is_curved: bool, is_seen: bool) -> None:
        """A line from point to point."""
        if is_curved or any(
            abs(x - to_x) > _SLANT < abs(y - to_y) for (x, y), (to_x, to_y) in pairwise(points)
        ):
            if is_seen:
                self.picture(box_of(points))
        elif is_stroked:
            for (x, y), (to_x, to_y) in pairwise(points):
                if max(abs(to_x - x), abs(to_y - y)) >= _SHORTEST:
                    self._rule((min(x, to_x), min(y, to_y), max(x, to_x), max(y, to_y)))
        else:
            self.rectangle(box_of(points), is_seen)

    def picture(self, box: Box) -> None:
        """An image, or a drawing; only what of it is on the page counts."""
        left, lower, right, upper = box
        left, right = max(0.0, left), min(self._width, right)
        lower, upper = max(0.0, lower), min(self._height, upper)
        if (left < right and lower < upper) or (left <= right and lower <= upper):
            self._boxes.append((left, lower, right, upper))

    def pictures(self) -> tuple[Box, ...]:
        """The boxes of pictures, put together where they touch or nearly do."""
        page = (0.0, 0.0, self._width, self._height)
        return tuple(map(_rounded, merged(self._boxes, page)))

    def rulings(self, pictures: Sequence[Box]) -> tuple[Box, ...]:
        """Lines across and down but those that are a part of a picture."""
        most = _PAGE_SHARE * self._width * self._height
        around = [box for box in pictures[:_MOST_AROUND] if _area(box) < most]
        return tuple(
            ruling
            for ruling in self._rulings
            if not any(
                box[0] - _SLANT <= ruling[0]
                and ruling[2] <= box[2] + _SLANT
                and box[1] - _SLANT <= ruling[1]
                and ruling[3] <= box[3] + _SLANT
                for box in around
            )
        )

    def _rule(self, box: Box) -> None:
        is_near = box[0] <= self._width and box[2] >= 0 and box[1] <= self._height and box[3] >= 0
        if is_near and len(self._rulings) < MOST_DRAWN:
            self._rulings[_rounded(box)] = None


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def box_of(points: Iterable[Point]) -> Box:
    """The box around points; far away if they are no numbers."""
    xs, ys = zip(*points, strict=True)
    box = min(xs), min(ys), max(xs), max(ys)
    return box if all(map(math.isfinite, box)) else (-1.0, -1.0, -1.0, -1.0)


def _rounded(box: Box) -> Box:
    left, lower, right, upper = box
    return round(left, 2), round(lower, 2), round(right, 2), round(upper, 2)
