"""What cleaning gives: paragraphs, and what was done to find them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from qwen_pl.data.layout.roles import Role
from qwen_pl.data.page.legibility import glued_ratio

_LONG_ENOUGH = 1 << 16  # characters of lines that stay as they are, in one paragraph


class Paragraph(NamedTuple):
    """A paragraph or heading."""

    text: str
    """One line; or several, as code and verse have them, with their blank lines and indentation as
    they were. It begins and ends with a line that is not blank."""
    page: int
    """The page it begins on, counted from 1."""
    newlines: int = 2
    """Between it and the paragraph before: two make a blank line."""
    role: Role = Role.PROSE
    level: int = 0
    """Of a heading, from 1 for the highest, and of an item, by how many lists it is in; 0 where
    nothing tells."""


def lines_as_they_are(
    lines: Iterable[str], page: int, newlines: int = 2, role: Role = Role.CODE
) -> Iterator[Paragraph]:
    """Paragraphs of lines that stay as they are, such as code; blank ones around them go.

    There is one, but where the lines are so many that it would be too long: then there are several,
    with as many newlines between them as there were.

    >>> [code] = lines_as_they_are(["", "if x:", "", "    y()", ""], page=1)
    >>> code.text, code.role.value
    ('if x:\\n\\n    y()', 'code')
    """
    block: list[str] = []
    size = blank = 0  # characters of the block, and blank lines since
    for line in lines:
        if not line.strip():
            blank += 1
            continue
        if size > _LONG_ENOUGH:
            yield Paragraph("\n".join(block), page, newlines, role)
            block, size, newlines, blank = [], 0, blank + 1, 0
        block += [""] * blank if block else []
        block.append(line.rstrip())
        size, blank = size + blank + len(line), 0
    if block:
        yield Paragraph("\n".join(block), page, newlines, role)


@dataclass(frozen=True)
class Cleaning:
    """Which steps of the cleaning are done."""

    characters: bool = True
    """Ligatures, odd spaces and loose accents become plain characters in NFC; marks that cannot be
    seen and spaces that only stretch a line of Chinese or Japanese are removed."""
    garbage_pages: bool = True
    """Lines and words are left out whose fonts do not tell which characters they show, or tell
    others; their pages are named."""
    running_heads: bool = True
    """Running heads and feet are removed, and page numbers with them."""
    contents: bool = True
    """Tables of contents, of figures and of tables are removed."""
    footnotes: bool = True
    """Footnotes are moved behind the paragraph that calls them, and their marks removed."""
    hyphens: bool = True
    """Words broken at the end of a line are made whole where the document's own words agree; only
    the hyphen is removed."""
    drop_caps: bool = True
    """A large initial is put before the rest of its word and joined to it; nothing is removed."""


EVERY_STEP = Cleaning()


@dataclass
class CleanText:
    """A cleaned document and what was done to it."""

    paragraphs: list[Paragraph] = field(default_factory=list)
    running_heads: Counter[str] = field(default_factory=Counter)
    """The lines removed as running heads, with ``#`` for their page numbers."""
    num_contents_lines: int = 0
    """Lines removed as tables of contents."""
    num_footnotes: int = 0
    """Footnotes moved behind the paragraphs that call them."""
    num_dehyphenated: int = 0
    """Words made whole."""
    garbage_pages: list[int] = field(default_factory=list)
    """Pages of which text is left out that no one can read, counted from 1."""
    garbage_ratio: float = 0.0
    """Share of the characters that no one can read, before they were left out."""
    blocks: Counter[Role] = field(default_factory=Counter)
    """How many paragraphs of each role there were, before those of some roles were left out."""
    left_out: set[Role] = field(default_factory=set)
    glued_ratio: float = 0.0
    """Share of the letters in words of more than 24: above 0.02, spaces were lost."""
    status: str = "ok"
    """Of a text file: what came of reading it, as of a PDF."""
    reason: str = ""

    def measure(self, num_dehyphenated: int) -> None:
        """Notes what is known once all paragraphs are there."""
        self.num_dehyphenated = num_dehyphenated
        self.glued_ratio = glued_ratio(" ".join(paragraph.text for paragraph in self.paragraphs))
