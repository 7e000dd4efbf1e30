"""Finds the text inside pictures and drawings: labels, numbers of axes, the cells of heat maps."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

from qwen_pl.data.layout.captions import Kind, label_of
from qwen_pl.data.layout.ruled_areas import ruled_areas
from qwen_pl.data.page.fonts import is_mathematical, is_monospaced
from qwen_pl.data.page.line import Box, Line, LineIndex, Sheet, parted

_MOST_PICTURES = 200  # of a page, that are looked at
_MOST_LABELS = 50
_BACKGROUND = 0.9  # of the page, in width and in height
_LOWEST = 2.5  # lines; what is lower may be a mark in a line of text
_FEWEST = 2  # labels of a drawing
_FEWEST_OF_LOW = 3  # labels of a low drawing
_STACKED = 2.2  # lines from one to the next of a text
_REACH = 1.8  # lines around a drawing, in which its labels stand
_ROUNDS = 3  # in which labels of labels are found
_FARTHEST_CAPTION = 6.0  # lines from a drawing
_SENTENCE = 5  # spaces, and more
_LONG = 24  # letters
_SHORT_NAME = 6  # letters
_HAND = 0.03  # of the letters of a document


def find_figures(sheets: Sequence[Sheet]) -> dict[LineIndex, int]:
    """For each piece of text that belongs to a drawing, the number of the drawing.

    Text in a box is not a figure: nor are sentences, a stack of lines in the hand of the text, nor
    code. What stands beside a drawing is one of its labels if it is small, a number or turned.
    Each piece is looked at a few times for each drawing that it is near, and these do not overlap.
    """
    hand = _Hand(sheets)
    found: dict[LineIndex, int] = {}
    number = 0
    for page, sheet in enumerate(sheets):
        if not (sheet.pictures or sheet.rulings) or not hand.size:
            continue
        pieces = _Pieces(sheet.lines, hand)
        for labels in pieces.figures(_drawings(sheet), ruled_areas(sheet)):
            number += 1
            found.update(((page, index), number) for index in labels)
    return found


class _Hand:
    """The fonts and sizes in which a document has its sentences."""

    def __init__(self, sheets: Iterable[Sheet]) -> None:
        letters: Counter[tuple[str, float]] = Counter()
        for sheet in sheets:
            for line in sheet.lines:
                if _is_sentence(line.text):
                    letters[line.font, round(2 * line.size) / 2] += len(line.text)
        enough = _HAND * letters.total()
        self._usual = {hand for hand, count in letters.items() if count > enough}
        self._families = {_family(font) for font, _ in self._usual}
        self.size = letters.most_common(1)[0][0][1] if letters else 0.0
        """The most usual, in points; 0 if it is not known."""

    def knows(self, line: Line) -> bool:
        """Whether it is in a font of the same families, in whatever face and size."""
        return _family(line.font) in self._families

    def has(self, line: Line) -> bool:
        return (line.font, round(2 * line.size) / 2) in self._usual

    def is_larger(self, line: Line) -> bool:
        """Whether it is set as headings are."""
        return line.size > 1.15 * self.size


def _family(font: str) -> str:
    """What the faces of a font have in common: ``Arial``, and ``CM`` of the short names of TeX."""
    name = re.split(r"[-,\d]", font)[0]
    return name if len(name) > _SHORT_NAME else name[:2]


def _is_sentence(text: str) -> bool:
    if len(text) < _LONG or (text.isascii() and text.count(" ") < _SENTENCE):
        return False
    return sum(map(str.isalpha, text)) > 0.6 * len(text)


def _drawings(sheet: Sheet) -> list[Box]:
    """The pictures of a page that are not its background, those that overlap as one."""
    left, lower, right, upper = sheet.box
    wide, high = _BACKGROUND * (right - left), _BACKGROUND * (upper - lower)
    boxes: list[Box] = []
    for box in sheet.pictures[:_MOST_PICTURES]:
        if not (box[2] - box[0] > wide > 0 and box[3] - box[1] > high > 0):
            boxes = _joined(boxes, box)
    return boxes


def _joined(boxes: list[Box], box: Box) -> list[Box]:
    """Boxes that do not overlap, with one more."""
    while touching := [other for other in boxes if _overlap(box, other)]:
        boxes = [other for other in boxes if other not in touching]
        box = _around([box, *touching])
    return [*boxes, box]


def _overlap(box: Box, other: Box) -> bool:
    return box[0] <= other[2] and other[0] <= box[2] and box[1] <= other[3] and other[1] <= box[3]


def _around(boxes: Sequence[Box]) -> Box:
    lefts, lowers, rights, uppers = zip(*boxes, strict=True)
    return min(lefts), min(lowers), max(rights), max(uppers)


def _grown(box: Box, by: float) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _place(line: Line) -> Box:
    """Where a piece of text stands on the page as it is shown."""
    start, end = line.x, max(line.end, line.x)
    lower, upper = line.y - 0.2 * line.size, line.y + 0.7 * line.size
    if line.turn == 90:
        return -upper, start, -lower, end
    if line.turn == 180:
        return -end, -upper, -start, -lower
    if line.turn == 270:
        return lower, -end, upper, -start
    return start, lower, end, upper


class _Pieces:
    """The pieces of text of a page, by their height."""

    def __init__(self, lines: Sequence[Line], hand: _Hand) -> None:
        self._lines = lines
        self._hand = hand
        self._places = [_place(line) for line in lines]
        self._from_below = sorted(range(len(lines)), key=lambda index: self._places[index][1])
        self._heights = [self._places[index][1] for index in self._from_below]
        labels = ((index, label_of(line.text)) for index, line in enumerate(lines))
        told = [(index, label) for index, label in labels if label and label.sign != " "]
        self._labels = dict(told[:_MOST_LABELS])

    def figures(self, drawings: list[Box], ruled: list[Box]) -> list[list[int]]:
        """The labels of each drawing that is a figure."""
        found = []
        taken: set[int] = set()
        for area in ruled:
            if self._is_table(area, drawings):
                taken.update(self._within(_grown(area, 1)))
            else:
                drawings = _joined(drawings, area)
        for drawing in drawings:
            kind = self._kind_at(drawing)
            inside = [index for index in self._within(drawing) if index not in taken]
            if kind is Kind.TABLE or kind is Kind.LISTING or self._is_text(inside, kind):
                continue
            is_low = drawing[3] - drawing[1] < _LOWEST * self._hand.size
            labels = [index for index in inside if self._may_be_label(index, kind, is_low)]
            labels = [i for i in self._with_neighbours(drawing, labels) if i not in taken]
            beside = len(labels) - (len(inside) if is_low else 0)
            if beside < (_FEWEST_OF_LOW if is_low else _FEWEST):
                continue
            taken.update(labels)
            found.append(sorted(labels))
        for index, label in self._labels.items():
            if label.kind is Kind.FIGURE and (labels := self._at_caption(index, taken)):
                taken.update(labels)
                found.append(sorted(labels))
        return found

    def _within(self, box: Box) -> list[int]:
        """The pieces of which at least most is in a box, from below."""
        first = bisect_left(self._heights, box[1] - 3)
        last = bisect_right(self._heights, box[3])
        return [index for index in self._from_below[first:last] if _is_in(self._places[index], box)]

    def _kind_at(self, drawing: Box) -> Kind | None:
        """What the nearest caption says that a drawing is."""
        reach = _FARTHEST_CAPTION * self._hand.size
        nearest, kind = reach, None
        for index, label in self._labels.items():
            left, lower, right, upper = self._places[index]
            distance = max(drawing[1] - upper, lower - drawing[3], 0.0)
            if left < drawing[2] and drawing[0] < right and distance < nearest:
                nearest, kind = distance, label.kind
        return kind

    def _is_table(self, area: Box, drawings: Sequence[Box]) -> bool:
        """Whether what rulings enclose is no drawing, or in the hand of the text."""
        kind = self._kind_at(area)
        is_drawn = kind is Kind.FIGURE or any(_overlap(area, drawing) for drawing in drawings)
        if kind is Kind.TABLE or not is_drawn:
            return True
        lines = [self._lines[index] for index in self._within(_grown(area, 1))]
        in_hand = sum(len(line.text) for line in lines if self._hand.has(line))
        return 2 * in_hand > sum(len(line.text) for line in lines)

    def _is_text(self, inside: Sequence[int], kind: Kind | None) -> bool:
        """Whether a drawing is a box around text, as around a remark, a listing or a page."""
        letters = text = 0
        rows = parted(inside, lambda row, index: not self._is_on_row(row[-1], index))
        for below, row, above in zip([None, *rows], rows, [*rows[1:], None], strict=False):
            for index in row:
                line = self._lines[index]
                letters += len(line.text)
                if _is_sentence(line.text):
                    text += len(line.text) * (kind is not Kind.FIGURE or self._hand.has(line))
                elif len(row) == 1 and is_monospaced(line.font):
                    text += len(line.text)
                elif len(row) == 1 and kind is not Kind.FIGURE:
                    is_stacked = self._is_stacked(index, above) or self._is_stacked(index, below)
                    text += len(line.text) * (is_stacked and self._hand.knows(line))
        return 2 * text > letters

    def _is_on_row(self, index: int, other: int) -> bool:
        lower = self._places[index][1]
        return abs(lower - self._places[other][1]) < 0.5 * self._lines[index].size

    def _is_stacked(self, index: int, row: Sequence[int] | None) -> bool:
        """Whether a line stands right above or below another, as lines of text do."""
        if row is None or len(row) > 1:
            return False
        line, other = self._lines[index], self._lines[row[0]]
        return line.turn == other.turn and abs(line.y - other.y) < _STACKED * line.size

    def _may_be_label(self, index: int, kind: Kind | None, is_low: bool) -> bool:
        """Whether a piece inside a drawing belongs to it."""
        line = self._lines[index]
        if index in self._labels or (is_low and self._hand.has(line)):
            return False
        is_heading = self._hand.is_larger(line) and self._hand.knows(line)
        return not is_heading and (kind is Kind.FIGURE or not self._hand.is_larger(line))

    def _at_caption(self, index: int, taken: set[int]) -> list[int]:
        """The labels above or else below a caption whose drawing is not known.

        They are what is in another hand than the text, up to what is in its hand.
        """
        left, lower, right, _ = self._places[index]
        reach = (right - left) / 2  # a caption may be narrower than its drawing
        at = bisect_left(self._heights, lower)
        for order in (self._from_below[at:], self._from_below[at - 1 :: -1] if at else []):
            labels = []
            for other in order:
                line, place = self._lines[other], self._places[other]
                if other == index or place[0] > right + reach or place[2] < left - reach:
                    continue
                if self._may_be_label(other, Kind.FIGURE, True) and not _is_sentence(line.text):
                    labels.append(other)
                elif place[0] < right and left < place[2]:
                    break
            if len(labels) >= _FEWEST_OF_LOW:
                return [other for other in labels if other not in taken]
        return []

    def _with_neighbours(self, drawing: Box, labels: list[int]) -> list[int]:
        """The labels of a drawing with those beside it."""
        found = set(labels)
        for _ in range(_ROUNDS):
            drawing = _around([drawing, *(self._places[index] for index in found)])
            near = self._within(_grown(drawing, _REACH * self._hand.size))
            new = [index for index in near if index not in found and self._is_beside(index)]
            if not new:
                break
            found.update(new)
        return list(found)

    def _is_beside(self, index: int) -> bool:
        line = self._lines[index]
        if index in self._labels or _is_sentence(line.text):
            return False
        if line.turn:
            return True
        if self._hand.has(line) or is_mathematical(line.font):
            return _is_number(line.text) and line.size < 0.95 * self._hand.size
        return line.size < 0.95 * self._hand.size


def _is_in(place: Box, box: Box) -> bool:
    """Whether most of a place is inside a box."""
    left, lower, right, upper = place
    width = min(right, box[2]) - max(left, box[0])
    return width > 0.7 * (right - left) and box[1] < (lower + upper) / 2 < box[3]


def _is_number(text: str) -> bool:
    return not any(map(str.isalpha, text))
