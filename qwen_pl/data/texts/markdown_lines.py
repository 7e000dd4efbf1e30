"""Finds the blocks of a Markdown file line by line, as CommonMark has them.

Source: https://spec.commonmark.org/0.31.2, and GitHub's specification for tables.
"""

import re
from collections.abc import Sequence
from enum import Enum

from qwen_pl.data.layout.roles import Role
from qwen_pl.data.texts.line_groups import Kind, LineGroup
from qwen_pl.data.texts.text_encoding import CHUNK_CHARACTERS

_LONGEST_WRAPPED = 120  # letters; with longer lines, each line is a paragraph
_DEEPEST = 50  # quotes and items within each other
_QUOTE = re.compile(r" {0,3}> ?")
_ITEM = re.compile(r" {0,3}(?:[-+*]|(\d{1,9})[.)])(?= |$)")
_SPACES = re.compile(" *")
_FENCE = re.compile(r" {0,3}(?:(`{3,})[^`]*|(~{3,}).*)$")
_FENCE_END = re.compile(r" {0,3}(`{3,}|~{3,}) *$")
_HEADING = re.compile(r" {0,3}#{1,6}(?: |$)")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+) *$")
_RULE = re.compile(r" {0,3}(?:(?:\* *){3,}|(?:- *){3,}|(?:_ *){3,}|={3,} *)$")
_ROW = re.compile(r" {0,3}\|")
_ROW_ENDS = re.compile(r" {0,3}:?-+:? *(?:\| *:?-+:? *)+$")  # of a table without | at its sides
_REFERENCE = re.compile(r" {0,3}\[[^\]]{1,999}\]: *\S")
_BULLET = re.compile(r" {0,3}[•–] ")  # not CommonMark's, but common
_HARD_BREAK = re.compile(r"(?: {2}|\\)$")
_FRONT_MATTER, _LONGEST_FRONT_MATTER = re.compile(r"---\s*\n[\w.-]+ *:"), 200  # lines
# What begins a block of HTML, and what ends it; where nothing is named, a blank line does.
_HTML = {
    r"<(?:script|pre|style|textarea)(?=[ >]|$)": r"</(?:script|pre|style|textarea)>",
    r"<!--": r"-->",
    r"<\?": r"\?>",
    r"<!\[CDATA\[": r"\]\]>",
    r"<![a-z]": r">",
    r"</?(?:address|article|aside|blockquote|body|center|dd|details|dialog|dir|div|dl|dt|fieldset|"
    r"figcaption|figure|footer|form|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|nav|"
    r"ol|option|p|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|ul)"
    r"(?=[ />]|$)": "",
}
_HTML_BEGINS = re.compile(" {0,3}(?:" + "|".join(f"({begin})" for begin in _HTML) + ")", re.I)
_HTML_ENDS = [re.compile(end, re.I) if end else None for end in _HTML.values()]


class _Leaf(Enum):
    """What kind of block the last line is in."""

    NONE = 0
    PARAGRAPH = 1
    INDENTED = 2
    FENCE = 3
    HTML = 4
    TABLE = 5
    REFERENCES = 6


_KINDS = {
    _Leaf.PARAGRAPH: (Kind.JOINED, Role.PROSE),
    _Leaf.TABLE: (Kind.KEPT, Role.TABLE),
    _Leaf.REFERENCES: (Kind.KEPT, Role.PROSE),
}
_CODE = (Kind.CODE, Role.CODE)


