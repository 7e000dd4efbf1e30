"""A small paper of two columns with all that interrupts a text, and what is to become of it."""

from itertools import cycle
from pathlib import Path

from pdf_writer import KindPage, write_kinds

from qwen_pl.data.layout.roles import Role
from qwen_pl.data.pdf.pypdf.standard_widths import standard_width, standard_widths

FONTS = {
    "F2": "Times-Roman",
    "F3": "Times-Bold",
    "F4": "Times-Italic",
    "F5": "Courier",
}
_WIDTHS = standard_widths(FONTS["F2"]) or {}
_LEFT, _RIGHT, _WIDTH = 60.0, 314.0, 238.0
_SIZE, _LEADING = 10.0, 12.0

SENTENCES = (
    "The wheel of the old mill was measured on every morning of the spring.",
    "Its speed was read from a dial that the miller had fixed above the sluice.",
    "No change was found that the height of the water could not account for.",
    "Later visitors repeated these measurements with a better clock, and they agreed.",
    "We follow their way of counting, but we leave out the days on which it rained.",
    "What remains is a table of forty days, which anybody may copy from the parish books.",
    "The grain was weighed before and after grinding, so that losses could be told.",
    "It is often said that a slow wheel grinds better than a fast one.",
    "Our figures give no reason to think so, and some reasons to doubt it.",
    "A faster wheel warms the stone, and a warm stone dries the flour.",
    "Whether dry flour keeps longer was not a question that we could answer.",
    "The carts that came to the mill were counted by a boy who sat upon the bridge.",
    "He wrote down the hour of each, and whether the horse was grey or brown.",
    "On market days there were twice as many, and nobody counted the horses.",
    "A second series was begun in the autumn, when the river was low.",
    "It had to be given up after a week, for the sluice was being mended.",
)
PARAGRAPHS = [" ".join(SENTENCES[(5 * n + k) % 16] for k in range(4)) for n in range(16)]


def _width(text: str, size: float) -> float:
    return sum(standard_width(_WIDTHS, letter) for letter in text) * size


