"""Finds headings, paragraphs, items, code and tables in HTML, and leaves out what is no text."""

import re
from dataclasses import dataclass, field

from qwen_pl.data.layout.roles import Role
from qwen_pl.data.texts.line_groups import Kind, LineGroup
from qwen_pl.data.texts.markup import Tag, markup

_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "main",
        "menu",
        "p",
        "section",
        "summary",
        "caption",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "li",
        "ol",
        "ul",
        "pre",
        "listing",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
    ]
)
_LEFT_OUT = frozenset(
    [
        "script",
        "style",
        "template",
        "noscript",
        "title",
        "nav",
        "svg",
        "iframe",
        "object",
        "audio",
        "video",
        "canvas",
        "map",
        "select",
        "button",
        "datalist",
        "textarea",
        "rt",
        "rp",
        "annotation",
        "annotation-xml",
    ]
)
_AROUND = ("header", "footer", "aside")  # of the page, where something else is its main part
_ROLES_LEFT_OUT = frozenset(
    [
        "navigation",
        "search",
        "menu",
        "menubar",
        "toolbar",
        "banner",
        "contentinfo",
        "doc-toc",
        "doc-pagebreak",
        "doc-noteref",
    ]
)
_TYPES_LEFT_OUT = frozenset(["pagebreak", "toc", "landmarks", "page-list", "noteref"])  # of EPUB
_CLASSES_LEFT_OUT = frozenset({"linenos", "lineno", "linenodiv", "gutter"})
_MAY_LACK_END = frozenset(
    [
        "p",
        "li",
        "dt",
        "dd",
        "td",
        "th",
        "tr",
        "thead",
        "tbody",
        "tfoot",
        "option",
        "html",
        "body",
        "head",
    ]
)
_VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
_HIDDEN = re.compile(r"(?<![^\s\"'])hidden(?![^\s=>])|display:\s*none|aria-hidden=[\"']?true", re.I)
_MAY_MATTER = re.compile(r"hidden|none|role|class|type", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\n\r\f]+")
_SPACES_TWICE = re.compile(" {2,}")
_APART = re.compile(r" *\n *(?:\n *)+")
_CALL = re.compile(r"[\[(]?[\w*†‡§]{1,3}[\])]?")
_BACK = re.compile("[↩↑⏎^\ufe0e\ufe0f]+")  # what leads back from a note to where it is called
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_LISTS = ("ol", "ul", "menu", "dir")
_PRE = ("pre", "listing")
_DEEPEST_TABLE, _DEEPEST_LIST = 20, 20
_LONGEST_CELL, _MOST_BLOCKS = 400, 3  # of a table that is none, but sets the page


def html_groups(text: str, *, page: int = 1, is_book: bool = False) -> list[LineGroup]:
    """The groups of one document.

    Args:
        page: That they are said to be on.
        is_book: Whether it is a chapter of a book rather than a page of the web, which may have
            more on it than its text.
    """
    begin = text[:2000]
    is_xml = begin.lstrip("\ufeff \n\r\t").startswith("<?xml") or "w3.org/1999/xhtml" in begin
    has = {name: re.search(rf"<{name}[\s>]", text, re.I) for name in ("main", "article")}
    for main in () if is_book else ("main", "article"):
        if has[main] and (found := _Groups(page, main).of(text, is_xml)):
            return found
    return _Groups(page, "").of(text, is_xml)


@dataclass
class _Table:
    """A table that is being read."""

    rows: list[str] = field(default_factory=list)
    cells: list[list[LineGroup]] = field(default_factory=list)
    """Of the row that is open."""
    has_open_cell: bool = False