class MarkdownLines:
    """Groups the lines of a text that comes in chunks of any size.

    Code and HTML stay as they are, with the marks of the quotes and the indents of the items that
    they are in. Of other blocks, the first line has those.

    >>> groups = MarkdownLines().groups("# Cats\\nThey\\npurr.\\n- one", is_last=True)
    >>> [(group.role.value, group.lines) for group in groups]
    [('heading', ['# Cats']), ('prose', ['They', 'purr.']), ('item', ['- one'])]
    """

    def __init__(self) -> None:
        self._containers: list[int] = []
        """Quotes and items that the last line is in: 0, and the width of an item's indent."""
        self._is_empty = False
        """Whether there is nothing yet in the last of them, an item: a blank line would end it."""
        self._leaf = _Leaf.NONE
        self._group = LineGroup(Kind.CODE, [], 1, 2)  # that is open, if there is a leaf
        self._done: list[LineGroup] = []
        self._ends: re.Pattern[str] | None = None  # the leaf, if it is HTML
        self._fence = ""
        self._page = 1
        self._blank = 1  # lines since the last one that is not
        self._is_beginning = True

    def groups(self, chunk: str, *, is_last: bool) -> list[LineGroup]:
        lines = chunk.split("\n")
        if lines[-1] == "":
            lines.pop()
        for line in self._behind_front_matter(lines):
            first, *more = line.split("\f")
            if more and self._leaf is _Leaf.FENCE:
                first, more = "".join([first, *more]), []
                self._page += line.count("\f")
            self._take(first)
            for part in more:
                self._page += 1
                self._take("")
                self._take(part)
        if is_last:
            self._close()
        elif self._leaf is not _Leaf.PARAGRAPH or _size(self._group.lines) > CHUNK_CHARACTERS:
            self._flush()
        done, self._done = self._done, []
        return done

    def _behind_front_matter(self, lines: list[str]) -> list[str]:
        """Facts about the file that stand before its text stay lines."""
        is_beginning, self._is_beginning = self._is_beginning, False
        if not is_beginning or not _FRONT_MATTER.match("\n".join(lines[:2])):
            return lines
        for number, line in enumerate(lines[1:_LONGEST_FRONT_MATTER], start=2):
            if line.rstrip() in ("---", "..."):
                self._done.append(
                    LineGroup(Kind.CODE, lines[:number], self._page, 2, role=Role.CODE)
                )
                self._blank = 0
                return lines[number:]
        return lines

    def _take(self, raw: str) -> None:
        """Puts a line where it belongs."""
        line = raw.expandtabs(4)
        place, num_matched = self._match(line)
        is_blank = not line[place:].strip()
        if num_matched == len(self._containers):
            if self._goes_on(raw, line, place, is_blank):
                return
        elif self._leaf is _Leaf.PARAGRAPH and not (is_blank or _begins_block(line, place)):
            self._group.lines.append(line[place:].strip())  # which the marks may be left out of
            return
        else:
            self._close()
            del self._containers[num_matched:]
        num_open = len(self._containers)
        place = self._open_containers(line, place)
        indent = raw[: len(raw) - len(raw.lstrip())] if num_matched else ""
        if not line[place:].strip():
            self._is_empty = len(self._containers) > num_open and self._containers[-1] > 0
            self._close(unless=_Leaf.INDENTED)
            if self._leaf is _Leaf.INDENTED:
                self._group.lines.append("")
            self._blank += 1
        else:
            self._is_empty = False
            self._take_leaf(raw, line, place, indent)
            self._blank = 0

    def _match(self, line: str) -> tuple[int, int]:
        """The place behind the marks and indents of open containers, and how many have theirs."""
        place = 0
        for number, width in enumerate(self._containers):
            if not width:
                if (mark := _QUOTE.match(line, place)) is None:
                    return place, number
                place = mark.end()
            elif not line[place:].strip():
                if self._is_empty and number + 1 == len(self._containers):
                    return place, number
            elif _spaces(line, place) >= width:
                place += width
            else:
                return place, number
        return place, len(self._containers)

    def _goes_on(self, raw: str, line: str, place: int, is_blank: bool) -> bool:
        """Takes a line that is in an open fence or block of HTML."""
        if self._leaf is _Leaf.FENCE:
            self._group.lines.append(raw)
            end = _FENCE_END.match(line, place)
            if end is not None and end[1].startswith(self._fence):
                self._close()
            self._blank = 0
            return True
        if self._leaf is _Leaf.HTML and not (is_blank and self._ends is None):
            self._group.lines.append(raw)
            if self._ends is not None and self._ends.search(line, place):
                self._close()
            self._blank = 0
            return True
        return False

    def _open_containers(self, line: str, place: int) -> int:
        """Opens quotes and items that begin with the line; returns the place behind their marks."""
        while len(self._containers) < _DEEPEST:
            if mark := _QUOTE.match(line, place):
                width, behind = 0, mark.end()
            elif (mark := _ITEM.match(line, place)) and not _RULE.match(line, place):
                spaces = _spaces(line, mark.end())
                is_empty = mark.end() + spaces == len(line)
                if self._leaf is _Leaf.PARAGRAPH and (is_empty or mark[1] not in (None, "1")):
                    break  # a number or dash that a line of a paragraph happens to begin with
                width = mark.end() - place + (1 if is_empty or spaces > 4 else spaces)
                behind = min(place + width, len(line))
            else:
                break
            self._close()
            self._containers.append(width)
            place = behind
        return place

    def _take_leaf(self, raw: str, line: str, place: int, indent: str) -> None:
        """Puts a line that is not blank into the block that is open, or begins one with it."""
        leaf = self._leaf
        if _spaces(line, place) >= 4 and leaf is not _Leaf.PARAGRAPH:
            self._put(_Leaf.INDENTED, raw)
        elif fence := _FENCE.match(line, place):
            self._begin(_Leaf.FENCE, raw)
            self._fence = fence[1] or fence[2]
        elif html := _HTML_BEGINS.match(line, place):
            self._begin(_Leaf.HTML, raw)
            self._ends = _HTML_ENDS[(html.lastindex or 1) - 1]
            if self._ends is not None and self._ends.search(line, html.end()):
                self._close()
        elif leaf is _Leaf.PARAGRAPH and _ROW_ENDS.match(line, place) and "|" in self._last():
            head = self._group.lines.pop()
            self._begin(_Leaf.TABLE, indent + head)
            self._put(_Leaf.TABLE, raw)
        elif leaf is _Leaf.PARAGRAPH and _UNDERLINE.match(line, place):
            self._group = self._group._replace(role=Role.HEADING)
            self._put(leaf, line[place:], begins=True)
            self._group = self._group._replace(role=Role.HEADING)
            self._close()
        elif _HEADING.match(line, place) or _RULE.match(line, place):
            role = Role.HEADING if _HEADING.match(line, place) else Role.PROSE
            self._begin(_Leaf.PARAGRAPH, raw.strip(), indent, role)
            self._close()
        elif _ROW.match(line, place) or (leaf is _Leaf.TABLE and "|" in line):
            self._put(_Leaf.TABLE, raw)
        elif leaf is not _Leaf.PARAGRAPH and _REFERENCE.match(line, place):
            self._put(_Leaf.REFERENCES, raw)
        elif leaf is not _Leaf.PARAGRAPH or _BULLET.match(line, place):
            is_item = place > len(indent) and self._containers[-1:] not in ([], [0])
            role = Role.ITEM if is_item or _BULLET.match(line, place) else Role.PROSE
            self._begin(_Leaf.PARAGRAPH, raw.lstrip(), indent, role)
        else:
            self._put(leaf, line[place:], begins=_HARD_BREAK.search(self._last()) is not None)

    def _last(self) -> str:
        return self._group.lines[-1]

    def _put(self, leaf: _Leaf, line: str, *, begins: bool = False) -> None:
        """Adds a line to the open block if it is of this kind, and otherwise begins one."""
        if self._leaf is leaf and not begins:
            self._group.lines.append(line)
        else:
            self._begin(leaf, line)

    def _begin(self, leaf: _Leaf, line: str, indent: str = "", role: Role | None = None) -> None:
        self._close()
        self._leaf = leaf
        kind, usual = _KINDS.get(leaf, _CODE)
        newlines = 1 + min(self._blank, 1)
        role, level = role or usual, 0
        if role is Role.HEADING:
            level = len(line) - len(line.lstrip("#"))
        elif role is Role.ITEM:
            level = sum(width > 0 for width in self._containers)
        self._group = LineGroup(kind, [line], self._page, newlines, indent, role, level)
        self._blank = 0

    def _close(self, unless: _Leaf = _Leaf.NONE) -> None:
        """Ends the open block."""
        if self._leaf in (unless, _Leaf.NONE):
            return
        self._flush()
        self._blank = max(self._blank, self._group.newlines - 1)
        self._leaf = _Leaf.NONE

    def _flush(self) -> None:
        """Hands over what there is of the open block, which may go on."""
        group = self._group
        num_blank = _num_blank(group.lines)  # they go on with what came before a chunk
        lines, newlines = group.lines[num_blank:], group.newlines + num_blank
        if group.kind is Kind.JOINED and max(map(len, lines), default=0) > _LONGEST_WRAPPED:
            for number, line in enumerate(lines):
                own = group._replace(lines=[line], newlines=newlines)
                self._done.append(own._replace(newlines=1, indent="") if number else own)
        elif lines:
            self._done.append(group._replace(lines=lines, newlines=newlines))
            newlines = 1 + _num_blank(lines[::-1])
        self._group = group._replace(lines=[], page=self._page, newlines=newlines, indent="")


def _begins_block(line: str, place: int) -> bool:
    """Whether a line cannot be one more of a paragraph whose quote or item it has no mark of."""
    begins = (_QUOTE, _ITEM, _FENCE, _HEADING, _RULE, _HTML_BEGINS)
    return any(each.match(line, place) for each in begins)


def _spaces(line: str, place: int) -> int:
    return _SPACES.match(line, place).end() - place  # type: ignore[union-attr]


def _num_blank(lines: Sequence[str]) -> int:
    """Blank lines before the first that is not."""
    return next((number for number, line in enumerate(lines) if line.strip()), len(lines))


def _size(lines: list[str]) -> int:
    return sum(map(len, lines))