class _Page:
    """The content of a page, written from the top of a column down."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.end = (0.0, 0.0)
        """Where the last line of the last paragraph ends."""

    def show(self, text: str, x: float, y: float, font: str = "F2", size: float = _SIZE) -> None:
        text = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        self.parts.append(f"BT /{font} {size:g} Tf {x:.2f} {y:.2f} Td ({text}) Tj ET")

    def rule(self, x: float, y: float, width: float) -> None:
        self.parts.append(f"{x:.2f} {y:.2f} {width:.2f} 0.5 re f")

    def set(
        self,
        text: str,
        x: float,
        y: float,
        width: float = _WIDTH,
        indent: float = 0.0,
        **way: float,
    ) -> float:
        """A paragraph, justified by the spaces between words; the height below its last line."""
        size, leading = way.get("size", _SIZE), way.get("leading", _LEADING)
        lines, start = [""], indent
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if start + _width(longer, size) > width:
                lines.append(word)
                start = 0.0
            else:
                lines[-1] = longer
        for number, line in enumerate(lines):
            shift = indent if number == 0 else 0.0
            spare = width - shift - _width(line, size)
            gap = spare / max(1, line.count(" ")) if number < len(lines) - 1 else 0.0
            self.parts.append(f"{gap:.3f} Tw")
            self.show(line, x + shift, y, size=size)
            self.parts.append("0 Tw")
            self.end = (x + shift + _width(line, size), y)
            y -= leading
        return y

    def content(self) -> bytes:
        return "\n".join(self.parts).encode("cp1252")


TITLE = "On the Speed of Water Wheels in Spring"
CAPTION = (
    "Figure 1: Turns of the wheel by the height of the water in the sluice, "
    "for forty days of spring."
)
TABLE_CAPTION = "Table 1: Carts that came to the mill, by the day of the week and the hour."
ROWS = (
    ("Day", "Morning", "Noon", "Evening"),
    ("Monday", "12", "7", "9"),
    ("Market", "31", "24", "28"),
)
NOTE = "The dial is kept in the church, where it may be seen on Sundays."
CODE = ("for day in days:", "    if not rained(day):", "        count(day)")
REFERENCES = (
    "[1] A. Miller and B. Carter. Wheels of the lower valley, and the water that turns them. "
    "Journal of Mills, 12(3):45-61, 1871.",
    "[2] C. Parson. A clock for slow wheels. In Proceedings of the Parish, pages 7-9, 1880.",
)


def write_paper(path: Path) -> None:
    """Writes the paper; ``PAPER`` is what its text is."""
    pages = [_first(), _second(), _third()]
    for number, page in enumerate(pages, start=1):
        page.show("Proceedings of the Society of Millers", 60, 760, "F4", 9)
        page.show(str(number), 304, 30, "F2", 9)
        page.parts.append("BT /F2 18 Tf 0 1 -1 0 34 250 Tm (preprint:1880.0417 [mill] 3 May) Tj ET")
    fonts = " ".join(f"/{name} {{{name}}} 0 R" for name in FONTS)
    resources = f"/Font << /F1 3 0 R {fonts} >>"
    objects: dict[str, str | bytes] = {
        name: f"<< /Type /Font /Subtype /Type1 /BaseFont /{font} /Encoding /WinAnsiEncoding >>"
        for name, font in FONTS.items()
    }
    write_kinds(path, [KindPage(page.content(), resources) for page in pages], objects)


def _first() -> _Page:
    page = _Page()
    page.show(TITLE, 120, 710, "F3", 17)
    page.show("Ada Miller and Ben Carter", 240, 686, "F2", 11)
    page.show("1  Introduction", _LEFT, 640, "F3", 12)
    y = page.set(PARAGRAPHS[0], _LEFT, 622)
    for paragraph in PARAGRAPHS[1:5]:
        y = page.set(paragraph, _LEFT, y, indent=12)
    y = page.set(PARAGRAPHS[5] + " The dial was made for us.", _LEFT, y, indent=12)
    page.show("1", page.end[0] + 0.5, page.end[1] + 3.6, size=6)
    page.rule(_LEFT, 82, 80)
    page.show("1", _LEFT, 72.6, size=5)
    page.show(NOTE, _LEFT + 4, 70, size=8)
    y = page.set(PARAGRAPHS[6], _RIGHT, 640, indent=12)
    page.parts.append(f"{_RIGHT + 30} {y - 150} 190 140 re S")
    for step in range(7):
        x, height = _RIGHT + 40 + 26 * step, y - 145 + 18 * step
        page.parts.append(f"{x} {height} m {x + 20} {height + 15} l S")
        page.show(str(10 * step), x, y - 160, "F2", 7)
        page.show(f"{0.5 * step:.1f}", _RIGHT + 14, height, "F2", 7)
    page.show("height in inches", _RIGHT + 90, y - 172, "F2", 7)
    y = page.set(CAPTION, _RIGHT, y - 192, size=9, leading=11) - 14
    for paragraph in PARAGRAPHS[7:10]:
        y = page.set(paragraph, _RIGHT, y, indent=12)
    return page


def _second() -> _Page:
    page = _Page()
    y = page.set(TABLE_CAPTION, _LEFT, 725, size=9, leading=11) - 4
    page.rule(_LEFT, y + 10, 220)
    for number, row in enumerate(ROWS):
        for cell, x in zip(row, cycle((0, 70, 125, 175))):
            page.show(cell, _LEFT + x, y, size=9)
        page.rule(_LEFT, y - 4, 220) if number in (0, len(ROWS) - 1) else None
        y -= 13
    y = page.set(PARAGRAPHS[10], _LEFT, y - 20, indent=12)
    page.show("2  Method", _LEFT, y - 14, "F3", 12)
    y = page.set(PARAGRAPHS[11], _LEFT, y - 32)
    for item in SENTENCES[12:15]:
        page.show("•", _LEFT + 10, y)
        y = page.set(item, _LEFT + 22, y, _WIDTH - 22)
    y = page.set(PARAGRAPHS[12], _LEFT, y, indent=12)
    page.show("v = a h + b", _LEFT + 90, y - 8, "F4")
    page.show("(1)", _LEFT + _WIDTH - 13, y - 8)
    y = page.set("where h is the height of the water. " + SENTENCES[2], _LEFT, y - 28)
    y = page.set(PARAGRAPHS[13], _RIGHT, 725, indent=12) - 6
    for line in CODE:
        blank = len(line) - len(line.lstrip())
        page.show(line.lstrip(), _RIGHT + 10 + 5.4 * blank, y, "F5", 9)
        y -= 11
    page.set(PARAGRAPHS[14], _RIGHT, y - 6, indent=12)
    return page


def _third() -> _Page:
    page = _Page()
    y = page.set(PARAGRAPHS[15], _LEFT, 725, indent=12)
    page.show("References", _LEFT, y - 14, "F3", 12)
    y -= 32
    for entry in REFERENCES:
        label, text = entry.split(" ", 1)
        page.show(label, _LEFT, y)
        y = page.set(text, _LEFT + 18, y, _WIDTH - 18) - 4
    return page


PAPER: list[tuple[Role, str]] = [
    (Role.HEADING, TITLE),
    (Role.PROSE, "Ada Miller and Ben Carter"),
    (Role.HEADING, "1 Introduction"),
    *((Role.PROSE, paragraph) for paragraph in PARAGRAPHS[:5]),
    (Role.PROSE, PARAGRAPHS[5] + " The dial was made for us."),
    (Role.FOOTNOTE, NOTE),
    (Role.PROSE, PARAGRAPHS[6]),
    (Role.CAPTION, CAPTION),
    *((Role.PROSE, paragraph) for paragraph in PARAGRAPHS[7:10]),
    (Role.CAPTION, TABLE_CAPTION),
    (Role.TABLE, "\n".join(" | ".join(row) for row in ROWS)),
    (Role.PROSE, PARAGRAPHS[10]),
    (Role.HEADING, "2 Method"),
    (Role.PROSE, PARAGRAPHS[11]),
    *((Role.ITEM, "• " + item) for item in SENTENCES[12:15]),
    (Role.PROSE, PARAGRAPHS[12]),
    (Role.FORMULA, "v = a h + b (1)"),
    (Role.PROSE, "where h is the height of the water. " + SENTENCES[2]),
    (Role.PROSE, PARAGRAPHS[13]),
    (Role.CODE, "\n".join(CODE)),
    (Role.PROSE, PARAGRAPHS[14]),
    (Role.PROSE, PARAGRAPHS[15]),
    (Role.HEADING, "References"),
    *((Role.BIBLIOGRAPHY, entry) for entry in REFERENCES),
]
"""The text of the paper by roles, in order; what is in the figure and the margins is left out."""