class _Groups:
    """Takes the tags and the text of a document, one after another.

    Args:
        main: The element that alone is read; empty if all is.
    """

    def __init__(self, page: int, main: str) -> None:
        self._page, self._main = page, main
        self._num_main = 0
        self._left_out, self._num_left_out = "", 0  # an element, and how many of its name are open
        self._text: list[str] = []  # of the block that is open
        self._role, self._level = Role.PROSE, 0
        self._num_pre = 0
        self._lists: list[int | None] = []  # the number of the last item, if they are numbered
        self._mark = ""  # of the item whose first block comes next
        self._ends_list = False
        self._tables: list[_Table] = []
        self._outs: list[list[LineGroup]] = [[]]  # the document's, and those of open cells
        self._link: int | None = None  # where one to a place in the document begins
        self._raised: int | None = None  # where such text begins
        self._lowered: int | None = None
        self._calls = False  # whether the raised text is a link

    def of(self, text: str, is_xml: bool) -> list[LineGroup]:
        for each in markup(text, is_xml=is_xml):
            if isinstance(each, str):
                if not self._left_out and (self._num_main or not self._main):
                    self._text.append(each if self._num_pre else _SPACES.sub(" ", each))
            elif self._left_out:
                if each.name == self._left_out and not each.is_empty:
                    self._num_left_out += -1 if each.ends else 1
                    self._left_out = self._left_out if self._num_left_out else ""
            elif each.ends:
                self._end(each.name)
            elif not self._leaves_out(each):
                self._begin(each)
                if each.is_empty:
                    self._end(each.name)
        self._flush()
        while self._tables:
            self._end_table()
        return self._outs[0]

    def _leaves_out(self, tag: Tag) -> bool:
        """Whether an element is no text; then all in it is left out."""
        name = tag.name
        is_out = name in _LEFT_OUT or (name in _AROUND and self._main != "" and not self._num_main)
        if not is_out and name not in _VOID and _MAY_MATTER.search(tag.source):
            values = tag.attributes()
            is_out = (
                values.get("role", "").lower() in _ROLES_LEFT_OUT
                or not _TYPES_LEFT_OUT.isdisjoint(values.get("epub:type", "").split())
                or not _CLASSES_LEFT_OUT.isdisjoint(values.get("class", "").split())
                or (name not in _MAY_LACK_END and _HIDDEN.search(tag.source) is not None)
            )
        if is_out and name in _BLOCKS:
            self._flush()
        if is_out and not tag.is_empty:
            self._left_out, self._num_left_out = name, 1
        return is_out

    def _begin(self, tag: Tag) -> None:
        name = tag.name
        if name in _BLOCKS:
            self._flush()
        if name == self._main:
            self._num_main += 1
        elif name == "br":
            self._text.append("\n")
        elif name in _PRE:
            self._num_pre += 1
        elif name in _HEADINGS:
            self._role, self._level = Role.HEADING, int(name[1])
        elif name in ("figcaption", "caption"):
            self._role = Role.CAPTION
        elif name in _LISTS:
            start = tag.attributes().get("start", "1") if name == "ol" else ""
            self._lists.append(int(start) - 1 if re.fullmatch("[0-9]{1,9}", start) else None)
        elif name == "li":
            self._begin_item()
        elif name == "table" and len(self._tables) < _DEEPEST_TABLE:
            self._tables.append(_Table())
        elif name == "tr" and self._tables:
            self._end_row()
        elif name in ("td", "th") and self._tables:
            self._end_cell()
            self._outs.append([])
            self._tables[-1].has_open_cell = True
        elif name == "a":
            self._link = len(self._text) if "#" in tag.attributes().get("href", "") else None
            self._calls |= self._link is not None
        elif name == "sup":
            self._raised, self._calls = len(self._text), self._link is not None
        elif name == "sub":
            self._lowered = len(self._text)

    def _begin_item(self) -> None:
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        indent = "  " * (min(len(self._lists), _DEEPEST_LIST) - 1)
        self._mark = indent + ("- " if number is None else f"{number + 1}. ")

    def _end(self, name: str) -> None:
        if name in _BLOCKS:
            self._flush()
        if name == self._main:
            self._num_main = max(0, self._num_main - 1)
        elif name in _PRE:
            self._num_pre = max(0, self._num_pre - 1)
        elif name in (*_HEADINGS, "figcaption", "caption"):
            self._role, self._level = Role.PROSE, 0
        elif name in _LISTS and self._lists:
            self._lists.pop()
            self._ends_list = not self._lists
        elif name == "li":
            self._mark = ""
        elif name == "table" and self._tables:
            self._end_table()
        elif name == "tr" and self._tables:
            self._end_row()
        elif name in ("td", "th") and self._tables:
            self._end_cell()
        elif name == "a" and self._link is not None:
            if _BACK.fullmatch("".join(self._text[self._link :]).strip()):
                del self._text[self._link :]
            self._link = None
        elif name == "sup" and self._raised is not None:
            self._end_shifted(self._raised, _RAISED, self._calls)
            self._raised = None
        elif name == "sub" and self._lowered is not None:
            self._end_shifted(self._lowered, _LOWERED, False)
            self._lowered = None

    def _end_shifted(self, begin: int, digits: dict[int, int], may_be_call: bool) -> None:
        """Ends raised or lowered text: the call of a note goes, and digits stay what they are."""
        shifted = "".join(self._text[begin:]).strip()
        if may_be_call and _CALL.fullmatch(shifted):
            del self._text[begin:]
        elif shifted.isdecimal():
            self._text[begin:] = [shifted.translate(digits)]

    def _end_cell(self) -> None:
        table = self._tables[-1]
        if table.has_open_cell:
            self._flush()
            table.cells.append(self._outs.pop())
            table.has_open_cell = False

    def _end_row(self) -> None:
        """Makes a line of the cells, or blocks where the table only sets them beside each other."""
        self._end_cell()
        table = self._tables[-1]
        cells, table.cells = table.cells, []
        texts = [" ".join(line for group in cell for line in group.lines) for cell in cells]
        is_page = any(len(cell) > _MOST_BLOCKS or any(map(_is_own, cell)) for cell in cells)
        if is_page or len(cells) == 1 or max(map(len, texts), default=0) > _LONGEST_CELL:
            self._write_rows(table)
            self._outs[-1] += [group for cell in cells for group in cell]
        elif any(texts):
            table.rows.append(" | ".join(map(str.strip, texts)).strip())

    def _end_table(self) -> None:
        self._end_row()
        self._write_rows(self._tables[-1])
        self._tables.pop()

    def _write_rows(self, table: _Table) -> None:
        if table.rows:
            self._outs[-1].append(LineGroup(Kind.KEPT, table.rows, self._page, 2, role=Role.TABLE))
            table.rows = []

    def _flush(self) -> None:
        """Ends the block that is open."""
        text, self._text = "".join(self._text), []
        self._link = self._raised = self._lowered = None
        if not text.strip():
            return
        if self._num_pre:
            lines = text.split("\n")
            self._write(LineGroup(Kind.CODE, lines, self._page, 2, role=Role.CODE))
            return
        for part in _APART.split(_SPACES_TWICE.sub(" ", text)):
            lines = [line.strip() for line in part.split("\n") if line.strip()]
            depth = min(len(self._lists), _DEEPEST_LIST)
            indent, role, level = "  " * depth, self._role, self._level
            if self._mark:
                indent, role, level, self._mark = self._mark, Role.ITEM, depth, ""
            if len(lines) > 1:
                lines[0], indent = indent + lines[0], ""
            if lines:
                kind = Kind.JOINED if len(lines) == 1 else Kind.KEPT
                self._write(LineGroup(kind, lines, self._page, 2, indent, role, level))

    def _write(self, group: LineGroup) -> None:
        before = self._outs[-1][-1:]
        if before and before[0].role is group.role is Role.ITEM and not self._ends_list:
            group = group._replace(newlines=1)
        self._ends_list = False
        self._outs[-1].append(group)


def _is_own(group: LineGroup) -> bool:
    """Whether a block in a cell says that the cell is no cell of a table."""
    return group.role in (Role.CODE, Role.TABLE, Role.HEADING)
