"""Which kinds of blocks go into the text: a policy by role, as ``data.blocks`` gives it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from qwen_pl.data.cleaning.clean_text import CleanText, Paragraph
from qwen_pl.data.layout.roles import Role
from qwen_pl.errors import InputError

Fate = Literal["keep", "drop", "apart"]
"""What becomes of a block: it is kept where it stands, left out, or put behind the paragraph that
it belongs to. What is kept never interrupts a sentence either: it comes behind the paragraph."""

_FATES = ("keep", "drop", "apart")


@dataclass(frozen=True)
class Blocks:
    """What becomes of the blocks of each role; see ``Role`` for what they are."""

    heading: Fate = "keep"
    prose: Fate = "keep"
    item: Fate = "keep"
    code: Fate = "keep"
    table: Fate = "keep"
    """A row a line, its cells parted by `` | ``."""
    caption: Fate = "keep"
    figure: Fate = "drop"
    """The text inside pictures."""
    footnote: Fate = "apart"
    formula: Fate = "keep"
    """Displayed ones, each on a line of its own."""
    bibliography: Fate = "keep"
    contents: Fate = "drop"
    running_head: Fate = "drop"
    margin: Fate = "drop"
    """Stamps, marginal notes and numbers of lines."""
    form: Fate = "keep"
    """Values of form fields and notes written upon a page; they come behind it."""

    def __post_init__(self) -> None:
        for role, fate in asdict(self).items():
            if fate not in _FATES:
                raise InputError(f"blocks.{role} is {fate!r}: give {', '.join(_FATES)}")

    def fate(self, role: Role) -> Fate:
        return getattr(self, role.value)

    def sift(self, clean: CleanText) -> None:
        """Counts the paragraphs of each role, and leaves out those of roles that are dropped."""
        clean.blocks.update(paragraph.role for paragraph in clean.paragraphs)
        clean.left_out = {role for role in clean.blocks if self.fate(role) == "drop"}
        clean.paragraphs = list(self._kept(clean.paragraphs))

    def _kept(self, paragraphs: Iterable[Paragraph]) -> Iterator[Paragraph]:
        """What is behind something left out is at least as far from what is before it."""
        newlines = 0
        for paragraph in paragraphs:
            if self.fate(paragraph.role) == "drop":
                newlines = max(newlines, paragraph.newlines)
            else:
                yield paragraph._replace(newlines=max(newlines, paragraph.newlines))
                newlines = 0


USUAL_BLOCKS = Blocks()
