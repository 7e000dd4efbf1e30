"""Finds where paragraphs begin, by rules that look at the places of lines on their pages."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from qwen_pl.data.layout.drop_caps import may_be_initial, stands_beside
from qwen_pl.data.layout.measures import SAME_PLACE, SIZE_CHANGE, PlacedLine, Usual, place_lines
from qwen_pl.data.layout.roles import Role
from qwen_pl.data.layout.row import Row
from qwen_pl.data.page.line import parted
from qwen_pl.data.page.scripts import is_right_to_left

BLOCKS = frozenset({Role.HEADING, Role.FORMULA, Role.BIBLIOGRAPHY})
"""Roles whose paragraphs are the blocks that the layout has found."""

_FULL = 0.98  # of the way to where most lines end
_STRETCHED = 2.0  # times the size, from one line to the next
_FAR = 4.0  # times the size: no gap between two paragraphs is as wide
_SHRED = 0.8  # of the size of the paragraph, and less
_LONGEST_SHRED = 6  # characters
_LONGEST_SIGN = 3
_MOST_SHREDS = 4  # behind one line
_WIDEST_FIRST_INDENT = 2.2  # times the size
_BROKEN_WORD = re.compile(r"[^\W\d_][-\u00ad\u2010]$")
_SPEECH_END = re.compile(r"[.!?…—][”»“]$")
_SURELY_OPENING = "“‘«„"  # plain quotation marks may close as well


def group_paragraphs(pages: Sequence[Sequence[Row]]) -> list[list[PlacedLine]]:
    """The lines of each paragraph, in order.

    A paragraph begins with an indent, below a gap, in another size, with a bullet, or after a line
    that ends a sentence well before the right margin. The last is trusted the less the more
    paragraphs of the document begin in the other ways. A line of verse is one, too.

    The pages come without running heads and notes, their lines stripped and not empty.
    """
    lines = place_lines(pages)
    usual = Usual(pages, lines)
    return parted(lines, lambda paragraph, line: deciding_rule(Seam(paragraph, line, usual)).begins)


class Seam:
    """A line and the paragraph that it may go on with: what a rule looks at."""

    def __init__(self, paragraph: list[PlacedLine], line: PlacedLine, usual: Usual) -> None:
        self.paragraph = paragraph
        self.first, self.before, self.line = paragraph[0], _last_whole(paragraph), line
        self.usual = usual
        is_higher = line.line.y > self.before.line.y + 1.0
        self.is_at_break = line.page != self.before.page or is_higher
        """Whether a page or a column begins with the line."""

    @property
    def is_below_gap(self) -> bool:
        return self.usual.is_below_gap(self.before, self.line)

    @property
    def is_in_sentence(self) -> bool:
        """Whether the line goes on in small letters with a sentence that has not ended."""
        return not self.before.ends_sentence and self.line.text[0].islower()

    @property
    def is_filled(self) -> bool:
        """Whether the line before had no room for the first word of the line.

        Where the reader does not tell where lines end, it is not known to be.
        """
        before = self.before
        if not before.line.end or before.fullness > _FULL:
            return before.line.end > 0
        width = before.line.end - before.line.x
        word = len(self.line.text.split(maxsplit=1)[0]) + 1
        room = (before.line.end - before.line.x + before.offset) * (1 / before.fullness - 1)
        return room < 0.8 * word * width / len(before.text) if before.fullness > 0 else False

    @property
    def initials(self) -> list[PlacedLine]:
        """What may be a large initial at the beginning of the paragraph."""
        return [line for line in self.paragraph[:2] if may_be_initial(line.text)]


def _last_whole(paragraph: list[PlacedLine]) -> PlacedLine:
    """The last line but for shreds: indices and large signs that are parted from their line."""
    last = paragraph[-_MOST_SHREDS:]
    for before, line in zip(reversed(last[:-1]), reversed(last[1:]), strict=True):
        if not _is_shred(before, line):
            return line
    return last[0]


def _is_shred(before: PlacedLine, line: PlacedLine) -> bool:
    """Whether a short row behind another is a part of its line, by its size or its height."""
    size = before.line.size
    if line.page != before.page or not size or len(line.text) > _LONGEST_SHRED:
        return False
    is_sign = len(line.text) <= _LONGEST_SIGN and not any(map(str.isalnum, line.text))
    is_near = 0 <= before.line.y - line.line.y < _SHRED * size
    return 0 < line.line.size < _SHRED * size or (is_sign and is_near)


class Rule(NamedTuple):
    """One sign by which a line is known to begin a paragraph, or to go on with the one before."""

    begins: bool
    holds: Callable[[Seam], bool]
    because: str


def deciding_rule(seam: Seam) -> Rule:
    """The first of ``RULES`` that holds; the last one always does."""
    return next(rule for rule in RULES if rule.holds(seam))


def _is_of_same_block(seam: Seam) -> bool:
    before, line = seam.before.line, seam.line.line
    return line.role in BLOCKS and (before.role, before.block) == (line.role, line.block)


def _is_of_other_block(seam: Seam) -> bool:
    return seam.line.line.role in BLOCKS or seam.before.line.role in BLOCKS


def _goes_on_around_float(seam: Seam) -> bool:
    """Whether a line goes on with a sentence far above it, where a picture may be between."""
    before, line = seam.before, seam.line
    is_far = before.line.y - line.line.y > _FAR * line.line.size
    is_alike = abs(before.line.size - line.line.size) < 0.5 and _moved(seam) < SAME_PLACE
    return is_far and is_alike and seam.is_in_sentence and before.fullness > 0.9


def _is_unplaced_after_end(seam: Seam) -> bool:
    return _is_unplaced(seam) and (_is_answer_over_break(seam) or _ended_early(seam))


def _is_unplaced(seam: Seam) -> bool:
    return not (seam.line.line.size > 0 and seam.before.line.size > 0)


def _follows_lone_quote(seam: Seam) -> bool:
    return seam.before.text in _SURELY_OPENING


def _is_around_initial(seam: Seam) -> bool:
    """Whether a line is beside a large initial, or as far set in as the line before it."""
    initials, before, line = seam.initials, seam.before, seam.line
    is_as_far = before not in initials and abs(line.line.x - before.line.x) < 1.0
    return any(
        _is_beside(line, initial)
        or (is_as_far and _is_beside(before, initial) and line.line.x > initial.line.x + 1.0)
        for initial in initials
    )


def _is_beside(line: PlacedLine, initial: PlacedLine) -> bool:
    return line.page == initial.page and stands_beside(line.line, initial.line)


def _is_on_same_row(seam: Seam) -> bool:
    before, line = seam.before.line, seam.line.line
    is_level = abs(before.y - line.y) < 0.3 * max(line.size, before.size)
    return is_level and seam.line.page == seam.before.page


def _is_parted(seam: Seam) -> bool:
    drop = seam.before.line.y - seam.line.line.y
    is_near = 0 <= drop < _SHRED * seam.before.line.size
    return is_near and _is_shred(seam.before, seam.line)


def _ends_broken_word(seam: Seam) -> bool:
    return seam.line.text[0].islower() and _BROKEN_WORD.search(seam.before.text) is not None


def _ends_broken_address(seam: Seam) -> bool:
    return seam.line.text.startswith("//") and seam.before.text.endswith(("http:", "https:"))


def _differs_in_size(seam: Seam) -> bool:
    small, large = sorted((seam.before.line.size, seam.line.line.size))
    if large <= SIZE_CHANGE * small:
        return False
    is_near = seam.before.fullness > 0.7 and not seam.is_below_gap
    return not (seam.is_in_sentence and is_near)


def _has_bullet(seam: Seam) -> bool:
    """Whether a line begins with one; a dash may as well go on with a sentence."""
    before, line = seam.before, seam.line
    is_dash = line.text[0] in "-–—" and not before.has_bullet and abs(_moved(seam)) < SAME_PLACE
    goes_on = is_dash and before.fullness > _FULL and not before.ends_sentence
    return line.has_bullet and not (goes_on and not seam.is_below_gap)


def _is_stretched(seam: Seam) -> bool:
    """Whether a line goes on with a full one a little farther above, as below a tall formula."""
    before, line = seam.before, seam.line
    is_alike = abs(before.line.size - line.line.size) < 0.5 and abs(_moved(seam)) < SAME_PLACE
    is_full = before.line.end > 0 and before.fullness > _FULL and not before.ends_sentence
    return is_alike and is_full and before.line.y - line.line.y < _STRETCHED * line.line.size


def _opens_chapter(seam: Seam) -> bool:
    before, line, usual = seam.before, seam.line, seam.usual
    if line.page == before.page:
        return False
    # A float may be above a line that goes on with a sentence.
    is_alike = abs(line.line.size - before.line.size) < 0.5
    is_flush = before.fullness > _FULL and line.fullness > _FULL and abs(line.offset) < SAME_PLACE
    is_filled = seam.is_filled and (is_flush or not before.ends_sentence)
    goes_on = is_alike and (seam.is_in_sentence or is_filled)
    return usual.is_large(line) or (usual.is_sunk(line) and not goes_on)


def _is_below_gap(seam: Seam) -> bool:
    return not seam.is_at_break and seam.is_below_gap


def _is_verse(seam: Seam) -> bool:
    """Whether a line is one of verse, or the first one after verse; a heading is neither."""
    if seam.usual.is_large(seam.line):
        return False
    if seam.usual.is_verse(seam.before):
        return seam.line.begins_with_capital
    is_filled = seam.before.fullness > _FULL and abs(_moved(seam)) < SAME_PLACE
    return seam.usual.is_verse(seam.line) and seam.before.ends_sentence and not is_filled


def _follows_end_on_left(seam: Seam) -> bool:
    return seam.before.offset > 2 * SAME_PLACE and is_right_to_left(seam.line.text)


def _is_from_right(seam: Seam) -> bool:
    return is_right_to_left(seam.line.text)


def _hangs(seam: Seam) -> bool:
    """Whether a line of an item is set in from its first, as the one before it is."""
    first, before, line = seam.first, seam.before, seam.line
    if not first.is_item:
        return False
    if before is not first and before.ends_sentence and before.fullness < 0.9:
        return False  # the indent of paragraphs may be as wide
    if seam.is_at_break:
        return before is not first and abs(line.offset - before.offset) < 1.0
    is_as_far = before is first or abs(line.line.x - before.line.x) < 1.0
    # The bullet may be no farther out than the text.
    is_open = before.fullness > 0.9 or not before.ends_sentence
    goes_on = first.has_bullet and is_open and re.search(r"\w", first.text) is not None
    least = -1.0 if goes_on else SAME_PLACE
    return is_as_far and line.line.x > first.line.x + least


def _is_indented(seam: Seam) -> bool:
    return seam.usual.is_indented(seam.line)


def _enters_block(seam: Seam) -> bool:
    before = seam.before
    return _moved(seam) > SAME_PLACE and (before.ends_sentence or before.fullness < 0.7)


def _leaves_block(seam: Seam) -> bool:
    """Whether a line is set in less than those before, and not as the second of a paragraph is."""
    first, before = seam.first, seam.before
    moved = _moved(seam)
    if moved >= -SAME_PLACE or seam.initials or seam.is_in_sentence:
        return False
    is_second = before is first
    if is_second and (not seam.usual.indent or seam.usual.is_indented(first)):
        return False
    # A block has an indent of its own.
    is_second_of_block = is_second and moved > -_WIDEST_FIRST_INDENT * seam.line.line.size
    return not (is_second_of_block and before.fullness > 0.7)


def _moved(seam: Seam) -> float:
    """How far a line is set in more than the one before, in points."""
    before, line = seam.before, seam.line
    return line.offset - before.offset if seam.is_at_break else line.line.x - before.line.x


def _follows_label(seam: Seam) -> bool:
    before, line = seam.before, seam.line
    return (
        before.fullness < 0.35
        and line.fullness > 1.5 * before.fullness
        and not line.text[0].islower()
        and before.text[-1] not in ",、，-"
    )


def _is_answer_over_break(seam: Seam) -> bool:
    """Whether a speech begins a page or a column after another, where no indent would show it."""
    is_speech = seam.line.text[0] in _SURELY_OPENING
    is_answer = is_speech and _SPEECH_END.search(seam.before.text) is not None
    return is_answer and not seam.usual.indent and seam.is_at_break


def _ended_early(seam: Seam) -> bool:
    before, usual = seam.before, seam.usual
    if seam.is_at_break and before.line.end:
        return before.ends_sentence and not seam.is_filled
    shortest = usual.shortest_full_before_break if seam.is_at_break else usual.shortest_full
    return before.ends_sentence and before.fullness < shortest


def _is_any(seam: Seam) -> bool:
    return True


BEGINS, GOES_ON = True, False

RULES = (
    Rule(GOES_ON, _is_of_same_block, "the layout has seen that they belong together"),
    Rule(BEGINS, _is_of_other_block, "a heading, a formula or an entry is by itself"),
    Rule(BEGINS, _is_unplaced_after_end, "without places, only a short last line shows an end"),
    Rule(GOES_ON, _is_unplaced, "without places, nothing else shows a beginning"),
    Rule(GOES_ON, _follows_lone_quote, "a quotation mark by itself opens what stands after it"),
    Rule(GOES_ON, _is_around_initial, "lines are set in there only to make room for the initial"),
    Rule(GOES_ON, _is_on_same_row, "what stands on one row was parted by the reader alone"),
    Rule(GOES_ON, _is_parted, "an index or a large sign of a formula hangs below its line"),
    Rule(GOES_ON, _ends_broken_word, "a word is in one paragraph, whatever its places"),
    Rule(GOES_ON, _ends_broken_address, "so is an address of the web"),
    Rule(BEGINS, _differs_in_size, "headings and quotations have a size of their own"),
    Rule(BEGINS, _has_bullet, "each item of a list is a paragraph"),
    Rule(BEGINS, _opens_chapter, "between pages no gap is seen, but a sunk or large line is"),
    Rule(GOES_ON, _goes_on_around_float, "what floats never interrupts a sentence"),
    Rule(GOES_ON, _is_stretched, "a formula in a line takes room, and a full line goes on"),
    Rule(BEGINS, _is_below_gap, "a gap parts even paragraphs that begin at the margin"),
    Rule(BEGINS, _is_verse, "a line of verse ends where the poet wants"),
    Rule(BEGINS, _follows_end_on_left, "read from the right, a last line ends before others"),
    Rule(GOES_ON, _is_from_right, "its lines begin anywhere on the left: indents say nothing"),
    Rule(GOES_ON, _hangs, "an item's other lines may be set in as far as first lines are"),
    Rule(BEGINS, _is_indented, "first lines are set in as far in this document"),
    Rule(BEGINS, _enters_block, "a quotation or a listing is set in as a whole"),
    Rule(BEGINS, _leaves_block, "behind such a block the text is back at its margin"),
    Rule(BEGINS, _follows_label, "a very short line above a longer one is a heading, as of a box"),
    Rule(BEGINS, _is_answer_over_break, "the last line of a page may be an end without a sign"),
    Rule(BEGINS, _ended_early, "a sentence that ends before the margin ends its paragraph"),
    Rule(GOES_ON, _is_any, "nothing speaks for a beginning"),
)
"""What decides whether a line begins a paragraph: the first of these that holds, in this order.

First comes what no place can undo, then what is seen best; what may have several causes is last.
"""
